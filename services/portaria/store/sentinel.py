"""Clients of the master that sentinels name, asked anew for each connection.

redis-py asks the sentinels; what is added is that the server itself must say that it is a master:
for some seconds around a promotion, a sentinel may name one that no longer is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis import Redis
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Broken
from redis.retry import Retry
from redis.sentinel import Sentinel

from portaria.core.redis_url import SentinelUrl

SENTINEL_PATIENCE = 0.3
"""Seconds for one sentinel: two that are frozen, and a caller at the door is still answered."""


def master_of(url: SentinelUrl, options: Mapping[str, Any]) -> Redis:
    """A client with these options of redis-py."""
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        url.sentinels,
        sentinel_kwargs={**_of_sentinels(url), "retry": Retry(NoBackoff(), 0)},
        **_of_master(url),
    )
    given: dict[str, Any] = {**options, "redis_connect_func": _greet}
    client: Redis = sentinels.master_for(url.service, **given)  # type: ignore[no-untyped-call]
    return client


def async_master_of(url: SentinelUrl, options: Mapping[str, Any]) -> aioredis.Redis:
    """The same, awaited."""
    sentinels = AsyncSentinel(  # type: ignore[no-untyped-call]
        url.sentinels,
        sentinel_kwargs={**_of_sentinels(url), "retry": AsyncRetry(NoBackoff(), 0)},
        **_of_master(url),
    )
    given: dict[str, Any] = {**options, "redis_connect_func": _greet_async}
    client: aioredis.Redis = sentinels.master_for(url.service, **given)
    return client


async def close_async(redis: aioredis.Redis) -> None:
    """Closes a client, and those of the sentinels that it asked."""
    await redis.aclose()
    pool = redis.connection_pool
    if isinstance(pool, AsyncSentinelPool):
        await pool.sentinel_manager.aclose()


def _of_master(url: SentinelUrl) -> dict[str, Any]:
    return {
        "db": url.db,
        "username": url.username,
        "password": url.password,
        "ssl": url.tls,
        **url.files,
    }


def _of_sentinels(url: SentinelUrl) -> dict[str, Any]:
    return {
        "username": url.sentinel_username,
        "password": url.sentinel_password,
        "ssl": url.tls,
        "socket_connect_timeout": SENTINEL_PATIENCE,
        "socket_timeout": SENTINEL_PATIENCE,
        **url.files,
    }


def _greet(connection: Any) -> None:
    connection.on_connect()
    connection.send_command("ROLE")
    _check_role(connection.read_response())


async def _greet_async(connection: Any) -> None:
    await connection.on_connect()
    await connection.send_command("ROLE")
    _check_role(await connection.read_response())


def _check_role(reply: Any) -> None:
    if reply[0] not in (b"master", "master"):
        raise Broken("the server that the sentinels name is no master")
