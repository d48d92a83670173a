"""Connections to Redis, with every retry and timeout chosen, none left to a default.

redis-py 8 re-sends every command ten times by default. Here a call is re-sent at most once, and
only calls of scripts (harmless twice) and reads are ever made.
"""

from __future__ import annotations

from typing import Any

from redis import ConnectionPool, Redis
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from portaria.core.redis_url import is_sentinel, parse_sentinel_url
from portaria.store.sentinel import async_master_of, master_of

CONNECT_TIMEOUT = 1.0
REPLY_TIMEOUT = 3.0
_PAUSE = 0.05


def connect(url: str) -> Redis:
    """A client for parents, tools and tests."""
    if is_sentinel(url):
        return master_of(parse_sentinel_url(url), _chosen())
    return Redis.from_url(url, **_chosen())


def reconnect(redis: Redis) -> Redis:
    """A client for where another client points, with our timeouts and retries."""
    pool = redis.connection_pool
    if isinstance(pool, SentinelConnectionPool):
        fresh: Redis = pool.sentinel_manager.master_for(
            pool.service_name,
            redis_connect_func=pool.connection_kwargs.get("redis_connect_func"),
            **_chosen(),
        )
        return fresh
    given = {**pool.connection_kwargs, **_chosen()}
    return Redis.from_pool(ConnectionPool(connection_class=pool.connection_class, **given))


def connect_async(url: str, *, reply_timeout: float | None = REPLY_TIMEOUT) -> aioredis.Redis:
    """A client for the door; without a `reply_timeout` its user bounds every call.

    With one, redis-py sends by `asyncio.wait_for`; before Python 3.12 that can lose a cancellation.
    """
    chosen: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_TIMEOUT / 2,
        "socket_timeout": reply_timeout,
        "max_connections": 256,
        "retry": AsyncRetry(ConstantBackoff(_PAUSE), 1),
    }
    if is_sentinel(url):
        return async_master_of(parse_sentinel_url(url), chosen)
    return aioredis.Redis.from_url(url, **chosen)


def _chosen() -> dict[str, Any]:
    return {
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": REPLY_TIMEOUT,
        "retry": Retry(ConstantBackoff(_PAUSE), 1),
    }
