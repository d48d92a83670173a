"""Whether Redis answers, as health checks are told."""

from __future__ import annotations

import asyncio

from portaria.core.errors import StoreFull, StoreUnavailable
from portaria.frontdoor.ending import cancel
from portaria.frontdoor.server import Door
from portaria.logs import logger
from portaria.store import AsyncStore

_EVERY = 1.0
_PATIENCE = 1.0
_SAY_AGAIN = 10.0
_LONGEST_WHY = 200


class Watchdog:
    """Prepares the store as soon as it can be reached, then looks after it every second."""

    def __init__(self, store: AsyncStore, door: Door) -> None:
        self._store = store
        self._door = door
        self._task: asyncio.Task[None] | None = None
        self._checked = False

    def start(self) -> None:
        """Begins to look."""
        self._task = asyncio.create_task(self._run(), name="watchdog")

    async def stop(self) -> None:
        """Stops looking."""
        if self._task is not None:
            await cancel(self._task)

    async def _run(self) -> None:
        reachable = False
        said_at = float("-inf")
        while True:
            why = await self._fault(prepare=not reachable)
            answers = not why
            if answers != reachable:
                await self._door.set_serving(serving=answers)
                said_at = float("-inf")
            clock = asyncio.get_running_loop().time()
            if answers and not reachable:
                logger().info("redis reached")
            elif not answers and clock - said_at > _SAY_AGAIN:
                logger().warning("redis does not answer; trying on", why=why)
                said_at = clock
            reachable = answers
            await asyncio.sleep(_EVERY if answers else _EVERY / 4)

    async def _fault(self, *, prepare: bool) -> str:
        """Why it does not answer, for operators; empty where it does."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await (self._prepare() if prepare else self._store.ping())
        except StoreFull:
            return ""  # it answers, and draining it goes on
        except TimeoutError:
            return f"silent for {_PATIENCE:g} s"
        except StoreUnavailable as error:
            return str(error.__cause__ or error)[:_LONGEST_WHY]
        except Exception as error:
            logger().exception("redis refused what a door needs")
            return type(error).__name__
        return ""

    async def _prepare(self) -> None:
        await self._store.prepare()
        if self._checked:
            return
        self._checked = True
        try:
            for each in await self._store.unsafe_settings():
                logger().warning("redis may lose acknowledged jobs", setting=each)
        except Exception as error:
            # Hosted ones often hide their settings; that is no reason not to serve.
            logger().warning("the settings of redis cannot be read", why=type(error).__name__)
