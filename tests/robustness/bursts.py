"""What the second pool gets: crowds of tiny jobs, due together, so that they are prefetched.

A worker knows jobs as tiny after 50 of them in a row, so that each crowd begins with no-ops only.
Among its last ones, in a queue of lower priority, are slow ones, which keep those around them
waiting; in each second crowd also such that must not run twice.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random

from robustness.workload import KINDS, Order

DOMAIN = "burst"
CROWD, PURE = 240, 180
_LAST: tuple[tuple[str, ...], ...] = (
    ("spark", "flare"),
    ("spark", "flare", "strike"),
)


class Bursts:
    """The same orders for the same seed."""

    def __init__(self, seed: int, receiver: str, per_second: float) -> None:
        self._seed = seed
        self._receiver = receiver
        self._interval = 1 / per_second

    def order(self, number: int) -> Order:
        """The n-th one. All of a crowd are due when its last one is handed in."""
        rng = Random(f"bursts/{self._seed}/{number}")
        crowd, place = divmod(number, CROWD)
        kinds = _LAST[crowd % len(_LAST)] if place >= PURE else ("spark",)
        (name,) = rng.choices(kinds, [KINDS[each].weight for each in kinds])
        return Order(
            request_id=f"burst-{self._seed}-{number}",
            kind=name,
            message=KINDS[name].make(rng, self._receiver),
            priority="default" if place >= PURE else "high",
            delay=timedelta(seconds=(CROWD - place) * self._interval),
        )

    def second(self, order: Order) -> Order | None:
        """Nothing follows an order."""
        return None
