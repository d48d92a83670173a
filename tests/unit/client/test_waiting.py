"""Waiting by long polls."""

from datetime import timedelta

import pytest

from portaria.client import Client, DoorUnavailable
from portaria.client.retries import Outage
from portaria.client.waiting import Deadline, WaitSession
from portaria.core.errors import CursorExpired, DeadlineExceeded
from portaria.v1.job_pb2 import JOB_STATE_RUNNING, JOB_STATE_SUCCEEDED, Job

RUNNING = Job(job_id="a", state=JOB_STATE_RUNNING)
DONE = Job(job_id="a", state=JOB_STATE_SUCCEEDED, done=True)


@pytest.fixture
def wait(clock, rng):
    """Starts a wait."""

    def start(timeout=None) -> WaitSession:
        outage = Outage(
            at_first=timedelta(seconds=10), patience=timedelta(minutes=1), clock=clock, rng=rng
        )
        return WaitSession("a", deadline=Deadline(timeout, clock), outage=outage)

    return start


def test_polls_are_long_and_the_last_one_is_as_long_as_is_left(wait, clock):
    """30 s each, never past the caller's time; the call itself may be a little late."""
    session = wait(timedelta(seconds=40))

    assert session.request().timeout.seconds == 30
    assert session.seconds() == 40
    clock.pass_by(timedelta(seconds=30))
    assert session.request().timeout.seconds == 10


def test_a_wait_goes_on_until_the_job_is_done(wait):
    """A poll that ends without the end is followed by another."""
    session = wait()

    assert session.answered(RUNNING) is False
    assert session.answered(DONE) is True


def test_the_caller_s_time_ends_the_wait_and_says_where_the_job_stands(wait, clock):
    """DeadlineExceeded names job and state; a job that is done in time is an answer."""
    session = wait(timedelta(seconds=3))
    clock.pass_by(timedelta(seconds=3))

    with pytest.raises(DeadlineExceeded, match=r"job a is not done \(RUNNING\) after 3 s"):
        session.answered(RUNNING)
    assert session.answered(DONE) is True


@pytest.mark.parametrize("timeout", [15, 1.5, "15"])
def test_a_time_without_a_unit_is_refused_in_words(wait, timeout):
    """Nobody has to find out that 15 has no total_seconds."""
    with pytest.raises(TypeError, match=r"a time is a timedelta, e\.g\. timedelta\(seconds=15\)"):
        wait(timeout)
    with pytest.raises(TypeError, match="a time is a timedelta"):
        Client("127.0.0.1:1", timeout=timeout)


def test_a_door_that_lost_its_place_is_asked_again(wait):
    """CURSOR_EXPIRED is about the door's own feed: a poll starts anew."""
    session = wait()
    session.answered(RUNNING)

    assert session.failed(CursorExpired("lost")) < timedelta(seconds=1)


def test_a_restart_of_the_door_is_sat_out(wait, clock):
    """An unreachable door delays the answer; after a minute it is an error."""
    session = wait()
    session.answered(RUNNING)
    begin = clock.monotonic()

    with pytest.raises(DoorUnavailable):
        clock.endure(lambda: session.failed(DoorUnavailable("door:1", "refused")))

    assert 50 < clock.monotonic() - begin <= 60
