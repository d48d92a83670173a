"""Kills the workers of tiny jobs at the moments that chance would hardly meet."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from robustness.bursts import DOMAIN
from robustness.nemesis import Strike, kill_both, kill_child, kill_parent
from robustness.schedule import Event
from robustness.stream import Stream
from robustness.system import Member, System

# Those of whom nobody tells come early: what must not run twice stays open for long.
_KILLS = (kill_both, kill_parent, kill_child)
_BEGUN_MS = 5
"""After so long its handler has begun."""


class Ambush:
    """Each kill waits from its moment on for what it is to meet: of three, two a worker that holds
    several jobs, which is a matter of milliseconds, one a worker whose job must not run twice.
    """

    def __init__(
        self, system: System, redis: Redis, stream: Stream, events: Sequence[Event]
    ) -> None:
        self._system = system
        self._redis = redis
        self._stream = stream
        self._waiting = list(events)
        self._start = time.monotonic()
        self.strikes: list[Strike] = []

    def step(self) -> None:
        """Strikes what is due, if there is something to hit."""
        if not self._waiting or time.monotonic() - self._start < self._waiting[0].at:
            return
        with suppress(RedisError, OSError):
            self._strike(self._waiting[0])

    def _strike(self, event: Event) -> None:
        holds: Any = self._redis.hgetall("portaria:holds")
        for member in self._system.workers:
            if member.domain != DOMAIN or not member.is_up or not member.process.descendants():
                continue
            # "incarnation token flags id|queue|token ..."
            held = max(holds.get(name, "").count("|") // 2 for name in member.workers)
            if self._runs_a_strike(member) if event.pick % 3 == 2 else held > 1:
                at_ms = time.time_ns() // 1_000_000
                _KILLS[event.pick // 3 % len(_KILLS)](member, event)
                struck = Strike(event.blow, at_ms, member.name, member.workers, held=held)
                self.strikes.append(struck)
                del self._waiting[0]
                return

    def _runs_a_strike(self, member: Member) -> bool:
        before = time.time_ns() // 1_000_000 - _BEGUN_MS
        found = self._stream.in_hand(member.workers)
        ids = [each.job_id for each in found if each.since_ms <= before]
        types: list[Any] = [self._redis.hget(f"rq:job:{job_id}", "type") for job_id in ids]
        return any(str(each).endswith(".Strike") for each in types)
