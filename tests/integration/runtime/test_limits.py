"""Moments after which a job may not begin, or not go on."""

from __future__ import annotations

from datetime import timedelta

from acme_jobs.lab.v1.lab_pb2 import Noop, Wait
from portaria.core.states import State
from portaria.v1.job_pb2 import Failure
from stack import Stack
from stack.lab import Lab

SOON = timedelta(seconds=0.3)
LATER = timedelta(minutes=5)


def test_a_job_that_did_not_begin_in_time_is_expired(stack: Stack, lab: Lab) -> None:
    """While the only worker is busy, the limit of a waiting job passes: it never runs."""
    stack.worker("lab")
    gate = stack.folder / "gate"
    busy = lab.submit(Wait(gate=str(gate)))
    lab.wait(busy, State.RUNNING)

    waiting = lab.submit(Noop(), start_before=SOON)
    patient = lab.submit(Noop(), start_before=LATER)
    expired = lab.wait(waiting)
    gate.touch()

    assert (expired.state, expired.attempt) == (State.EXPIRED, 0)
    assert lab.events(waiting) == ["PENDING", "EXPIRED"]
    assert lab.wait(patient).state == State.SUCCEEDED
    assert lab.wait(busy).state == State.SUCCEEDED


def test_a_deadline_stops_a_running_job_for_good(stack: Stack, lab: Lab) -> None:
    """Though its timeout is longer and its policy would retry it."""
    stack.worker("lab")

    done = lab.wait(lab.submit(Wait(gate="/nowhere"), deadline=SOON))

    failure = lab.failure(done)
    assert (done.state, done.attempt) == (State.FAILED, 1)
    assert (failure.kind, failure.reason) == (Failure.KIND_DEADLINE, "DEADLINE")
    assert done.ended_ms - done.created_ms < 2_000


def test_a_timeout_before_the_deadline_is_a_timeout(stack: Stack, lab: Lab) -> None:
    """And is retried as such."""
    stack.worker("lab")

    job_id = lab.submit(Wait(gate="/nowhere"), timeout=SOON, deadline=LATER)

    assert lab.failure(lab.wait(job_id, State.RETRYING)).reason == "TIMEOUT"
