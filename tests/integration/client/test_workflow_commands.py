"""`portaria workflows`, against the real door and a real worker."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from acme_jobs.lab.v1.lab_pb2 import Echo, Fail, Noop, Wait
from acme_jobs.relay.v1.relay_pb2 import Spread
from portaria.client import chain, group, step
from stack import Stack, eventually

pytestmark = pytest.mark.usefixtures("standing_door")

SOON = timedelta(seconds=20)
UNKNOWN_ID = "0190c0de-0000-7fff-8000-000000000000"
BAD = Fail(times=9, how=Fail.HOW_PERMANENT)
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "portaria.cli.main", "workflows", *words]


def tree_of(text: str) -> list[str]:
    """What stands below the facts."""
    return text[text.index("\n\n") + 2 :].splitlines()


def _holds(words: str, done: subprocess.CompletedProcess[str]) -> Any:
    return words in done.stdout and done


@pytest.fixture
def portaria(stack: Stack) -> Run:
    """Runs `portaria workflows …` to its end."""
    _ = stack.client

    def run(*words: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*words), input=stdin, env={**stack.env, "TZ": "UTC", **env},
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    return run


def test_a_workflow_is_shown_as_a_tree(portaria: Run, stack: Stack) -> None:
    """Before it runs, and after a step failed; as JSON all of it."""
    root = chain(
        step(Echo(text="a"), node="first"),
        group(step(BAD, node="pdf"), step(Noop(), node="excel", on_failure="allow"), node="parts"),
        step(Noop(), node="last"),
    )
    handle = stack.client.submit_workflow(root, labels={"team": "billing"})

    # Who works is looked up once a second.
    before = eventually(lambda: _holds("no worker", portaria("show", handle.workflow_id)))
    stack.worker("lab")
    handle.wait(SOON)
    after = portaria("show", handle.workflow_id)
    as_json = portaria("show", handle.workflow_id, "--json")

    assert (before.returncode, before.stderr) == (0, "")
    assert tree_of(before.stdout) == [
        "0 chain  PENDING  0 of 4 done",
        "├── first Echo  PENDING  no worker serves its queue",
        "├── parts group  BLOCKED  0 of 2 done",
        "│   ├── pdf Fail  BLOCKED",
        "│   └── excel Noop, may fail  BLOCKED",
        "└── last Noop  BLOCKED",
    ]
    assert tree_of(after.stdout) == [
        "0 chain  FAILED  4 of 4 done",
        "├── first Echo  SUCCEEDED",
        "├── parts group  FAILED  2 of 2 done",
        "│   ├── pdf Fail  FAILED  NO_SUCH_CUSTOMER: there is no such customer",
        "│   └── excel Noop, may fail  SUCCEEDED",
        "└── last Noop  CANCELLED  not begun, since pdf failed",
    ]
    assert re.search(r"^labels +team=billing", after.stdout, re.MULTILINE)
    assert re.search(r"^cause +pdf Fail: NO_SUCH_CUSTOMER", after.stdout, re.MULTILINE)
    found = json.loads(as_json.stdout)
    assert (found["workflow_id"], len(found["nodes"])) == (handle.workflow_id, 6)


def test_workflows_are_listed(portaria: Run, stack: Stack) -> None:
    """A line each, the newest first; with --json one object a line."""
    one = stack.client.submit_workflow(chain(Noop(), Noop()), labels={"team": "a"})
    two = stack.client.submit_workflow(chain(Noop(), Noop()), labels={"team": "b"})
    two.cancel()

    table, only = portaria("list"), portaria("list", "--open", "--json")
    labelled = portaria("list", "--label", "team=b")
    some, none = portaria("list", "--limit", "1"), portaria("list", "--label", "team=c")

    rows = [line.split() for line in table.stdout.splitlines()[1:]]
    assert [row[:3] for row in rows] == [
        [two.workflow_id, "CANCELLED", "2/2"],
        [one.workflow_id, "RUNNING", "0/2"],
    ]
    assert [json.loads(line)["workflow_id"] for line in only.stdout.splitlines()] == [
        one.workflow_id
    ]
    assert labelled.stdout.splitlines()[1].split()[0] == two.workflow_id
    assert (len(some.stdout.splitlines()), some.stderr) == (
        2, "and more: --limit shows more than 1\n",
    )  # fmt: skip
    assert (none.returncode, none.stdout) == (0, "no such workflow\n")


@pytest.mark.parametrize("words", [("watch",), ("show", "--watch")])
def test_a_watch_tells_each_change_and_the_end(stack: Stack, words: tuple[str, ...]) -> None:
    """Line by line where there is no terminal, each with its node; exit code 1 as it failed."""
    handle = stack.client.submit_workflow(chain(step(Noop(), node="a"), step(BAD, node="b")))
    watch = stack.processes.portaria("watch", "workflows", *words, handle.workflow_id)
    eventually(lambda: "BLOCKED     b" in watch.output())

    stack.worker("lab")
    code = watch.wait(20)

    *changes, end = watch.output().splitlines()
    told = [line.split()[1:4] for line in changes]
    a, b = handle.job("a").id, handle.job("b").id
    assert code == 1
    assert [each for each in told if each[0] == a][-1] == [a, "SUCCEEDED", "a"]
    assert [each for each in told if each[0] == b][-1] == [b, "FAILED", "b"]
    assert end.startswith("FAILED after ")
    assert end.endswith("b Fail: NO_SUCH_CUSTOMER: there is no such customer")


def test_a_watch_of_what_is_over_tells_the_end(portaria: Run, stack: Stack) -> None:
    """As JSON the workflow, and nothing else on stdout."""
    handle = stack.client.submit_workflow(chain(Noop(), Noop()))
    stack.worker("lab")
    handle.wait(SOON)

    line, as_json = (portaria("watch", handle.workflow_id, *more) for more in ((), ("--json",)))

    assert (line.returncode, as_json.returncode) == (0, 0)
    assert re.fullmatch(r"SUCCEEDED after .*\n", line.stdout)
    assert json.loads(as_json.stdout)["state"] == "JOB_STATE_SUCCEEDED"


def test_a_watch_ends_in_time(portaria: Run, stack: Stack) -> None:
    """Exit code 3, and what is not done."""
    handle = stack.client.submit_workflow(chain(Noop(), Noop()))

    done = portaria("watch", handle.workflow_id, "--timeout", "300ms")

    assert done.returncode == 3
    assert "not done" in done.stderr


def test_a_terminal_has_the_tree_until_the_end(stack: Stack, tmp_path: Path) -> None:
    """It is drawn anew while it goes on."""
    gate, log = tmp_path / "gate", tmp_path / "log"
    handle = stack.client.submit_workflow(
        chain(step(Wait(gate=str(gate), log=str(log)), node="slow"), step(Noop(), node="last"))
    )
    screen, end = pty.openpty()
    with subprocess.Popen(
        command("watch", handle.workflow_id), stdin=end, stdout=end, stderr=end,
        env={**stack.env, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
    ) as watching:  # fmt: skip
        os.close(end)
        os.set_blocking(screen, False)
        drawn = bytearray()

        def text() -> str:
            with suppress(OSError):  # nothing new, or the other end is closed
                drawn.extend(os.read(screen, 65536))
            return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn.decode(errors="replace"))

        eventually(lambda: "slow Wait  PENDING" in text())
        stack.worker("lab")
        eventually(lambda: "slow Wait  RUNNING" in text())
        gate.touch()
        code = watching.wait(10)
        last = text()
    os.close(screen)

    assert code == 0
    assert "last Noop  SUCCEEDED" in last
    assert re.search(r"SUCCEEDED after [\d.]+ m?s", last)
    assert "Traceback" not in last


def test_a_workflow_is_cancelled_and_retried(portaria: Run, stack: Stack) -> None:
    """By its id; what is over is told so, and one that went on already is no more retried."""
    handle = stack.client.submit_workflow(chain(Noop(), Noop(), Noop()))

    cancelled = portaria("cancel", handle.workflow_id, "--reason", "no more")
    again = portaria("cancel", handle.workflow_id)
    counted = portaria("cancel", handle.workflow_id, "--json")
    stack.worker("lab")
    retried = portaria("retry", handle.workflow_id, "--watch")
    twice = portaria("retry", handle.workflow_id)

    assert (cancelled.returncode, cancelled.stderr) == (0, "")
    assert re.fullmatch(r"\d jobs? cancelled or asked to end\n", cancelled.stdout)
    assert handle.job("0.0").get().cancel_reason == "no more"
    assert (again.returncode, again.stdout) == (0, "it is CANCELLED already\n")
    assert json.loads(counted.stdout) == {"cancelled": 0}
    assert retried.returncode == 0
    new = retried.stdout.splitlines()[0].split()[-1]
    assert stack.client.workflow(new).get().retried_from == handle.workflow_id
    assert (twice.returncode, "cannot retry" in twice.stderr) == (2, True)


FILE = {
    "chain": {
        "steps": [
            {"node_id": "first", "job": {"payload": {"@type": "Echo", "text": "a"}}},
            {
                "job": {"payload": {"@type": "lab.Echo"}},
                "node_id": "second",
                "bindings": [
                    {"from_node": "first", "from_field": "text", "to_field": "text"},
                ],
            },
        ]
    }
}


def test_a_workflow_is_submitted_from_a_file(portaria: Run, stack: Stack, tmp_path: Path) -> None:
    """Or from stdin; bindings fill fields; the same request id makes no second one."""
    stack.worker("lab")
    path = tmp_path / "flow.json"
    path.write_text(json.dumps(FILE))

    checked = portaria("submit", str(path), "--check")
    one = portaria("submit", str(path), "--label", "team=a", "--request-id", "r1", "--watch")
    same = portaria("submit", str(path), "--label", "team=a", "--request-id", "r1")
    piped = portaria("submit", "-", "--json", stdin=json.dumps(FILE))

    assert (checked.returncode, checked.stdout) == (0, "it is good; nothing was handed in\n")
    assert (one.returncode, one.stderr) == (0, "")
    first, *_, last = one.stdout.splitlines()
    matched = re.fullmatch(r"workflow (\S+) of 2 jobs", first)
    assert matched
    assert last.startswith("SUCCEEDED after ")
    assert stack.client.workflow(matched[1]).job("second").result().text == "a"
    assert (
        same.stdout == f"workflow {matched[1]} of 2 jobs (this request id was submitted before)\n"
    )
    answer = json.loads(piped.stdout)
    assert (answer["deduplicated"], answer["workflow"]["progress"]["total"]) == (False, "2")
    assert len(list(stack.client.list_workflows())) == 2


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (("show", UNKNOWN_ID), "", f"cannot show {UNKNOWN_ID}: no such workflow"),
        (("watch", UNKNOWN_ID), "", "no such workflow"),
        (("cancel", UNKNOWN_ID), "", f"cannot cancel {UNKNOWN_ID}: no such workflow"),
        (("retry", UNKNOWN_ID), "", f"cannot retry {UNKNOWN_ID}: no such workflow"),
        (("show", "nonsense"), "", "workflow_id"),
        (("list", "--label", "a"), "", '"a" is not KEY=VALUE'),
        (("submit", "nowhere.json"), "", "No such file or directory"),
        (("submit", "-"), "", "cannot submit this workflow:\n  root   is empty"),
        (("submit", "-"), '{"job": {"payload": {"@type": "Ecko"}}}', 'did you mean "Echo"?'),
        (("submit", "-"), '{"chain": {"steps": []}}', "chain.steps"),
        (("submit", "-", "--label", "A=b"), '{"job": {"payload": {"@type": "Noop"}}}', "--label"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_words(
    portaria: Run, words: tuple[str, ...], stdin: str, said: str
) -> None:
    """Exit code 2, the field, and never a traceback."""
    done = portaria(*words, stdin=stdin)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_door_that_is_not_there_is_exit_code_3(portaria: Run) -> None:
    """As for every command that asks it."""
    done = portaria("list", PORTARIA_ADDRESS="127.0.0.1:1")

    assert done.returncode == 3
    assert "cannot reach the door" in done.stderr


def test_what_jobs_handed_in_is_shown_too(portaria: Run, stack: Stack) -> None:
    """By its counts: they are jobs of the workflow, and no steps of it."""
    stack.worker("relay", "lab")
    handle = stack.client.submit_workflow(Spread(count=3, together=True))
    handle.wait(SOON)

    shown = portaria("show", handle.workflow_id)

    assert tree_of(shown.stdout) == [
        "0 Spread  SUCCEEDED",
        "and 3 that it handed in: 3 SUCCEEDED",
    ]


def test_a_batch_is_shown_too(portaria: Run, stack: Stack) -> None:
    """By its id, folded where it is large."""
    many = list(stack.client.submit_many(Noop() for _ in range(30)))

    shown = portaria("show", many[0].workflow_id)

    assert shown.returncode == 0
    assert shown.stdout.split()[:2] == ["batch", many[0].workflow_id]
    assert tree_of(shown.stdout)[1:] == ["└── … 30 PENDING"]
