"""Handlers that do what no handler should: each job ends as documented, and the next one runs."""

from __future__ import annotations

import sys
from ast import literal_eval
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from acme_jobs.mischief.v1.mischief_pb2 import Misbehave, MisbehaveAsync, Misbehaved
from portaria.core.states import State
from portaria.v1.job_pb2 import Failure, Progress
from stack import Stack
from stack.eventually import eventually
from stack.lab import Lab

# The reason that the failure names; "" where the job succeeds.
ENDS = {
    "fork_that_exits": "",
    "fork_that_fails": "",
    "fork_that_reports": "",
    "fork_that_returns": "",
    "processes": "",
    "print_much": "",
    "warn_for_ever": "",
    "interrupt": "KEYBOARD_INTERRUPT",
    "exit_generator": "GENERATOR_EXIT",
    "recurse": "RECURSION_ERROR",
    "run_out_of_memory": "MEMORY_ERROR",
    "return_wrong_type": "INVALID_RESULT",
    "return_too_much": "RESULT_TOO_LARGE",
    "raise_speechless": "SPEECHLESS",
    "raise_unmade": "UNMADE",
    "raise_long_text": "VALUE_ERROR",
    "raise_odd_text": "VALUE_ERROR",
    "exit_async": "SYSTEM_EXIT",
    "exit_process": "CRASHED",
    "segfault": "CRASHED",
}
# Killed five seconds after their timeout; but re looks at signals now and then.
HANGS = ("swallow_everything", "hang_in_c", "take_the_timer", "block_the_loop", "hang_in_a_regex")
ASYNC = ("exit_async", "block_the_loop", "leak_tasks", "leak_deaf_tasks", "look_async")
SOON = timedelta(seconds=0.5)


def submit(lab: Lab, how: str, file: object = "", **options: Any) -> str:
    """Hands in a misdeed."""
    kind = MisbehaveAsync if how in ASYNC else Misbehave
    return lab.submit(kind(how=how, file=str(file)), **options)


def do(lab: Lab, how: str, file: object = "") -> Misbehaved:
    """The result of a misdeed that succeeds."""
    done = lab.wait(submit(lab, how, file))
    assert done.state == State.SUCCEEDED, lab.failure(done)
    result: Misbehaved = lab.result(done, Misbehaved)
    return result


def test_every_misdeed_ends_as_documented(stack: Stack, lab: Lab, tmp_path: Path) -> None:
    """Two dozen bad handlers over seven children: none harms another's job, or the worker."""
    worker = stack.worker("mischief", concurrency=7, PORTARIA_PREFETCH="1")

    hung = {how: submit(lab, how, timeout=SOON) for how in HANGS}
    jobs = {how: submit(lab, how, tmp_path / how) for how in ENDS}
    done = {how: lab.wait(job_id) for how, job_id in {**jobs, **hung}.items()}

    expected = ENDS | dict.fromkeys(HANGS, "TIMEOUT")
    reasons = {how: lab.failure(record).reason for how, record in done.items()}
    attempts = {how: record.attempt for how, record in done.items()}
    states = {how: record.state for how, record in done.items()}
    assert reasons == expected
    assert states == {
        how: State.FAILED if reason else State.SUCCEEDED for how, reason in expected.items()
    }
    assert attempts == {how: 3 if reason == "CRASHED" else 1 for how, reason in expected.items()}
    killed = [how for how in HANGS if "killed" in lab.failure(done[how]).message]
    assert killed == [*HANGS[:4]]
    _the_forks_had_no_part_in_it(lab, done, tmp_path)
    assert lab.failure(done["segfault"]).message.endswith("three times; last: SIGSEGV")
    assert lab.failure(done["exit_process"]).message.endswith("three times; last: exit status 0")
    assert worker.running
    assert do(lab, "look").text


def _the_forks_had_no_part_in_it(lab: Lab, done: dict[str, Any], folder: Path) -> None:
    forks = ("fork_that_returns", "fork_that_exits", "fork_that_fails", "fork_that_reports")
    statuses = {how: lab.result(done[how], Misbehaved).text for how in forks}
    progress = Progress.FromString(done["fork_that_reports"].progress)
    assert statuses == dict(zip(forks, ("0", "7", "1", "0"), strict=True))
    assert (progress.current, progress.message) == (2, "")
    assert "has no part in it" in (folder / "fork_that_reports").read_text()
    assert lab.result(done["processes"], Misbehaved).text == "9 -15 said"


