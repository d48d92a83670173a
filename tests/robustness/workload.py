"""What is submitted: a mix of kinds, each with the ends that it may come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from acme_jobs.burst.v1.burst_pb2 import Spark, Strike
from acme_jobs.lab.v1.lab_pb2 import Deliver, Echo, Fail, Noop, Steps, Wait
from portaria.client.requests import PriorityName

FLARE = 0.04
"""Seconds of a slow job among tiny ones."""
REUSED = "REQUEST_ID_REUSED"
REFUSED = "INVALID_REQUEST"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of job."""

    make: Callable[[Random, str], Message]
    """From randomness and the receiver's address."""
    weight: float
    end: str = "SUCCEEDED"
    """The state that it comes to, unless its workers were killed too often."""
    failures: int | None = None
    """Exactly so many, where the kind decides it."""
    delayed: bool = False
    delivers: bool = False
    """It has one guarded effect."""
    once: bool = False
    """It must not run twice, and fails where nobody knows whether it ran."""
    refused: str = ""
    """The door refuses it, for this reason."""


@dataclass(frozen=True, slots=True)
class Order:
    """One request, ready to be sent."""

    request_id: str
    kind: str
    message: Message
    priority: PriorityName
    delay: timedelta | None


def _span(rng: Random, low: float, high: float) -> Duration:
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=rng.uniform(low, high)))
    return duration


KINDS: Mapping[str, Kind] = {
    "noop": Kind(lambda rng, _: Noop(), 38),
    "deliver": Kind(lambda _, to: Deliver(receiver=to), 14, delivers=True),
    "deliver-slowly": Kind(
        lambda rng, to: Deliver(receiver=to, pause=_span(rng, 0.02, 0.2)), 8, delivers=True
    ),
    "deliver-then-fail": Kind(
        lambda rng, to: Deliver(receiver=to, fail_after=True), 4, delivers=True
    ),
    "slow": Kind(lambda rng, _: Echo(text="slow", pause=_span(rng, 0.02, 0.2)), 16),
    "steps": Kind(lambda _, __: Steps(count=20, pause=Duration(nanos=5_000_000)), 4),
    "delayed": Kind(lambda _, __: Noop(), 5, delayed=True),
    "fails": Kind(lambda rng, _: Fail(times=rng.randint(1, 2), how=Fail.HOW_ERROR), 5),
    "exhausted": Kind(
        lambda _, __: Fail(times=1000, how=Fail.HOW_ERROR), 1, end="FAILED", failures=3
    ),
    "permanent": Kind(
        lambda _, __: Fail(times=1000, how=Fail.HOW_PERMANENT), 3, end="FAILED", failures=1
    ),
    "crashes": Kind(lambda _, __: Fail(times=1, how=Fail.HOW_CRASH), 0.7),
    "refused": Kind(lambda _, __: Wait(), 1, refused=REFUSED),
    "reused": Kind(lambda _, __: Noop(), 0.5),
    "reuses": Kind(lambda _, __: Echo(text="other"), 0, refused=REUSED),
    # The second pool's; see bursts.py.
    "spark": Kind(lambda _, __: Spark(), 85),
    "flare": Kind(lambda _, __: Spark(pause=_span(Random(0), FLARE, FLARE)), 10),
    "strike": Kind(
        lambda rng, to: Strike(receiver=to, pause=_span(rng, 0.02, 0.06)),
        40,
        delivers=True,
        once=True,
    ),
}
MIXED = tuple(name for name in KINDS if name not in ("spark", "flare", "strike"))
"""What the first pool gets."""
SIMPLE = ("noop", "deliver", "deliver-slowly", "slow", "steps")
"""What a worker that can open no envelope can run, too."""
_PRIORITIES: tuple[PriorityName, ...] = ("critical", "high", "default", "low")


class Workload:
    """The same orders for the same seed."""

    def __init__(self, seed: int, receiver: str, kinds: tuple[str, ...] = MIXED) -> None:
        self._seed = seed
        self._receiver = receiver
        self._kinds = kinds
        self._weights = [KINDS[name].weight for name in kinds]

    def order(self, number: int) -> Order:
        """The n-th one."""
        rng = Random(f"{self._seed}/{number}")
        (name,) = rng.choices(self._kinds, self._weights)
        kind = KINDS[name]
        return Order(
            request_id=f"proof-{self._seed}-{number}",
            kind=name,
            message=kind.make(rng, self._receiver),
            priority=rng.choices(_PRIORITIES, (1, 2, 4, 3))[0],
            delay=timedelta(seconds=rng.uniform(0.2, 2)) if kind.delayed else None,
        )

    def second(self, order: Order) -> Order | None:
        """What follows an order of the kind "reused": its request_id with other content."""
        if order.kind != "reused":
            return None
        message = KINDS["reuses"].make(Random(order.request_id), self._receiver)
        return Order(order.request_id, "reuses", message, order.priority, None)
