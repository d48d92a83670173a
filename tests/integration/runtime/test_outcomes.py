"""What becomes of a job, by what its handler does."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from acme_jobs.lab.v1.lab_pb2 import (
    Append,
    AppendResult,
    Echo,
    EchoResult,
    Fail,
    Noop,
    Terminate,
    Wait,
)
from portaria.core.states import State
from portaria.v1.job_pb2 import Failure, Progress
from stack import Stack
from stack.lab import Lab


@pytest.fixture(autouse=True)
def _worker(stack: Stack) -> None:
    stack.worker("lab", concurrency=2)


def test_plain_and_async_handlers_succeed_with_their_results(lab: Lab) -> None:
    """A handler's message comes back sealed; one without a result just succeeds."""
    plain, answered = lab.submit(Noop()), lab.submit(Echo(text="olá"))

    done = lab.wait(answered)

    assert lab.wait(plain).state == State.SUCCEEDED
    assert lab.result(done, EchoResult).text == "olá"
    assert lab.events(answered) == ["PENDING", "RUNNING", "SUCCEEDED"]


def test_failures_are_retried_as_the_policy_says(lab: Lab) -> None:
    """Two failures of three allowed: it waits between, then succeeds at the third attempt."""
    done = lab.wait(lab.submit(Fail(times=2)))

    assert (done.state, done.attempt, done.failures) == (State.SUCCEEDED, 3, 2)
    assert lab.events(done.job_id).count("RETRYING") == 2


def test_the_last_failure_makes_a_dead_letter(lab: Lab) -> None:
    """A job that always fails ends FAILED after max_attempts, and RQ's tools see it."""
    done = lab.wait(lab.submit(Fail(times=99)))

    assert (done.state, done.attempt, done.failures) == (State.FAILED, 3, 3)
    assert lab.failure(done).reason == "LAB_FAILURE"
    assert lab.redis.zscore("rq:failed:lab:default", done.job_id)


@pytest.mark.parametrize(
    ("how", "state", "attempts", "kind"),
    [
        (Fail.HOW_PERMANENT, State.FAILED, 1, Failure.KIND_PERMANENT),
        (Fail.HOW_LATER, State.SUCCEEDED, 2, Failure.KIND_ERROR),
        (Fail.HOW_EXIT, State.SUCCEEDED, 2, Failure.KIND_ERROR),
        (Fail.HOW_CRASH, State.SUCCEEDED, 2, None),
    ],
)
def test_each_way_to_fail_once(
    lab: Lab, how: Fail.How, state: State, attempts: int, kind: Failure.Kind | None
) -> None:
    """Permanent ends at once; later, sys.exit() and a dead process run again."""
    done = lab.wait(lab.submit(Fail(times=1, how=how)))

    assert (state, attempts) == (done.state, done.attempt)
    assert kind is None or kind == lab.failure(done).kind


def test_a_poison_pill_ends_after_three_crashes(lab: Lab) -> None:
    """A job that kills its process each time is a dead letter, and others go on meanwhile."""
    pill, other = lab.submit(Fail(times=99, how=Fail.HOW_CRASH)), lab.submit(Noop())

    done = lab.wait(pill)

    assert (done.state, done.attempt) == (State.FAILED, 3)
    assert lab.failure(done).kind == Failure.KIND_CRASHED
    assert lab.wait(other).state == State.SUCCEEDED


def test_an_exit_status_that_looks_like_ours_is_a_crash(lab: Lab) -> None:
    """A handler may end the process with any number; the worker goes on with the next job."""
    for status in (10, 11, 12, 13, 14):
        done = lab.wait(lab.submit(Fail(times=1, how=Fail.HOW_CRASH, status=status)))

        assert (done.state, done.attempt) == (State.SUCCEEDED, 2)
        assert lab.redis.hget(f"rq:job:{done.job_id}", "crashes") == b"1"


def test_a_program_that_a_handler_starts_can_be_terminated(lab: Lab) -> None:
    """It does not inherit the deafness of the worker's child."""
    assert lab.wait(lab.submit(Terminate())).state == State.SUCCEEDED


def test_a_timeout_cannot_be_swallowed_by_except_exception(lab: Lab) -> None:
    """The soft timeout passes `except Exception`; it counts as a failure and is retried."""
    job_id = lab.submit(Wait(gate="/nowhere", swallow=True), timeout=timedelta(seconds=0.2))

    done = lab.wait(job_id)

    assert (done.state, done.failures) == (State.FAILED, 3)
    assert lab.failure(done).kind == Failure.KIND_TIMEOUT


def test_an_async_handler_is_bounded_too(lab: Lab) -> None:
    """The timeout cancels a coroutine at its await."""
    pause = Echo(text="x", pause={"seconds": 60})

    done = lab.wait(lab.submit(pause, timeout=timedelta(seconds=0.2)), State.RETRYING)

    assert lab.failure(done).reason == "TIMEOUT"


def test_a_handler_that_heeds_nothing_is_killed(lab: Lab) -> None:
    """Five seconds after a soft timeout that it swallowed, the child is killed; others go on."""
    job_id = lab.submit(Wait(gate="/nowhere", stubborn=True), timeout=timedelta(seconds=0.2))

    done = lab.wait(job_id, State.RETRYING)

    assert "killed" in lab.failure(done).message
    assert done.failures == 1
    assert lab.wait(lab.submit(Noop())).state == State.SUCCEEDED


def test_an_effect_happens_once_over_a_failed_attempt(lab: Lab, tmp_path: Path) -> None:
    """What `once` recorded is not repeated when the job runs again."""
    log = tmp_path / "effects"

    done = lab.wait(lab.submit(Append(log=str(log), count=5, fail_after=3)))

    result = lab.result(done, AppendResult)
    assert (result.done, result.repeated, result.unknown) == (2, 3, 0)
    assert log.read_text().split() == ["1", "2", "3", "4", "5"]


def test_an_effect_without_its_record_is_unknown(lab: Lab, tmp_path: Path) -> None:
    """A process that dies between effect and record leaves a doubt, and SKIP does not repeat."""
    log = tmp_path / "effects"

    done = lab.wait(lab.submit(Append(log=str(log), count=5, die_after=3)))

    result = lab.result(done, AppendResult)
    assert (result.done, result.repeated, result.unknown) == (2, 2, 1)
    assert log.read_text().split() == ["1", "2", "3", "4", "5"]


def test_a_result_that_is_too_large_is_a_permanent_failure(lab: Lab) -> None:
    """Results are at most 256 KiB; more fails with a reason, and is not retried."""
    done = lab.wait(lab.submit(Echo(text="x" * 270_000)))

    assert (lab.failure(done).reason, done.attempt) == ("RESULT_TOO_LARGE", 1)


def test_progress_is_kept_with_the_job(lab: Lab, tmp_path: Path) -> None:
    """The last progress stands in the finished job."""
    done = lab.wait(lab.submit(Append(log=str(tmp_path / "effects"), count=4)))

    progress = Progress.FromString(done.progress)
    assert (progress.current, progress.total, progress.percent) == (4, 4, 100.0)


def test_a_delayed_job_is_queued_by_a_worker_in_time(lab: Lab) -> None:
    """No scheduler is needed for a delay; it is never early and at most a second late."""
    done = lab.wait(lab.submit(Noop(), delay=timedelta(seconds=0.4)))

    assert 0 <= done.started_ms - done.due_ms < 1000
    assert lab.events(done.job_id) == ["SCHEDULED", "PENDING", "RUNNING", "SUCCEEDED"]
