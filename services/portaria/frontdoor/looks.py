"""Looks at jobs for many callers together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from portaria.core.errors import StoreUnavailable
from portaria.store.aio import Look

TOGETHER = 50
"""Jobs in one look, more where one caller asks for more: each may have a payload of 4 MiB."""


class Looks:
    """One look is under way at a time, and who comes meanwhile shares the next one.

    So thousands of watches that open at once cost some dozens of round trips, and each waits for
    all of them at most. Where a look fails, all who wait fail: they would meet the same.
    """

    def __init__(self, look: Callable[[Sequence[str]], Awaitable[Look]]) -> None:
        self._look = look
        self._asked: deque[_Asked] = deque()
        self._looking: asyncio.Task[None] | None = None

    async def look(self, job_ids: Sequence[str]) -> Look:
        """The stream as it is at one moment from now on, and the jobs right after it."""
        asked = _Asked(job_ids)
        self._asked.append(asked)
        if self._looking is None:
            self._looking = asyncio.create_task(self._run(), name="looks")
        return await asked.answer

    async def close(self) -> None:
        """Who waits is told that the store is unavailable."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})

    async def _run(self) -> None:
        together: list[_Asked] = []
        error: Exception = StoreUnavailable()
        try:
            while self._asked:
                together = self._next()
                ids = list(dict.fromkeys(job_id for each in together for job_id in each.job_ids))
                look = await self._look(ids)
                found = dict(zip(ids, look.records, strict=True))
                for each in together:
                    each.tell(replace(look, records=[found[job_id] for job_id in each.job_ids]))
        except Exception as failure:
            error = failure
        finally:
            self._looking = None
            for each in (*together, *self._asked):
                each.fail(error)
            self._asked.clear()

    def _next(self) -> list[_Asked]:
        together, count = [self._asked.popleft()], 0
        while self._asked:
            count += len(together[-1].job_ids)
            if count + len(self._asked[0].job_ids) > TOGETHER:
                break
            together.append(self._asked.popleft())
        return together


class _Asked:
    """What one caller asked for; it may be gone when the answer comes."""

    def __init__(self, job_ids: Sequence[str]) -> None:
        self.job_ids = job_ids
        self.answer: asyncio.Future[Look] = asyncio.get_running_loop().create_future()

    def tell(self, look: Look) -> None:
        if not self.answer.done():
            self.answer.set_result(look)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
