"""What will be done to the system, and when: the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Blow(StrEnum):
    """One kind of harm."""

    PARENT = "kill parent"
    CHILD = "kill child"
    BOTH = "kill parent and children"
    DOOR = "kill door"
    REDIS = "kill redis"
    STOP = "stop parent and children"
    AMBUSH = "kill a worker of tiny jobs"

    @property
    def hits_worker(self) -> bool:
        """Whether it is meant for a worker with a job in hand."""
        return self not in (Blow.DOOR, Blow.REDIS)

    @property
    def kills(self) -> bool:
        """Whether it is a SIGKILL."""
        return self is not Blow.STOP


@dataclass(frozen=True, slots=True)
class Event:
    """One blow."""

    at: float
    """Seconds from the start."""
    blow: Blow
    pick: int
    """Which of those that it may hit."""
    seconds: float = 0.0
    """How long a stop lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dose:
    """How much harm, over how long."""

    seconds: float
    kills: int
    redis_kills: int
    door_kills: int
    stops: int
    longest_stop: float
    """From 7 s, which is beyond the lease of 6 s."""
    ambushes: int = 0
    """Kills of workers of tiny jobs, in addition, in the first half."""


_SHORTEST_STOP = 7.0


def schedule(seed: int, dose: Dose) -> list[Event]:
    """All blows in order, those of each kind spread over the whole time."""
    rng = Random(f"schedule/{seed}")
    worker_kills = dose.kills - dose.redis_kills - dose.door_kills
    children, both = round(worker_kills * 0.45), round(worker_kills * 0.25)
    counts = {
        Blow.DOOR: dose.door_kills,
        Blow.CHILD: children,
        Blow.BOTH: both,
        Blow.PARENT: worker_kills - children - both,
    }
    events = [
        Event(at, blow, rng.randrange(1000))
        for blow, count in counts.items()
        for at in _moments(rng, count, dose.seconds)
    ]
    # Far apart: after each, leases are not judged for as long as one lasts.
    events += [Event(at, Blow.REDIS, 0) for at in _far_apart(rng, dose.redis_kills, dose.seconds)]
    # A stop must be over before the end, and begin early enough to be past its lease by then.
    latest = max(0.5, dose.seconds - dose.longest_stop)
    events += [
        Event(at, Blow.STOP, rng.randrange(1000), rng.uniform(_SHORTEST_STOP, dose.longest_stop))
        for at in _moments(rng, dose.stops, latest)
    ]
    # Whom they meet may stay open for a lease, its timeout and 5 s more.
    events += [
        # In turn: which worker to wait for, and how to kill it.
        Event(at, Blow.AMBUSH, number)
        for number, at in enumerate(_moments(rng, dose.ambushes, dose.seconds / 2))
    ]
    return sorted(events, key=lambda event: event.at)


def _far_apart(rng: Random, count: int, seconds: float) -> Iterator[float]:
    """From the beginning to the end, each at most a twentieth of the whole off its place."""
    for number in range(count):
        place = seconds * number / max(1, count - 1)
        yield min(seconds, max(0.0, place + rng.uniform(-0.05, 0.05) * seconds))


def _moments(rng: Random, count: int, seconds: float) -> Iterator[float]:
    for number in range(count):
        yield (number + rng.random()) * seconds / count
