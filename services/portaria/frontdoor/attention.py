"""Says that somebody watches: only then do workers write progress to its stream."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress

from portaria.core.errors import StoreFull
from portaria.store import AsyncStore

REFRESH = 10.0
"""Seconds after which it is said again."""
_LASTS = 30


class Attention:
    """The word of this process; it lapses by itself half a minute after the last watcher left.

    Where Redis is full it is not said: watchers miss progress then, and no state change.
    """

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._said_at = -math.inf
        self._saying = asyncio.Lock()

    async def call(self) -> None:
        """Says it, unless that was done lately. Raises StoreUnavailable."""
        # Thousands come at once: one of them says it, the others wait for that.
        async with self._saying:
            if _clock() - self._said_at > REFRESH:
                await self.renew()

    async def renew(self) -> None:
        """Says it in any case. Raises StoreUnavailable."""
        with suppress(StoreFull):
            await self._store.keep_watched(_LASTS)
        self._said_at = _clock()


def _clock() -> float:
    return asyncio.get_running_loop().time()
