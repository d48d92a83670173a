"""A store of which each call answers or fails within a second: no caller waits for Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from portaria.core.errors import StoreUnavailable
from portaria.frontdoor.looks import Looks
from portaria.frontdoor.patience import PATIENCE, Patience
from portaria.store import AsyncStore, Call, JobRecord
from portaria.store.aio import Look
from portaria.store.lane import Lane

Reply = TypeVar("Reply")

# Below the size of the connection pool: who comes later waits here instead of failing there.
_CONCURRENT = 200
_SLICE = 200


class PromptStore:
    """The calls that answer callers. Raises StoreUnavailable after `patience` seconds.

    A call that was given up may still take effect, once: every call may be repeated.
    """

    def __init__(self, store: AsyncStore, *, patience: float = PATIENCE) -> None:
        self._store = store
        self._lane = Lane(store.redis, replicas=store.replicas)
        self._patience = patience
        self._turnstile = asyncio.Semaphore(_CONCURRENT)
        self._looks = Looks(self._look, patience=patience)

    async def run(self, call: Call[Reply]) -> Reply:
        """Sends one call and answers its reply."""
        # Written out: this is the one call of every submit.
        try:
            async with asyncio.timeout(self._patience), self._turnstile:
                return await self._lane.run(call)
        except TimeoutError:
            raise StoreUnavailable from None

    async def close(self) -> None:
        """Closes all connections."""
        await self._looks.close()
        await self._lane.close()
        await self._store.close()

    async def read(self, reading: Callable[[AsyncStore], Awaitable[Reply]]) -> Reply:
        """What a function of the store reads."""
        async with self._bounded():
            return await reading(self._store)

    async def get(self, job_id: str) -> JobRecord | None:
        """The record of a job."""
        async with self._bounded():
            return await self._store.get(job_id)

    async def get_many(self, job_ids: Sequence[str]) -> list[JobRecord | None]:
        """The records of jobs, in order and in slices; `patience` is for each of them."""
        found: list[JobRecord | None] = []
        for start in range(0, len(job_ids), _SLICE):
            async with self._bounded():
                found += await self._store.get_many(job_ids[start : start + _SLICE])
        return found

    async def look(self, job_ids: Sequence[str]) -> Look:
        """The stream, then the jobs, in pieces of some: each of them answers in time, or fails."""
        return await self._looks.look(job_ids)

    async def _look(self, job_ids: Sequence[str]) -> Look:
        async with self._bounded():
            look = await self._store.look(job_ids)
            if look.generation:
                return look
            # Emptied under a running door: what begins now is a new generation.
            await self._store.prepare()
            return await self._store.look(job_ids)

    async def workflow_members(self, namespace: str, workflow_id: str) -> list[str]:
        """The jobs of a workflow or a batch."""
        async with self._bounded():
            return await self._store.workflow_members(namespace, workflow_id)

    async def history(self, after: str, until: str) -> list[tuple[bytes, bytes]]:
        """Up to 1,000 state changes with after < id <= until."""
        async with self._bounded():
            return await self._store.history(after, until)

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        async with Patience(self._patience), self._turnstile:
            yield
