"""What decides whether a job that waits may run: paused queues, living workers, its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from portaria.store import keys
from portaria.store.faults import translated
from portaria.store.workers import WorkerRecord, list_workers

_HEAD = 2_000
"""How many ids at the head of a queue are looked at for one."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Queues and workers at one moment."""

    paused: frozenset[str]
    workers: tuple[WorkerRecord, ...]
    """Living ones only."""


async def read_readiness(redis: Redis) -> Readiness:
    """Raises StoreUnavailable."""
    workers = await list_workers(redis)
    with translated():
        paused: Any = await redis.hkeys(keys.PAUSED)
    return Readiness(
        frozenset(each.decode(errors="replace") for each in paused),
        tuple(each for each in workers if not each.is_lost),
    )


async def jobs_ahead(redis: Redis, queue: str, job_id: str) -> int:
    """How many jobs of its queue come before one: exactly near the head, at most so many behind."""
    with translated():
        pipeline = redis.pipeline(transaction=False)
        pipeline.lpos(keys.queue(queue), job_id, maxlen=_HEAD)
        pipeline.llen(keys.queue(queue))
        place, length = await pipeline.execute()
    if place is not None:
        return int(place)
    return max(0, length - 1) if length > _HEAD else 0  # held, parked, or gone meanwhile
