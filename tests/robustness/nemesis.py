"""Does what the schedule says, each worker kill when the worker has a job in hand."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from robustness.schedule import Blow, Event
from robustness.stream import Stream
from robustness.system import Member, System

_LOOK = 1.5
"""Seconds that a blow waits for a worker with a job in hand."""
_BUSY_MS = 8
"""A job that has run for so long is no no-op: the signal will find it in hand."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A blow that was struck."""

    blow: Blow
    at_ms: int
    member: str
    workers: Sequence[str] = ()
    """Names of the workers that it was meant for."""
    seconds: float = 0.0
    held: int = 0
    """How many jobs one of them held, where that was looked at."""


class Nemesis:
    """One step at a time, so that its owner can see to other things in between."""

    def __init__(self, system: System, stream: Stream, events: Sequence[Event]) -> None:
        self._system = system
        self._stream = stream
        self._waiting = list(events)
        self._start = time.monotonic()
        self.strikes: list[Strike] = []

    @property
    def is_done(self) -> bool:
        """Whether everything was struck and nothing is frozen any more."""
        frozen = any(each.frozen_until is not None for each in self._system.workers)
        return not self._waiting and not frozen

    def step(self) -> None:
        """Strikes what is due, if there is something to hit."""
        if not self._waiting:
            return
        event = self._waiting[0]
        late = time.monotonic() - self._start - event.at
        if late < 0:
            return
        strike = self._strike(event, patient=late < _LOOK)
        if strike is not None:
            del self._waiting[0]
            self.strikes.append(strike)

    def _strike(self, event: Event, *, patient: bool) -> Strike | None:
        if event.blow is Blow.REDIS:
            at_ms = _now_ms()
            self._system.kill_redis()
            return Strike(event.blow, at_ms, "redis")
        doors = self._system.doors
        members = self._targets(event, patient) if event.blow.hits_worker else doors
        living = [each for each in members if each.is_up]
        if not living:
            return None
        target = living[event.pick % len(living)]
        at_ms, workers = _now_ms(), target.workers
        _ACTS[event.blow](target, event)
        return Strike(event.blow, at_ms, target.name, workers, event.seconds)

    def _targets(self, event: Event, patient: bool) -> list[Member]:
        """The workers to choose from: where there is time, only those with a job in hand."""
        now_ms = _now_ms()

        def busy(member: Member) -> int:
            found = self._stream.in_hand(member.workers)
            return sum(now_ms - each.since_ms >= _BUSY_MS for each in found)

        # Of several children one dies: all must be busy to be sure that it is a busy one.
        def is_fit(member: Member) -> bool:
            return busy(member) >= (member.children if event.blow is Blow.CHILD else 1)

        workers = [each for each in self._system.workers if each.domain == "lab"]
        fit = [each for each in workers if each.is_up and is_fit(each)]
        # A worker that has just started has nothing to lose: it is no target in any case.
        started = [each for each in workers if each.is_up and _has_children(each)]
        return fit if fit or patient else started


def kill_parent(member: Member, _: Event) -> None:
    """Its children are orphans."""
    member.process.send(signal.SIGKILL)


def kill_child(member: Member, event: Event) -> None:
    """One of them; the worker itself where it has none."""
    children = member.process.descendants()
    victim = children[event.pick % len(children)].pid if children else member.process.pid
    os.kill(victim, signal.SIGKILL)


def kill_both(member: Member, _: Event) -> None:
    """Nobody is left to tell of it."""
    member.process.send(signal.SIGKILL, group=True)


_ACTS: dict[Blow, Callable[[Member, Event], None]] = {
    Blow.PARENT: kill_parent,
    Blow.CHILD: kill_child,
    Blow.BOTH: kill_both,
    Blow.DOOR: kill_parent,
    Blow.STOP: lambda member, event: member.freeze(event.seconds),
}


def _has_children(member: Member) -> bool:
    return member.children == 1 or bool(member.process.descendants())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
