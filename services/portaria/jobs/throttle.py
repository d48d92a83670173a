"""How a handler waits for its turn under a shared rate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portaria.jobs.context import Hold

AHEAD = 5.0
"""Seconds for which a turn is taken ahead: what a run that dies takes with it."""
LONGEST_KEY = 256
SLOWEST, FASTEST = 0.001, 1_000_000.0
LARGEST_BURST = 1_000_000.0
_SLICE = 0.25
"""Seconds after which a waiting run looks whether it is still wanted."""


def waits(hold: Hold, key: str, per_second: float, burst: float) -> Iterator[float]:
    """Seconds to sleep, one after the other, until it is the caller's turn.

    Raises as JobContext.throttle.
    """
    _check(key, per_second, burst)
    is_taken = False
    while not is_taken:
        wait = hold.take(key, per_second, burst, ahead=AHEAD)
        is_taken, left = wait >= 0, abs(wait)
        while left > 0:
            yield min(left, _SLICE)
            left -= _SLICE
            if hold.is_cancelled():
                hold.check()


def _check(key: str, per_second: float, burst: float) -> None:
    if not key or len(key) > LONGEST_KEY:
        raise ValueError(f"the key of a rate has 1 to {LONGEST_KEY} characters")
    # A number that is none compares as false.
    if not SLOWEST <= per_second <= FASTEST:
        raise ValueError(f"a rate is {SLOWEST:g} to {FASTEST:,.0f} a second")
    if not 1 <= burst <= LARGEST_BURST:
        raise ValueError(f"a burst is 1 to {LARGEST_BURST:,.0f}")
