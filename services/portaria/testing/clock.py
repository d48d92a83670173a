"""A clock that stands still until a test shifts it."""

from __future__ import annotations

from datetime import datetime

from portaria.core.clock import SystemClock, from_milliseconds, to_milliseconds


class ShiftedClock:
    """Implements portaria.core.clock.Clock; counts in whole milliseconds, as the kernel does."""

    def __init__(self, start: datetime | None = None) -> None:
        self._ms = self._start_ms = to_milliseconds(start or SystemClock().now())

    def now(self) -> datetime:
        """The moment that it stands at, aware, UTC."""
        return from_milliseconds(self._ms)

    def monotonic(self) -> float:
        """Seconds since its start."""
        return (self._ms - self._start_ms) / 1000

    @property
    def ms(self) -> int:
        """The moment in milliseconds since 1970."""
        return self._ms

    def move_to(self, ms: int) -> None:
        """Shifts it forward; it never goes back."""
        self._ms = max(self._ms, ms)
