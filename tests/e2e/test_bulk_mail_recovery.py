"""A real bulk mail while processes die: it ends once, each address has one mail or is in doubt.

The shipped defaults; nobody calls the reaper; recovery times are printed (`pytest -s`).
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from datetime import timedelta

import pytest
from google.protobuf.message import Message

from portaria.client import Handle
from portaria.v1.job_pb2 import JOB_STATE_SUCCEEDED, Job
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail, SendBulkEmailResult
from stack import Stack
from stack.eventually import eventually

RECIPIENTS = 120
PATIENCE = timedelta(seconds=40)

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def bulk(stack: Stack) -> Handle[Message]:
    """A bulk mail that is being sent: slowly, so that there is something to kill."""
    stack.sandbox("--delay", "0.02")
    stack.door()
    stack.worker("mail")
    addresses = [f"person{number}@example.com" for number in range(RECIPIENTS)]
    mail = SendBulkEmail(template="message", variables={"subject": "Olá", "message": "Bom dia."})
    mail.recipients.extend(SendBulkEmail.Recipient(address=each) for each in addresses)
    handle = stack.client.submit(mail)
    eventually(lambda: len(_delivered(stack)) >= 20, 20)
    return handle


def _delivered(stack: Stack) -> Counter[str]:
    folder = stack.data_dir / "mail"
    names = [path.name for path in folder.rglob("*.eml")]
    return Counter(names)


def _check(stack: Stack, handle: Handle[Message], job: Job) -> None:
    """Once to the end; per address one mail, or named as in doubt with at most one."""
    result = SendBulkEmailResult()
    assert job.state == JOB_STATE_SUCCEEDED
    assert job.result.Unpack(result)
    sent = Counter(_addresses(stack))
    assert max(sent.values()) == 1
    assert result.sent + len(result.maybe_sent) == RECIPIENTS
    certain = RECIPIENTS - len(result.maybe_sent)
    assert len(sent) >= certain
    ended = [event for event in handle.watch() if event.done]
    assert len(ended) == 1
    assert not result.refused


def _addresses(stack: Stack) -> list[str]:
    import email
    import email.policy

    folder = stack.data_dir / "mail"
    mails = (
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in folder.rglob("*.eml")
    )
    return [str(mail["To"]) for mail in mails]


def _recovered(stack: Stack, what: str, killed_at: float) -> None:
    """Prints how long it took from the kill to the next mail."""
    before = len(_delivered(stack))
    eventually(lambda: len(_delivered(stack)) > before + 1, 20)
    print(f"\n{what}: mails go on after {time.monotonic() - killed_at:.2f} s")


def _child_of(stack: Stack) -> int:
    worker = next(each for each in stack.processes.started if each.name.startswith("worker"))
    return worker.descendants()[0].pid


def test_kill_of_the_child(stack: Stack, bulk: Handle[Message]) -> None:
    """Its parent replaces it at once."""
    killed_at = time.monotonic()
    os.kill(_child_of(stack), signal.SIGKILL)

    _recovered(stack, "child killed", killed_at)
    _check(stack, bulk, bulk.wait(PATIENCE))


def test_kill_of_parent_and_child(stack: Stack, bulk: Handle[Message]) -> None:
    """Another worker takes the job after the lease."""
    stack.worker("mail")
    first = next(each for each in stack.processes.started if each.name == "worker-1")
    child, killed_at = _child_of(stack), time.monotonic()
    os.kill(child, signal.SIGSTOP)  # so that the child does not outlive its parent by a mail
    os.kill(first.pid, signal.SIGKILL)
    os.kill(child, signal.SIGKILL)

    _recovered(stack, "parent and child killed", killed_at)
    _check(stack, bulk, bulk.wait(PATIENCE))


def test_kill_of_the_door_in_mid_stream(stack: Stack, bulk: Handle[Message]) -> None:
    """The client resumes at the next door with its cursor: no gap, no repeat, one end."""
    door = next(each for each in stack.processes.started if each.name == "door-1")
    states, progress = [], []
    killed_at = 0.0
    for event in bulk.watch():
        if event.HasField("progress"):
            progress.append(event.progress.current)
        else:
            states.append(event.state)
        if len(progress) == 3 and not killed_at:
            killed_at = time.monotonic()
            door.kill()
            stack.door(PORTARIA_LISTEN=stack.address)
        elif killed_at and len(progress) == 4:
            print(f"\ndoor killed: the watch goes on after {time.monotonic() - killed_at:.2f} s")

    assert progress == sorted(progress)
    assert states.count(JOB_STATE_SUCCEEDED) == 1
    _check(stack, bulk, bulk.wait(PATIENCE))


def test_kill_of_redis(stack: Stack, bulk: Handle[Message]) -> None:
    """Nothing acknowledged is lost; the job goes on where it was, under the same attempt."""
    killed_at = time.monotonic()
    stack.redis_server.kill()
    stack.restart_redis()

    _recovered(stack, "redis killed and restarted", killed_at)
    job = bulk.wait(PATIENCE)
    assert job.attempt == 1
    _check(stack, bulk, job)
