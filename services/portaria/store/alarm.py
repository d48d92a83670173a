"""Sleep that ends at a moment, or as soon as something is written that is due before it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from portaria.store import keys

_PAUSE = 0.5
"""Seconds for which a Redis that does not answer is left alone, at most."""
_LONGEST = 2.0
"""Seconds for which Redis is asked at once; less than a reply may take."""
_KEPT = 100
"""Entries that the stream keeps, as prelude.lua has it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What ended a sleep."""

    schedules: frozenset[str] = frozenset()
    """Those that changed."""
    is_all: bool = True
    """Where not: others may have changed, too."""


class Alarm:
    """One sleeper. Nothing is missed: it goes on where its last sleep ended."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._heard: bytes | None = None

    def set(self) -> None:
        """From the first call on: what is written later ends the next sleep."""
        if self._heard is not None:
            return
        try:
            newest: Any = self.redis.xrevrange(keys.ALARM, count=1)
        except (OSError, RedisError):
            return  # the sleep will find Redis away
        self._heard = newest[0][0] if newest else b"0-0"

    def sleep(self, seconds: float) -> Heard | None:
        """What was written that may be due; None where the time is up."""
        until = time.monotonic() + seconds
        try:
            while self._heard is not None and (left := until - time.monotonic()) > 0.001:
                block = int(min(left, _LONGEST) * 1000)
                if reply := self.redis.xread({keys.ALARM: self._heard}, block=block):
                    return self._hear(_entries(reply))
        except (OSError, RedisError):
            self._heard = None
            time.sleep(min(_PAUSE, max(0.0, until - time.monotonic())))
            return Heard(is_all=False)
        time.sleep(max(0.0, until - time.monotonic()))
        return None

    def close(self) -> None:
        """Closes its connection."""
        self.redis.close()

    def _hear(self, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> Heard:
        self._heard = entries[-1][0]
        names = {fields.get(b"a", b"").decode(errors="replace") for _, fields in entries}
        return Heard(frozenset(names - {""}), is_all=len(entries) < _KEPT)


def _entries(reply: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    streams = reply.values() if isinstance(reply, dict) else [found for _, found in reply]
    (found,) = streams
    # One list of entries; RESP3 has them in another one.
    while isinstance(found[0], list):
        (found,) = found
    return list(found)
