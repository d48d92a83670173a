"""Which schedulers live: by rq-scheduler's own keys, and one set of ours to count them."""

from __future__ import annotations

from typing import Any

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from portaria.store import keys
from portaria.store.faults import translated


def announce(redis: Redis, name: str, *, seconds: float) -> None:
    """Says that a scheduler lives, for so long."""
    moment, _ = redis.time()
    now = float(moment)
    pipeline: Any = redis.pipeline(transaction=False)
    pipeline.hset(keys.scheduler(name), mapping={"birth": now})
    pipeline.expire(keys.scheduler(name), int(seconds))
    pipeline.zadd(keys.SCHEDULERS, {name: now + seconds})
    pipeline.zremrangebyscore(keys.SCHEDULERS, "-inf", now)
    pipeline.execute()


def withdraw(redis: Redis, name: str) -> None:
    """Says that it has ended."""
    pipeline: Any = redis.pipeline(transaction=False)
    pipeline.delete(keys.scheduler(name))
    pipeline.zrem(keys.SCHEDULERS, name)
    pipeline.execute()


async def acount_schedulers(redis: AsyncRedis) -> int:
    """How many live. Raises StoreUnavailable."""
    with translated():
        now: Any = await redis.time()
        found: Any = await redis.zcount(keys.SCHEDULERS, now[0], "+inf")
    return int(found)
