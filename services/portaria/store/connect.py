"""Connections to Redis, with every retry and timeout chosen, none left to a default.

redis-py 8 re-sends every command ten times by default. Here a call is re-sent at most once, and
only calls of scripts (harmless twice) and reads are ever made.
"""

from __future__ import annotations

from redis import ConnectionPool, Redis
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ConstantBackoff
from redis.retry import Retry

CONNECT_TIMEOUT = 1.0
REPLY_TIMEOUT = 3.0
_PAUSE = 0.05


def connect(url: str) -> Redis:
    """A client for parents, tools and tests."""
    return Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_timeout=REPLY_TIMEOUT,
        retry=Retry(ConstantBackoff(_PAUSE), 1),
    )


def reconnect(redis: Redis) -> Redis:
    """A client for where another client points, with our timeouts and retries."""
    pool = redis.connection_pool
    given = {
        **pool.connection_kwargs,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": REPLY_TIMEOUT,
        "retry": Retry(ConstantBackoff(_PAUSE), 1),
    }
    fresh = ConnectionPool(connection_class=pool.connection_class, **given)
    return Redis.from_pool(fresh)


def connect_async(url: str, *, reply_timeout: float | None = REPLY_TIMEOUT) -> aioredis.Redis:
    """A client for the door; without a `reply_timeout` its user bounds every call."""
    return aioredis.Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT / 2,
        socket_timeout=reply_timeout,
        max_connections=256,
        retry=AsyncRetry(ConstantBackoff(_PAUSE), 1),
    )
