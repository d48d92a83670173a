"""Learns the job types that workers register, within half a second, for as long as a door runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from portaria.core.errors import PortariaError
from portaria.core.seal import KeyRing
from portaria.frontdoor.ending import cancel
from portaria.intake.catalogue import Catalogue
from portaria.intake.registered import believed
from portaria.logs import logger
from portaria.store import AsyncStore
from portaria.store.types import aread_revision, aread_types

_EVERY = 0.5
_PATIENCE = 1.0


class TypesFollower:
    """Looks at the registry's revision, and reads the files where it changed."""

    def __init__(
        self,
        store: AsyncStore,
        catalogue: Catalogue,
        keys: KeyRing,
        on_change: Callable[[], Awaitable[None]],
    ) -> None:
        """`on_change` is called where other façades are served than before."""
        self._store = store
        self._catalogue = catalogue
        self._keys = keys
        self._on_change = on_change
        self._revision = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look."""
        self._task = asyncio.create_task(self._run(), name="types")

    async def stop(self) -> None:
        """Stops looking."""
        if self._task is not None:
            await cancel(self._task)

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
            except (PortariaError, TimeoutError):
                pass  # the watchdog says that Redis is away
            except Exception:
                logger().exception("the registry of job types cannot be read")
                await asyncio.sleep(10 * _EVERY)
            await asyncio.sleep(_EVERY)

    async def _look(self) -> None:
        async with asyncio.timeout(_PATIENCE):
            if self._catalogue.is_complete and await self._now() == self._revision:
                return
            revision, sealed = await aread_types(self._store.redis)
        before = (self._catalogue.is_complete, self._catalogue.served.services)
        # Calls go on meanwhile.
        await asyncio.to_thread(self._catalogue.learn, believed(self._keys, sealed))
        self._revision = revision
        if (self._catalogue.is_complete, self._catalogue.served.services) != before:
            await self._on_change()

    async def _now(self) -> str:
        return await aread_revision(self._store.redis)
