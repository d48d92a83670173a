"""Sleep that ends at a moment, or as soon as something is written that is due before it."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from portaria.store import keys

_PAUSE = 0.5
"""Seconds for which a connection that broke is left alone, at most."""


class Alarm:
    """Listens on a connection of its own; what it missed while that was broken, nobody tells."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pubsub: Any = None

    def set(self) -> None:
        """Listens from now on: what is written later than this ends the next sleep."""
        if self._pubsub is not None:
            return
        pubsub: Any = self._redis.pubsub(  # type: ignore[no-untyped-call]
            ignore_subscribe_messages=True
        )
        try:
            pubsub.subscribe(keys.WAKE)
        except (OSError, RedisError):
            pubsub.close()
        else:
            self._pubsub = pubsub

    def sleep(self, seconds: float) -> bool:
        """Whether something was written that may be due; else the time is up."""
        until = time.monotonic() + seconds
        try:
            while self._pubsub is not None and (left := until - time.monotonic()) > 0:
                if self._pubsub.get_message(timeout=left) is not None:
                    while self._pubsub.get_message(timeout=0) is not None:
                        pass  # many at once are one
                    return True
        except (OSError, RedisError):
            self.close()
            time.sleep(min(_PAUSE, max(0.0, until - time.monotonic())))
            return True
        time.sleep(max(0.0, until - time.monotonic()))
        return False

    def close(self) -> None:
        """Listens no more."""
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            with suppress(OSError, RedisError):
                pubsub.close()
