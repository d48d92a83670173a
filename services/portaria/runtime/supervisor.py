"""The worker's parent: keeps children alive, their leases renewed, their timeouts kept.

It runs one thread, holds no job itself, and opens no gRPC channel, because it forks.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from portaria.core.errors import PortariaError, StoreFull
from portaria.core.ids import new_token
from portaria.core.seal import KeyRing
from portaria.jobs import Handler
from portaria.logs import logger
from portaria.runtime import orphans
from portaria.runtime.child import Exit
from portaria.runtime.family import ChildProcess, Plan, Sentence, fork_child
from portaria.runtime.justice import Justice
from portaria.runtime.upkeep import Upkeep
from portaria.store import Store
from portaria.store.wire import Target

TICK = 0.2
SAMPLE_EVERY = 1.0
_CALM = 5.0
"""Seconds of life after which a crash of a child is no longer part of a crash loop."""
_LONGEST_BACKOFF = 5.0


class Registry(Protocol):
    """How the outside sees the workers; RQ's registration implements it."""

    def tick(self, children: Sequence[ChildProcess]) -> None:
        """Called several times a second."""

    def buried(self, child: ChildProcess) -> None:
        """A child ended; what it did counts for its worker."""

    def bell(self) -> int | None:
        """What to select on so as to hear of commands at once; None where nothing is open."""

    def commands(self) -> Sequence[Command]:
        """What was asked of these workers since the last call. Never blocks."""

    def is_suspended(self) -> bool:
        """Whether all workers are to pause."""


@dataclass(frozen=True, slots=True)
class Command:
    """`shutdown`, `kill-horse` or `stop-job` for one worker."""

    worker: str
    name: str
    job_id: str = ""


@dataclass(frozen=True, slots=True)
class Successor:
    """The child that will follow one that ended."""

    moment: float
    """Monotonic; not before it."""
    incarnation: str
    slowest: float | None
    """See `ChildPlan`."""


