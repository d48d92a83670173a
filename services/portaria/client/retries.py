"""When a failed call is tried again, and after which wait: pure decisions.

Everything the client calls may be repeated: reads by nature, submits because of their request_id.
"""

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from portaria.client.errors import DoorUnavailable, RpcError
from portaria.core.clock import Clock
from portaria.core.errors import (
    DeadlineExceeded,
    PortariaError,
    ShuttingDown,
    SlowWatcher,
    StoreUnavailable,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits that double up to a cap, each spread by ± half of itself."""

    first: timedelta = timedelta(milliseconds=100)
    cap: timedelta = timedelta(seconds=2)

    def wait(self, failures: int, rng: Random) -> timedelta:
        """The wait after the n-th failure in a row, n from 1."""
        # The exponent is bounded: a timedelta overflows.
        grown = self.first * (1 << min(failures - 1, 16))
        return min(grown, self.cap) * rng.uniform(0.5, 1.5)


BACKOFF = Backoff()


def passes(error: PortariaError, *, stream: bool = False) -> bool:
    """Whether an error may be gone at the next try.

    A server that stops cancels what came in its last moment. A stream may also be ended for a slow
    watcher, and resumes.
    """
    if isinstance(error, (DoorUnavailable, StoreUnavailable, ShuttingDown)):
        return True
    if isinstance(error, RpcError) and error.code in ("UNAVAILABLE", "CANCELLED"):
        return True
    return stream and isinstance(error, SlowWatcher)


def is_outage(error: PortariaError, *, stream: bool = False) -> bool:
    """As `passes`, of what runs for long: no answer at all is an outage, too."""
    return passes(error, stream=stream) or isinstance(error, DeadlineExceeded)


def wait_before_next(error: PortariaError, failures: int, rng: Random) -> timedelta:
    """The backoff, but never sooner than the door asked for."""
    wait = BACKOFF.wait(failures, rng)
    asked = error.retry_after if isinstance(error, StoreUnavailable) else timedelta()
    # Spread upwards only: all callers were told the same moment.
    return max(wait, asked * rng.uniform(1.0, 1.2))


class UnaryAttempts:
    """The attempts of one call within its deadline."""

    def __init__(self, timeout: timedelta, *, clock: Clock, rng: Random) -> None:
        self._clock = clock
        self._rng = rng
        self._end = clock.monotonic() + timeout.total_seconds()
        self._failures = 0

    def seconds_left(self) -> float:
        """What the next attempt may take."""
        return max(0.0, self._end - self._clock.monotonic())

    def failed(self, error: PortariaError) -> timedelta:
        """The wait before the next attempt. Raises the error where there is none."""
        self._failures += 1
        if not passes(error):
            raise error
        wait = wait_before_next(error, self._failures, self._rng)
        if wait.total_seconds() >= self.seconds_left():
            raise error
        return wait


class Outage:
    """How long an unreachable door is borne by what runs for long: watches and waits.

    `at_first` until the first answer, so that a wrong address is noticed; `patience` from then
    on. Both count from the first failure in a row.
    """

    def __init__(
        self, *, at_first: timedelta, patience: timedelta, clock: Clock, rng: Random
    ) -> None:
        self._allowed = at_first.total_seconds()
        self._patience = patience.total_seconds()
        self._clock = clock
        self._rng = rng
        self._failures = 0
        self._since = 0.0

    def answered(self) -> None:
        """The door spoke."""
        self._failures = 0
        self._allowed = self._patience

    def failed(self, error: PortariaError, *, stream: bool = False) -> timedelta:
        """The wait before the next attempt. Raises the error where there is none."""
        if not is_outage(error, stream=stream):
            raise error
        now = self._clock.monotonic()
        if not self._failures:
            self._since = now
        self._failures += 1
        wait = wait_before_next(error, self._failures, self._rng)
        if now + wait.total_seconds() - self._since > self._allowed:
            raise error
        return wait
