"""How many jobs a child claims at once."""

from __future__ import annotations

from collections import deque

AT_ONCE = 0.005
"""Seconds that a whole claim may take: what waits in a child's hand waits for nothing else."""
LOOK_BACK = 50


class Pace:
    """One, unless the last 50 jobs were all so short that several surely end within 5 ms.

    Many short jobs cost less together: one round trip ends them all and fetches the next.
    """

    def __init__(self, most: int, slowest: float | None = None) -> None:
        """`slowest` is what the child before this one found; None where it is not known."""
        self._most = most
        known = [] if slowest is None else [slowest] * LOOK_BACK
        self._seconds: deque[float] = deque(known, maxlen=LOOK_BACK)

    def note(self, seconds: float) -> None:
        """A job took so long."""
        self._seconds.append(seconds)

    def want(self) -> int:
        """From 1 to `most`."""
        slowest = self.slowest() if self._most > 1 else None
        return 1 if slowest is None else max(1, min(self._most, int(AT_ONCE / slowest)))

    def slowest(self) -> float | None:
        """Of the last 50 jobs, in seconds; None before there were so many."""
        return max(*self._seconds, 1e-6) if len(self._seconds) == LOOK_BACK else None
