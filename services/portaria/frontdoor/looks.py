"""Looks at jobs for many callers together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from portaria.core.errors import StoreUnavailable
from portaria.frontdoor.patience import PATIENCE, Patience
from portaria.store import JobRecord
from portaria.store.aio import Look

TOGETHER = 10
"""Jobs in one look: each may have a payload of 4 MiB, and all of them are to come in time."""

Looking = Callable[[Sequence[str]], Awaitable[Look]]


class Looks:
    """Who asks while a look is under way shares the next one, with who asks for as much.

    So thousands of watches that open at once cost some hundreds of round trips. But who asks for
    little waits for nobody who asks for much: looks at no job, at one and at several are apart.
    """

    def __init__(self, look: Looking, *, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._lanes = [_Lane(look) for _ in ("no job", "one", "several")]

    async def look(self, job_ids: Sequence[str]) -> Look:
        """The stream as it is at one moment from now on, and the jobs after it, in pieces.

        Raises StoreUnavailable after `patience` seconds without the next piece.
        """
        first: Look | None = None
        records: list[JobRecord | None] = []
        for start in range(0, len(job_ids) or 1, TOGETHER):
            piece = job_ids[start : start + TOGETHER]
            async with Patience(self._patience):
                look = await self._lanes[min(len(piece), 2)].look(piece)
            first = first or look
            records += look.records
        assert first is not None
        return replace(first, records=records)

    async def close(self) -> None:
        """Who waits is told that the store is unavailable."""
        for lane in self._lanes:
            await lane.close()


class _Lane:
    """One look is under way at a time."""

    def __init__(self, look: Looking) -> None:
        self._look = look
        self._asked: deque[_Asked] = deque()
        self._looking: asyncio.Task[None] | None = None

    async def look(self, job_ids: Sequence[str]) -> Look:
        """Shared; where it fails, those who share it fail, and nobody else."""
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
        try:
            while together := self._next():
                await self._answer(together)
        finally:
            self._looking = None
            for each in (*together, *self._asked):
                each.fail(StoreUnavailable())
            self._asked.clear()

    async def _answer(self, together: Sequence[_Asked]) -> None:
        ids = list(dict.fromkeys(job_id for each in together for job_id in each.job_ids))
        try:
            look = await self._look(ids)
        except Exception as error:
            for each in together:
                each.fail(error)
            return
        found = dict(zip(ids, look.records, strict=True))
        for each in together:
            each.tell(replace(look, records=[found[job_id] for job_id in each.job_ids]))

    def _next(self) -> list[_Asked]:
        """Who shares the next look; nobody is asked for who is gone."""
        together: list[_Asked] = []
        count = 0
        while self._asked and count + len(self._asked[0].job_ids) <= TOGETHER:
            asked = self._asked.popleft()
            if not asked.answer.done():
                together.append(asked)
                count += len(asked.job_ids)
        return together


class _Asked:
    """What one caller asked for, of TOGETHER jobs at most; it may be gone when the answer comes."""

    def __init__(self, job_ids: Sequence[str]) -> None:
        self.job_ids = job_ids
        self.answer: asyncio.Future[Look] = asyncio.get_running_loop().create_future()

    def tell(self, look: Look) -> None:
        if not self.answer.done():
            self.answer.set_result(look)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
