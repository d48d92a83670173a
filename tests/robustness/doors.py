"""Kills doors, one after the other and now and then both, as soon as they are called again."""

from __future__ import annotations

import signal
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import psutil

from robustness.system import Member, System

_GENTLE = 0.25
"""Of the kills so many are SIGTERM."""
_BOTH = 0.15
"""With so many, the other door is killed in the same moment."""
_SETTLED = 0.5
"""Seconds that a door has callers again before it is killed: so that watches are at it."""


@dataclass(frozen=True, slots=True)
class Strike:
    """One door killed, or both at once."""

    at: float
    """By the monotonic clock."""
    doors: Sequence[str]
    signal: str
    """By name."""


class Doors:
    """One step at a time; the same choices for the same seed.

    Only what broke off a watch counts: `interruptions` are the moments when one was, of each
    door those of a watch that calls no other.
    """

    def __init__(
        self,
        seed: int,
        system: System,
        interruptions: Mapping[str, Sequence[float]],
        kills: int,
        every: float,
    ) -> None:
        self._rng = Random(f"doors/{seed}")
        self._system = system
        self._interruptions = interruptions
        self._count = kills
        self._every = every
        self._called_since = [0.0, 0.0]
        self._choose()
        self.strikes: list[Strike] = []

    @property
    def kills(self) -> int:
        """How many doors were killed in mid-stream."""
        return in_mid_stream(self.strikes, self._interruptions)

    def step(self, say: Callable[[str], None]) -> bool:
        """Kills what is due; answers whether all are done."""
        wanted = [0, 1] if self._both else [self._pick]
        now = time.monotonic()
        if now < self._due:
            return False
        if self.kills >= self._count:
            return True
        if all(self._is_settled(number, now) for number in wanted):
            doors = [self._system.doors[number] for number in wanted]
            self.strikes.append(Strike(now, [door.name for door in doors], self._signal.name))
            for number, door in zip(wanted, doors, strict=True):
                door.process.send(self._signal)
                self._called_since[number] = 0.0
            self._choose()
            if len(self.strikes) % 10 == 0:
                say(f"{self.kills} kills")
        return False

    def _choose(self) -> None:
        self._due = time.monotonic() + self._every * self._rng.uniform(0.6, 1.4)
        self._pick = self._rng.randrange(2)
        self._both = self._rng.random() < _BOTH
        gentle = self._rng.random() < _GENTLE
        self._signal = signal.SIGTERM if gentle else signal.SIGKILL

    def _is_settled(self, number: int, now: float) -> bool:
        door, address = self._system.doors[number], self._system.addresses[number]
        if not self._called_since[number] and door.process.running and _has_callers(door, address):
            self._called_since[number] = now
        return 0 < self._called_since[number] <= now - _SETTLED


def _has_callers(door: Member, address: str) -> bool:
    port = int(address.rpartition(":")[2])
    with suppress(psutil.Error):
        connections = psutil.Process(door.process.pid).net_connections("tcp")
        return any(each.raddr and each.laddr.port == port for each in connections)
    return False


def in_mid_stream(strikes: Sequence[Strike], interruptions: Mapping[str, Sequence[float]]) -> int:
    """How many doors were killed, each time that a watch of that very door broke off by it."""
    count = 0
    for door in {door for strike in strikes for door in strike.doors}:
        moments = [strike.at for strike in strikes if door in strike.doors]
        met = {bisect_right(moments, at) for at in list(interruptions.get(door, ()))}
        count += len(met - {0})
    return count


def broken_off(
    strikes: Sequence[Strike], interruptions: Sequence[float]
) -> list[tuple[Strike, int]]:
    """How many streams each strike broke off: those from it to the next one."""
    moments = [strike.at for strike in strikes]
    counts = [0] * len(moments)
    for at in interruptions:
        place = bisect_right(moments, at) - 1
        if place >= 0:
            counts[place] += 1
    return list(zip(strikes, counts, strict=True))
