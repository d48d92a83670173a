"""What a starting process does until Redis answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from redis.exceptions import AuthenticationError, NoPermissionError

from portaria import logs
from portaria.core.errors import ConfigurationError, StoreUnavailable
from portaria.store.faults import translated

Answer = TypeVar("Answer")
_LONGEST_WHY = 200


def patiently(action: Callable[[], Answer]) -> Answer:
    """Does it once Redis answers; says every few seconds that it does not.

    Raises ConfigurationError where Redis does not know us: waiting would not help.
    """
    pause = 0.2
    while True:
        try:
            with translated():
                return action()
        except StoreUnavailable as error:
            if isinstance(error.__cause__, AuthenticationError):
                text = "PORTARIA_REDIS_URL: redis refuses this user or password"
                raise ConfigurationError(text) from None
            if isinstance(error.__cause__, NoPermissionError):
                # Its words name the command or the key; see store/acl for what is needed.
                text = f"PORTARIA_REDIS_URL: this user lacks a right: {error.__cause__}"
                raise ConfigurationError(text) from None
            cause = error.__cause__ or error
            why = str(cause)[:_LONGEST_WHY]
            logs.logger().warning("waiting for redis", cause=type(cause).__name__, why=why)
            time.sleep(pause)
            pause = min(5.0, pause * 2)
