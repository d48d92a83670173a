"""The one module that knows rq-scheduler: its registration and its shape, our ticks.

Of the stock scheduler nothing that writes a job is left: its enqueue, ZREM and ZADD are three
commands, its lock has no owner, and a crash between them doubles a run or loses a schedule for
good. Here each tick is one compare-and-set, and there is no lock.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, Never

import rq_scheduler

from portaria.core.errors import PortariaError, StoreFull
from portaria.logs import logger
from portaria.runtime.sweeps import Sweeps
from portaria.scheduler.firing import Firing
from portaria.store import Store, keys
from portaria.store.alarm import Alarm
from portaria.store.faults import translated
from portaria.store.schedulers import announce, withdraw

BEAT_EVERY = 5.0
_AWAY, _FAILED = 0.5, 5.0
"""Seconds between two tries where Redis is away, and where it holds what nobody understands."""
_SAY_AGAIN = 60.0


class _Stop(BaseException):
    """Ends a sleep; raised in no other place."""


class ExactScheduler(rq_scheduler.Scheduler):  # type: ignore[misc] # it has no types
    """Any number may run: each tick is fired once, whichever of them is killed or frozen.

    Seen by rq-scheduler's tools under rq:scheduler_instance:{name}. Beside the ticks it does what
    workers do for all: due jobs are queued, lapsed leases reaped, what is over forgotten.
    """

    def __init__(
        self,
        store: Store,
        *,
        name: str,
        namespace: str,
        firing: Firing,
        sweeps: Sweeps,
        alarm: Alarm,
        keep_types: Callable[[], None],
    ) -> None:
        """`keep_types` learns what job types are registered; called before each round."""
        self.scheduled_jobs_key = keys.ticks(namespace)
        super().__init__(connection=store.redis, interval=int(BEAT_EVERY), name=name)
        self._store = store
        self._firing = firing
        self._sweeps = sweeps
        self._alarm = alarm
        self._keep_types = keep_types
        self._beat_at = 0.0
        self._is_stopping = False
        self._is_well = True
        self._full_at = float("-inf")
        self._is_asleep = False
        self._log = logger()

    def run(self, burst: bool = False) -> bool:
        """Fires and sweeps until SIGTERM or SIGINT; with `burst`, until nothing is due any more.

        Answers whether its last round could do all of its work.
        """
        self._install_signal_handlers()
        self._alarm.set()
        self._log.info("scheduler ready", name=self.name)
        while not self._is_stopping:
            rest = self._round()
            if burst and (rest > 0 or not self._is_well):
                break
            with suppress(_Stop):  # it may come as the sleep ends
                self._sleep(rest)
        self._leave()
        self._log.info("scheduler stopped", name=self.name)
        return self._is_well

    def enqueue_jobs(self) -> float | None:
        """Fires all that is due; answers the seconds until the next tick, None where none is."""
        return self._firing.fire(lambda: self._is_stopping)

    def heartbeat(self) -> None:
        """Says that it lives, for three beats."""
        with translated():
            announce(self.connection, self.name, seconds=3 * BEAT_EVERY)

    def acquire_lock(self) -> bool:
        """There is no lock: nothing depends on who fires."""
        return True

    def remove_lock(self) -> None:
        """There is none."""

    def get_jobs(self, *_: Any, **__: Any) -> Never:
        """Ticks are no RQ jobs; the stock way would drop them as jobs that vanished."""
        raise NotImplementedError("schedules are made, listed and removed at the door")

    # Each of them would write what only a tick may.
    schedule = cron = enqueue_at = enqueue_in = enqueue_job = cancel = get_jobs
    change_execution_time = get_jobs_to_queue = get_jobs

    def _round(self) -> float:
        """Seconds until there is something to do."""
        self._alarm.set()
        self._is_well = True
        try:
            dues = [self._unless_full(each) for each in (self._beat, self._fire, self._sweep)]
        except PortariaError:
            self._sweeps.reachable(False)
            self._is_well = False
            return _AWAY
        except Exception:
            # What others have written must not end every scheduler, one start after the other.
            self._log.exception("a round failed; trying on")
            self._is_well = False
            return _FAILED
        self._sweeps.reachable(True)
        return max(0.0, min(dues) - time.monotonic())

    def _beat(self) -> float:
        if time.monotonic() >= self._beat_at:
            self.heartbeat()
            self._beat_at = time.monotonic() + BEAT_EVERY
        return self._beat_at

    def _fire(self) -> float:
        self._keep_types()
        ahead = self.enqueue_jobs()
        return time.monotonic() + (BEAT_EVERY if ahead is None else ahead)

    def _sweep(self) -> float:
        self._sweeps.sweep()
        return time.monotonic() + self._sweeps.rest()

    def _unless_full(self, part: Callable[[], float]) -> float:
        """When the part is due again; where Redis is full, what frees its memory goes on."""
        now = time.monotonic()
        try:
            return part()
        except StoreFull:
            if now - self._full_at > _SAY_AGAIN:
                self._log.warning("redis is full: what is due waits")
                self._full_at = now
            self._is_well = False
            return now + _AWAY

    def _sleep(self, seconds: float) -> None:
        try:
            self._is_asleep = True
            if self._is_stopping:
                return
            if (heard := self._alarm.sleep(seconds)) is not None:
                self._firing.wake(heard.schedules if heard.is_all else None)
                self._sweeps.hurry("promote")
        except _Stop:
            pass
        finally:
            self._is_asleep = False

    def _leave(self) -> None:
        self._alarm.close()
        if not self._is_well:
            return  # it is forgotten by itself, and a Redis that is away would hold up the end
        try:
            with translated():
                withdraw(self.connection, self.name)
        except PortariaError:
            pass  # it is forgotten by itself

    def _install_signal_handlers(self) -> None:
        def stop(_number: int, _frame: FrameType | None) -> None:
            self._is_stopping = True
            # A round is left to its end: it takes some milliseconds.
            if self._is_asleep:
                raise _Stop

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
