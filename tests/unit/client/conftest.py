"""A clock that stands still until a test moves it, and luck that is always the same."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

import pytest


class StoppedClock:
    """Time as the test says."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def pass_by(self, span: timedelta) -> None:
        self.seconds += span.total_seconds()

    def endure(self, failed: Callable[[], timedelta]) -> None:
        """Lets each wait that `failed` answers pass by, until it raises."""
        while True:
            self.pass_by(failed())


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def rng() -> Random:
    return Random(7)
