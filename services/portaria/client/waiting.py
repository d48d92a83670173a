"""Waiting for the end of a job by long polls: what to ask next, and when to stop."""

from datetime import timedelta

from portaria.client.requests import a_length, duration
from portaria.client.retries import Outage
from portaria.client.states import state_name
from portaria.core.clock import Clock
from portaria.core.errors import CursorExpired, DeadlineExceeded, PortariaError, ShuttingDown
from portaria.v1.job_pb2 import Job
from portaria.v1.jobs_service_pb2 import WaitJobRequest

LONGEST_POLL = timedelta(seconds=30)
# What an answer may be late before the poll counts as lost.
_SLACK = timedelta(seconds=10)


class Deadline:
    """The moment up to which a caller wants to wait; none means for ever."""

    def __init__(self, timeout: timedelta | None, clock: Clock) -> None:
        self._clock = clock
        self._timeout = timeout
        seconds = None if timeout is None else a_length(timeout).total_seconds()
        self._end = None if seconds is None else clock.monotonic() + seconds

    def left(self) -> timedelta | None:
        """What is left, never negative."""
        if self._end is None:
            return None
        return timedelta(seconds=max(0.0, self._end - self._clock.monotonic()))

    def check(self, what: str) -> None:
        """Raises DeadlineExceeded when the time is up."""
        if self.left() == timedelta():
            seconds = self._timeout.total_seconds() if self._timeout else 0
            # What is left of a longer wait has microseconds.
            raise DeadlineExceeded(f"{what} after {round(seconds, 2) or seconds:g} s")

    def shorten(self, wait: timedelta) -> timedelta:
        """A wait that does not pass the end."""
        left = self.left()
        return wait if left is None else min(wait, left)


class WaitSession:
    """One wait for one job, over all its polls and all outages of the door."""

    def __init__(self, job_id: str, *, deadline: Deadline, outage: Outage) -> None:
        self._job_id = job_id
        self._deadline = deadline
        self._outage = outage
        self._state = ""

    def request(self) -> WaitJobRequest:
        """The next poll."""
        return WaitJobRequest(
            job_id=self._job_id, timeout=duration(self._deadline.shorten(LONGEST_POLL))
        )

    def seconds(self) -> float:
        """What the next poll may take."""
        return (self._deadline.shorten(LONGEST_POLL) + _SLACK).total_seconds()

    def answered(self, job: Job) -> bool:
        """Whether the wait is over. Raises DeadlineExceeded when the caller's time is."""
        self._outage.answered()
        if not job.done:
            self._state = f" ({state_name(job.state)})"
            self._check_deadline()
        return job.done

    def failed(self, error: PortariaError) -> timedelta:
        """The wait before the next poll. Raises what ends the wait."""
        if isinstance(error, CursorExpired):
            # A poll has no cursor of its own: the door lost its place, and the next poll is whole.
            error = ShuttingDown(error.message)
        wait = self._outage.failed(error)
        self._check_deadline()
        return self._deadline.shorten(wait)

    def _check_deadline(self) -> None:
        self._deadline.check(f"job {self._job_id} is not done{self._state}")
