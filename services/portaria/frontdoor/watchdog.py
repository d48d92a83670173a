"""Whether Redis answers, as health checks are told."""

from __future__ import annotations

import asyncio

from portaria.core.errors import PortariaError, StoreFull, StoreUnavailable
from portaria.frontdoor.ending import cancel
from portaria.frontdoor.server import Door
from portaria.logs import logger
from portaria.store import AsyncStore

_EVERY = 1.0
_PATIENCE = 1.0
_TELLING = 0.25
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
        reachable, told = False, True
        said_at = float("-inf")
        while True:
            fault = await self._fault(prepare=not reachable)
            answers = fault is None
            if answers != reachable:
                said_at = float("-inf")
            if answers != reachable or not told:
                told = await self._tell(serving=answers, again=not told)
            clock = asyncio.get_running_loop().time()
            if answers and not reachable:
                logger().info("redis reached")
            elif fault is not None and clock - said_at > _SAY_AGAIN:
                _say(fault)
                said_at = clock
            reachable = answers
            if answers and not self._checked:
                await self._check()
            await asyncio.sleep(_EVERY if answers else _EVERY / 4)

    async def _fault(self, *, prepare: bool) -> Exception | None:
        """Why it does not answer; None where it does."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await (self._store.prepare() if prepare else self._store.ping())
        except StoreFull:
            return None  # it answers, and draining it goes on
        except Exception as error:  # whatever it is, the next look may be better
            return error
        return None

    async def _tell(self, *, serving: bool, again: bool) -> bool:
        """Whether health checks of all services were told: a health watch that takes nothing holds
        up the news of its service, and what it holds up is told again.
        """
        try:
            async with asyncio.timeout(_TELLING):
                await self._door.set_serving(serving=serving)
        except TimeoutError:
            if not again:
                logger().warning("a health watch takes nothing; trying on")
            return False
        return True

    async def _check(self) -> None:
        """Looks at the settings, once; where an outage comes between, again after it."""
        try:
            async with asyncio.timeout(_PATIENCE):
                unsafe = await self._store.unsafe_settings()
        except (TimeoutError, PortariaError):
            return
        except Exception as error:
            # Hosted ones often hide their settings; that is no reason not to serve.
            logger().warning("the settings of redis cannot be read", why=type(error).__name__)
        else:
            for each in unsafe:
                logger().warning("redis may lose acknowledged jobs", setting=each)
        self._checked = True


def _say(fault: Exception) -> None:
    """For operators."""
    if isinstance(fault, TimeoutError):
        why = f"silent for {_PATIENCE:g} s"
    elif isinstance(fault, StoreUnavailable):
        why = str(fault.__cause__ or fault)[:_LONGEST_WHY]
    else:
        logger().error("redis refused what a door needs", exc_info=fault)
        return
    logger().warning("redis does not answer; trying on", why=why)
