"""A client in another language, made from our protos alone: tests/e2e/typescript."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from portaria.v1.job_pb2 import JOB_STATE_SUCCEEDED
from stack import Process, Stack, eventually
from stack.built import built, node, npm_ci

PROTO = Path(__file__).parents[2] / "proto"
SAMPLE = Path(__file__).parent / "typescript"
# As its README says, but for npm, which is done once; what tsc refuses never runs.
GENERATE = "portaria generate $PROTO --image portaria.binpb && buf generate && tsc"
RECIPIENTS = [f"person{number}@example.com" for number in range(8)]

pytestmark = pytest.mark.timeout(180)  # the first time, packages are downloaded


@pytest.fixture
def sample(stack: Stack) -> Path:
    """The sample, type-checked against stubs that are generated now, while the stack starts."""
    packages = built("typescript", [SAMPLE / "package.json", SAMPLE / "package-lock.json"], npm_ci)
    made = shutil.ignore_patterns("gen", "node_modules", "*.binpb")
    folder = Path(shutil.copytree(SAMPLE, stack.folder / "sample", ignore=made))
    modules = folder / "node_modules"
    modules.symlink_to(packages / "node_modules")
    env = {"PROTO": str(PROTO), "PATH": f"{modules}/.bin:{node().parent}:{stack.env['PATH']}"}
    command = f"cd {folder} && {GENERATE}"
    generate = stack.processes.start("generate", "bash", "-ec", command, **env)
    stack.sandbox("--delay", "0.02")
    stack.door()
    stack.worker("mail")
    assert generate.wait(60) == 0, generate.output()
    return folder


def _send(stack: Stack, sample: Path, *recipients: str) -> Process:
    return stack.processes.start(
        "send", node(), sample / "send.ts", f"http://{stack.address}", *recipients
    )


def test_a_typescript_client_submits_and_watches(stack: Stack, sample: Path) -> None:
    """It is told every field that is wrong; its watch outlives the door and misses nothing."""
    refused = _send(stack, sample, "ana@", "rui@example.com", "nobody")

    assert refused.wait(40) == 1
    assert refused.output().splitlines() == [
        "INVALID_REQUEST",
        "  job.recipients[0].address: is not one e-mail address (EMAIL_FORMAT)",
        "  job.recipients[2].address: is not one e-mail address (EMAIL_FORMAT)",
    ]

    stack.smtp.process.pause()
    send = _send(stack, sample, *RECIPIENTS)
    send.wait_for("RUNNING")
    _replace_door(stack)
    stack.smtp.process.resume()

    assert send.wait(40) == 0, send.output()
    submitted, *told, sent = send.output().splitlines()
    progress = [int(line.split()[0]) for line in told if " of " in line]
    assert [line for line in told if " of " not in line] == ["RUNNING", "SUCCEEDED"]
    assert progress
    assert progress == sorted(set(progress))
    assert sent == f"sent {len(RECIPIENTS)}, refused 0"
    job = stack.client.get(submitted.removeprefix("submitted "))
    assert (job.state, job.labels["campaign"]) == (JOB_STATE_SUCCEEDED, "typescript")
    assert stack.smtp.addresses() == RECIPIENTS


def _replace_door(stack: Stack) -> None:
    """Kills it, and starts another there; comes back when that one is watched, too."""
    door = next(each for each in stack.processes.started if each.name == "door-1")
    door.kill()
    stack.redis.delete("portaria:watched")  # doors say it, and it outlives them
    stack.door(PORTARIA_LISTEN=stack.address)
    eventually(lambda: stack.redis.exists("portaria:watched"))
