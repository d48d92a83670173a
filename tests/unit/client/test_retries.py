"""When a failed call is tried again."""

from datetime import timedelta
from random import Random

import pytest

from portaria.client import DoorUnavailable, RpcError
from portaria.client.retries import BACKOFF, Outage, UnaryAttempts, passes, wait_before_next
from portaria.core.errors import (
    CursorExpired,
    DeadlineExceeded,
    InvalidRequest,
    NotFound,
    RequestIdReused,
    ShuttingDown,
    SlowWatcher,
    StoreFull,
    StoreUnavailable,
    Violation,
)

AWAY = DoorUnavailable("door:1", "refused")
SECOND = timedelta(seconds=1)

TABLE = [
    # error, passes for a single call, passes for a stream
    (AWAY, True, True),
    (StoreUnavailable(), True, True),
    (ShuttingDown("drains"), True, True),
    (RpcError("UNAVAILABLE", "socket closed"), True, True),
    (RpcError("CANCELLED", "by the server"), True, True),
    (SlowWatcher("too slow"), False, True),
    (StoreFull(), False, False),
    (NotFound("no such job"), False, False),
    (RequestIdReused("other content"), False, False),
    (CursorExpired("trimmed"), False, False),
    (DeadlineExceeded("late"), False, False),
    (InvalidRequest([Violation("a", "B", "c")]), False, False),
    (RpcError("INTERNAL", "broken"), False, False),
    (RpcError("RESOURCE_EXHAUSTED", "larger than max"), False, False),
]


@pytest.mark.parametrize(("error", "single", "stream"), TABLE, ids=lambda each: repr(each)[:30])
def test_what_may_pass_is_tried_again(error, single, stream):
    """Only what may be gone at the next try is tried again; a stream resumes after more."""
    assert passes(error) is single
    assert passes(error, stream=True) is stream


def test_waits_grow_to_a_cap_and_are_spread():
    """Each wait is within ± half of 100 ms, 200 ms … 2 s, and no two callers wait alike."""
    for failures in range(1, 40):
        base = min(timedelta(milliseconds=100) * (1 << min(failures - 1, 16)), timedelta(seconds=2))

        waits = {BACKOFF.wait(failures, Random(seed)) for seed in range(20)}

        assert all(base * 0.5 <= wait <= base * 1.5 for wait in waits)
        assert len(waits) == 20


def test_nobody_comes_back_sooner_than_asked(rng):
    """RetryInfo is a lower bound, spread upwards."""
    error = StoreUnavailable(retry_after=timedelta(seconds=3))

    waits = [wait_before_next(error, 1, rng) for _ in range(50)]

    assert all(timedelta(seconds=3) <= wait <= timedelta(seconds=3.6) for wait in waits)


def test_a_call_is_repeated_only_within_its_time(clock, rng):
    """Attempts share one deadline; when the next would start after it, the error is raised."""
    attempts = UnaryAttempts(timedelta(seconds=5), clock=clock, rng=rng)
    begin = clock.monotonic()

    with pytest.raises(DoorUnavailable):
        clock.endure(lambda: attempts.failed(AWAY))

    assert 2 <= clock.monotonic() - begin < 5


def test_a_final_error_is_raised_at_once(clock, rng):
    """What no repetition can mend is not repeated."""
    attempts = UnaryAttempts(timedelta(seconds=5), clock=clock, rng=rng)

    with pytest.raises(NotFound):
        attempts.failed(NotFound("no such job"))


def test_an_outage_is_borne_for_long_after_contact_and_briefly_before(clock, rng):
    """A wrong address is noticed after `at_first`, a restart is sat out for `patience`."""
    at_first, patience = timedelta(seconds=2), timedelta(seconds=60)
    outage = Outage(at_first=at_first, patience=patience, clock=clock, rng=rng)

    assert _endured(outage, clock) <= 2
    outage.answered()
    assert 50 < _endured(outage, clock) <= 60


def test_an_outage_counts_from_its_first_failure(clock, rng):
    """An hour of good streaming does not use up the patience."""
    outage = Outage(at_first=SECOND, patience=timedelta(seconds=30), clock=clock, rng=rng)
    outage.answered()
    clock.pass_by(timedelta(hours=1))

    assert outage.failed(AWAY, stream=True) < timedelta(seconds=1)


def _endured(outage, clock) -> float:
    begin = clock.monotonic()
    with pytest.raises(DoorUnavailable):
        clock.endure(lambda: outage.failed(AWAY, stream=True))
    return clock.monotonic() - begin