def test_what_a_handler_says_of_its_failure_can_always_be_sent(stack: Stack, lab: Lab) -> None:
    """Text without end, without an encoding, or none at all."""
    stack.worker("mischief")

    said = {
        how: lab.failure(lab.wait(submit(lab, how)))
        for how in ("raise_long_text", "raise_odd_text", "raise_speechless")
    }
    later = lab.wait(submit(lab, "raise_endless_wait"), State.RETRYING)
    warned = lab.wait(submit(lab, "warn_for_ever"))

    assert said["raise_long_text"].message == "x" * 1000
    assert "in raise_long_text" in said["raise_long_text"].traceback
    assert len(said["raise_long_text"].traceback) <= 8000
    assert said["raise_odd_text"].message == "a\\ud800b\0c\\udfff"
    assert said["raise_speechless"].message == "Speechless, which has no text"
    assert {each.kind for each in said.values()} == {Failure.KIND_ERROR}
    assert timedelta(days=3600) < timedelta(milliseconds=later.due_ms - later.created_ms)
    assert timedelta(milliseconds=later.due_ms - later.created_ms) < timedelta(days=3661)
    assert (len(warned.warnings), warned.warnings[0]) == (100, "\\ud800 0")


def test_the_next_job_finds_its_process_as_it_was(stack: Stack, lab: Lab, tmp_path: Path) -> None:
    """Folder, umask, signals, timers, streams: put back in the same child, and said."""
    worker = stack.worker("mischief")
    before = do(lab, "look")

    found = []
    for how in ("change_everything", "remove_the_folder", "close_stdout"):
        do(lab, how, tmp_path / how)
        found.append(do(lab, "look"))
    timely = lab.wait(lab.submit(MisbehaveAsync(how="look_async"), timeout=SOON))
    late = lab.wait(submit(lab, "linger", timeout=SOON))

    assert found == [before] * 3
    assert literal_eval(before.text)["streams"] == 1
    assert timely.state == State.SUCCEEDED
    assert (lab.failure(late).reason, late.ended_ms - late.started_ms < 3000) == ("TIMEOUT", True)
    for what in ("folder", "umask", "signal handlers", "signal mask", "socket timeout", "streams"):
        worker.wait_for(f'a handler changed its process.*"{what}"|"{what}".*a handler changed')


def test_a_child_whose_descriptors_were_closed_is_replaced(
    stack: Stack, lab: Lab, tmp_path: Path
) -> None:
    """Its job's end is told over a new connection, and nothing goes where the old one was."""
    worker = stack.worker("mischief")
    before = do(lab, "look")

    spoilt = do(lab, "close_all_descriptors", tmp_path / "taken")
    after = do(lab, "look")

    assert (spoilt.pid == before.pid, after.pid == before.pid) == (True, False)
    assert (tmp_path / "taken").read_text() == ""
    assert "died" not in worker.output()


def test_a_leaked_thread_has_no_part_in_the_next_job(
    stack: Stack, lab: Lab, tmp_path: Path
) -> None:
    """It may run on, but neither report nor have effects; and it does not keep the child alive."""
    worker = stack.worker("mischief")
    leaked = do(lab, "leak_threads", tmp_path / "leak")

    record = lab.wait(submit(lab, "outlive", tmp_path / "leak"))
    worker.terminate()

    progress = Progress.FromString(record.progress)
    assert lab.result(record, Misbehaved).pid == leaked.pid
    assert (progress.current, progress.message) == (1, "own")
    stopped = {(tmp_path / f"leak.{name}").read_text() for name in ("daemon", "other")}
    assert stopped == {"progress: HoldLost"}
    assert not (tmp_path / "leak").exists()
    assert worker.wait(5) == 0


