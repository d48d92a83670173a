"""How long a caller waits for the store."""

from __future__ import annotations

import asyncio
from types import TracebackType

from portaria.core.errors import StoreUnavailable

PATIENCE = 0.9
_STEPS = 3


class Patience:
    """Raises StoreUnavailable after so many seconds, those aside by which our own loop was late.

    While thousands of watches open at once, or the machine does much else, the store may have
    answered long before the loop comes to read it. So the time passes in steps, and one that took
    too long counts as one.
    """

    __slots__ = ("_bound", "_left", "_step", "_timer")

    def __init__(self, seconds: float = PATIENCE) -> None:
        self._step = seconds / _STEPS
        self._left = _STEPS
        self._bound = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        await self._bound.__aenter__()
        self._tick()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None  # it refers to us: without it, nothing waits for the collector
        try:
            await self._bound.__aexit__(kind, error, traceback)
        except TimeoutError:
            raise StoreUnavailable from None

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        if self._left:
            self._left -= 1
            self._timer = loop.call_later(self._step, self._tick)
        else:
            self._bound.reschedule(loop.time())
