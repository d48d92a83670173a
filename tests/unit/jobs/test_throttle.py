"""A handler's turn under a shared rate: how long it sleeps, and what ends the wait."""

from __future__ import annotations

import math

import pytest

from portaria.jobs import JobCancelled, JobContext
from portaria.jobs.throttle import waits

from .ledger import InMemoryHold, Ledger


def a_hold(*turns: float) -> InMemoryHold:
    """One for whom the store has these waits."""
    hold = InMemoryHold(Ledger())
    hold.turns = list(turns)
    return hold


def test_who_comes_first_does_not_wait() -> None:
    """And asks once."""
    hold = a_hold(0.0)

    assert list(waits(hold, "smtp:mail.example", 20, 2)) == []
    assert hold.taken == [("smtp:mail.example", 20, 2, 5.0)]


def test_a_turn_is_waited_for_in_slices() -> None:
    """Their sum is the wait."""
    assert list(waits(a_hold(0.6), "k", 1, 1)) == pytest.approx([0.25, 0.25, 0.1])


def test_a_turn_that_was_not_given_is_asked_for_again() -> None:
    """After as long as was said."""
    hold = a_hold(-0.2, -0.1, 0.05)

    assert list(waits(hold, "k", 1, 1)) == pytest.approx([0.2, 0.1, 0.05])
    assert len(hold.taken) == 3


def test_a_cancelled_job_waits_no_more() -> None:
    """It hears at the end of a slice."""
    hold = a_hold(4.0)
    pauses = waits(hold, "k", 1, 1)
    next(pauses)
    hold.cancelled = True

    with pytest.raises(JobCancelled):
        next(pauses)


@pytest.mark.parametrize(
    ("key", "per_second", "burst", "said"),
    [
        ("", 1, 1, "the key of a rate"),
        ("k" * 257, 1, 1, "the key of a rate"),
        ("k", 0, 1, "a rate is"),
        ("k", -1, 1, "a rate is"),
        ("k", math.nan, 1, "a rate is"),
        ("k", math.inf, 1, "a rate is"),
        ("k", 1, 0.5, "a burst is"),
        ("k", 1, math.nan, "a burst is"),
    ],
)
def test_what_is_no_rate_is_refused(key: str, per_second: float, burst: float, said: str) -> None:
    """Before anything is asked."""
    hold = a_hold(0.0)

    with pytest.raises(ValueError, match=said):
        JobContext(hold).throttle(key, per_second=per_second, burst=burst)
    assert hold.taken == []