def test_tasks_of_an_async_handler_end_with_it(stack: Stack, lab: Lab, tmp_path: Path) -> None:
    """They are cancelled; a child in which one heeds no cancel is replaced."""
    worker = stack.worker("mischief")

    leaked = lab.wait(submit(lab, "leak_tasks", tmp_path / "cancelled"))
    alone = do(lab, "look_async")
    deaf = do(lab, "leak_deaf_tasks", tmp_path / "deaf")
    fresh = do(lab, "look_async")

    assert (tmp_path / "cancelled").read_text() == f"cancelled in {leaked.job_id}"
    assert (alone.text, alone.pid) == ("1", lab.result(leaked, Misbehaved).pid)
    assert (fresh.text, fresh.pid == deaf.pid) == ("1", False)
    assert "died" not in worker.output()


def test_a_fork_that_hangs_on_ends_with_its_child(stack: Stack, lab: Lab, tmp_path: Path) -> None:
    """Nothing of a stopped worker stays behind."""
    worker = stack.worker("mischief")
    do(lab, "fork_that_hangs_on", tmp_path / "pid")
    pid = int(eventually((tmp_path / "pid").read_text, 5, ignoring=(OSError,)))
    lived = _lives(pid)

    worker.terminate()

    assert worker.wait(5) == 0
    assert lived
    eventually(lambda: not _lives(pid), 5)


def test_programs_that_a_dead_child_left_are_killed(stack: Stack, lab: Lab, tmp_path: Path) -> None:
    """Also where they left its group or session, or their own parent; those of the living stay."""
    worker = stack.worker("mischief")
    job_id = submit(lab, "leave_programs", tmp_path / "pids")

    assert lab.wait(job_id).attempt == 2
    found = worker.wait_for("killed what a child left running")
    living = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert '"processes": 4' in found
    assert [_lives(pid) for pid in living] == [True] * 3
    worker.terminate()

    assert worker.wait(5) == 0
    assert [_lives(pid) for pid in living] == [False] * 3


def test_nobody_is_asked(stack: Stack, lab: Lab) -> None:
    """A handler that reads from the terminal finds its end, and does not wait."""
    command = f"sleep 600 | {sys.executable} -m portaria.cli.main worker mischief"
    stack.processes.start("worker", "bash", "-c", command)

    assert lab.failure(lab.wait(submit(lab, "ask"))).reason == "EOF_ERROR"


@pytest.mark.parametrize("how", ["close_stderr", "detach_the_streams"])
def test_logs_outlive_the_streams_of_python(stack: Stack, lab: Lab, how: str) -> None:
    """The job succeeds at once, what is logged by then and later arrives, and the child lives."""
    worker = stack.worker("mischief")
    before = do(lab, "look")

    done = lab.wait(submit(lab, how))
    failed = lab.wait(submit(lab, "interrupt"))
    after = do(lab, "look")

    assert (done.state, done.attempt) == (State.SUCCEEDED, 1)
    assert after == before
    worker.wait_for('a handler changed its process.*"streams"|"streams".*a handler changed')
    worker.wait_for(f"job failed.*{failed.job_id}|{failed.job_id}.*job failed")
    if how == "close_stderr":
        worker.wait_for("closed stderr")


@pytest.mark.parametrize("reader", [":", "sleep 600", "exec >&-"])
def test_output_that_nobody_reads_stops_nothing(stack: Stack, lab: Lab, reader: str) -> None:
    """stdout and stderr into a closed pipe, one that is never read, or to nowhere at all."""
    command = f"{sys.executable} -m portaria.cli.main worker mischief"
    line = f"{command} 2>&1 | {reader}" if "exec" not in reader else f"{command} >&- 2>&-"
    stack.processes.start("worker", "bash", "-c", line)

    assert do(lab, "print_much")
    assert lab.failure(lab.wait(submit(lab, "interrupt"))).reason == "KEYBOARD_INTERRUPT"
    assert do(lab, "look")


def test_what_handlers_print_reaches_the_worker_s_output(stack: Stack, lab: Lab) -> None:
    """All of it, whole lines, beside logs that stay one JSON a line."""
    worker = stack.worker("mischief", PYTHONUNBUFFERED="")
    do(lab, "print_much")

    lines = worker.output().splitlines()

    assert [line.split()[1] for line in lines if line.startswith("stdout")] == [
        str(number) for number in range(20_000)
    ]
    assert sum(line.startswith("stderr") for line in lines) == 20_000
    assert "of a program" in lines


def _lives(pid: int) -> bool:
    """Nobody may be there to bury it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