class Supervisor:
    """Runs one child for each worker name until it is told to stop."""

    def __init__(
        self,
        plan: Plan,
        *,
        store: Store,
        target: Target,
        handlers: Mapping[str, Handler],
        ring: KeyRing,
        registry: Registry,
        keep_types: Callable[[], None],
        grace: float,
        most_mb: int = 0,
    ) -> None:
        """`keep_types` registers job types where Redis lost them; `most_mb` is the cap of a child's
        memory, 0 for none."""
        self._plan = plan
        self._store = store
        self._target = target
        self._handlers = handlers
        self._ring = ring
        self._registry = registry
        self._grace = grace
        self._most_mb = most_mb
        self._next_sample = 0.0
        self._children: dict[str, ChildProcess] = {}
        self._resting: dict[str, Successor] = {}
        self._crashes: dict[str, int] = {}
        self._not_ours: frozenset[int] = frozenset()
        self._signals = 0
        self._deadline: float | None = None
        self._justice = Justice(store, ring, Random())
        types = [(each.job_type.domain, name) for name, each in handlers.items()]
        self._upkeep = Upkeep(
            store, types=types, keep_types=keep_types, kill=self._justice.kill_hold
        )
        self._ran = 0
        self._log = logger()
        self._wakeup: socket.socket | None = None

    def run(self) -> int:
        """Works until SIGTERM, SIGINT, or the end of the burst. Answers how many jobs ran."""
        self._catch_signals()
        self._not_ours = orphans.adopt()
        for name in self._plan.workers:
            incarnation = new_token()
            # A worker of the same name may have died with jobs in hand; it is surely gone.
            self._quietly(lambda: self._justice.take_over(name, incarnation))  # noqa: B023
            self._fork(name, incarnation)
        while self._children or self._resting:
            self._listen()
            self._bury()
            self._revive()
            self._guard()
            self._weigh()
            self._keep_up()
        return self._ran

    # --- signals --------------------------------------------------------------------------------

    def _catch_signals(self) -> None:
        """Signals only count and wake; the loop acts, between two system calls of its own."""
        wakeup, writer = socket.socketpair()
        wakeup.setblocking(False)
        writer.setblocking(False)
        self._wakeup = wakeup
        self._writer = writer  # kept open: set_wakeup_fd does not own it
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._count)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _count(self, *_: object) -> None:
        self._signals += 1

    def _listen(self) -> None:
        assert self._wakeup is not None
        if self._signals:
            self._stop()
        bell = self._registry.bell()
        sources: list[Any] = [self._wakeup] if bell is None else [self._wakeup, bell]
        ready, _, _ = select.select(sources, [], [], TICK)
        if self._wakeup in ready:
            self._wakeup.recv(4096)

    def _stop(self) -> None:
        """First signal: finish what runs, within the grace. Second: give everything back now."""
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._grace
            self._log.info("worker stopping", grace_seconds=self._grace)
            for child in self._children.values():
                child.ask_to_stop()
        if self._signals > 1:
            self._deadline = min(self._deadline, now)
        self._resting.clear()

    # --- children -------------------------------------------------------------------------------

    def _fork(self, name: str, incarnation: str, slowest: float | None = None) -> None:
        limit = None if self._plan.limit is None else max(0, self._plan.limit - self._ran)
        self._children[name] = fork_child(
            self._plan,
            name,
            incarnation,
            limit=limit,
            slowest=slowest,
            target=self._target,
            handlers=self._handlers,
            ring=self._ring,
            siblings=list(self._children.values()),
        )

    def _bury(self) -> None:
        for name, child in list(self._children.items()):
            status = child.poll()
            if status is None:
                continue
            del self._children[name]
            self._ran += child.counts().done + child.counts().failed
            self._registry.buried(child)
            self._after(name, child, status)
            child.close()
            living = [each.pid for each in self._children.values()]
            if left := orphans.bury([*living, *self._not_ours]):
                self._log.warning("killed what a child left running", worker=name, processes=left)

    def _after(self, name: str, child: ChildProcess, status: int) -> None:
        # A handler may end the process with any status: only what the slot confirms is ours.
        ending = Exit(status) if status in set(Exit) and child.slot.left_with() == status else None
        is_last = ending in (Exit.IDLE, Exit.STOPPED, Exit.LIMIT) or self._deadline is not None
        following = "" if is_last else new_token()
        crashed = ending is None and child.sentence in (None, Sentence.CRASH)
        if crashed:
            self._log.error("the worker's child died", worker=name, how=child.death())
        if ending is Exit.GONE:
            self._quietly(lambda: self._justice.take_over(name, following))
        else:
            self._quietly(lambda: self._justice.settle(child, following, crashed=crashed))
        if not is_last:
            moment = time.monotonic() + self._backoff(name, child, crashed)
            self._resting[name] = Successor(moment, following, child.slot.pace_left())

    def _backoff(self, name: str, child: ChildProcess, crashed: bool) -> float:
        """A child that keeps dying young is started ever more slowly; one that had done a job was
        able to work, and what killed it is the next job's own.
        """
        counts = child.counts()
        young = time.monotonic() - child.born < _CALM and not counts.done + counts.failed
        self._crashes[name] = crashes = self._crashes.get(name, 0) + 1 if crashed and young else 0
        return min(_LONGEST_BACKOFF, 0.05 * 2.0**crashes) if crashes > 1 else 0.0

    def _revive(self) -> None:
        for name, successor in list(self._resting.items()):
            if time.monotonic() >= successor.moment:
                del self._resting[name]
                self._fork(name, successor.incarnation, successor.slowest)

    def _guard(self) -> None:
        """Kills what ran beyond its timeout, and at the end of the grace what still runs."""
        now = time.monotonic()
        for child in self._children.values():
            self._justice.enforce_timeout(child, now)
            if self._deadline is not None and now >= self._deadline:
                child.kill(Sentence.GIVE_BACK)

    def _weigh(self) -> None:
        """Samples the children, and keeps their memory within its cap."""
        now = time.monotonic()
        if now < self._next_sample:
            return
        self._next_sample = now + SAMPLE_EVERY
        for child in self._children.values():
            child.sample()
            if self._most_mb:
                self._justice.enforce_memory(child, self._most_mb)

    # --- everything that is due -----------------------------------------------------------------

    def _keep_up(self) -> None:
        children = list(self._children.values())
        self._quietly(lambda: self._upkeep.tick(children))
        self._quietly(lambda: self._heed(children))

    def _heed(self, children: Sequence[ChildProcess]) -> None:
        self._registry.tick(children)
        paused = self._registry.is_suspended()
        for child in children:
            child.pause(paused)
        for command in self._registry.commands():
            self._obey(command)

    def _obey(self, command: Command) -> None:
        child = self._children.get(command.worker)
        if command.name == "portaria-renew":
            self._upkeep.hurry("renew")
            return
        self._log.info("command", worker=command.worker, command=command.name)
        if command.name == "shutdown":
            os.kill(os.getpid(), signal.SIGTERM)
        elif child is not None and command.name == "kill-horse":
            child.kill(Sentence.CRASH)
        elif child is not None and command.name == "stop-job":
            self._justice.stop_job(child, command.job_id)

    def _quietly(self, action: Callable[[], object]) -> None:
        """Redis may be away: leases wait for it, and what is due will be due again."""
        try:
            action()
            self._upkeep.reachable(True)
        except StoreFull:
            self._upkeep.reachable(True)  # it drains; only what is new is refused
        except PortariaError:
            self._upkeep.reachable(False)
