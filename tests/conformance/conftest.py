"""Every test here runs over each way to the scripts: they must agree in everything."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TypeVar

import pytest
from redis import Redis

from conformance.kernel import Kernel, Runs
from portaria.store import AsyncStore, JobRecord, Store
from portaria.store.calls import Call
from portaria.store.connect import connect_async
from portaria.store.lane import Lane
from portaria.store.wire import Target, Wire
from portaria.up.redis_server import RedisServer

Reply = TypeVar("Reply")


class Awaited:
    """An AsyncStore, awaited on the spot."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._store = AsyncStore(connect_async(url))

    def run(self, call: Call[Reply]) -> Reply:
        return self._runner.run(self._store.run(call))

    def get(self, job_id: str) -> JobRecord | None:
        return self._runner.run(self._store.get(job_id))

    def close(self) -> None:
        self._runner.run(self._store.close())
        self._runner.close()


class Laned:
    """The door's own connection for submissions, awaited on the spot."""

    def __init__(self, url: str, redis: Redis) -> None:
        self._runner = asyncio.Runner()
        self._redis = connect_async(url)
        self._lane = Lane(self._redis)
        self._store = Store(redis)

    def run(self, call: Call[Reply]) -> Reply:
        return self._runner.run(self._lane.run(call))

    def get(self, job_id: str) -> JobRecord | None:
        return self._store.get(job_id)

    def close(self) -> None:
        self._runner.run(self._lane.close())
        self._runner.run(self._redis.aclose())
        self._runner.close()


class Wired:
    """A child's own connection; it reads no records, so the sync store does."""

    def __init__(self, redis: Redis) -> None:
        self._wire = Wire(Target.of(redis))
        self._store = Store(redis)

    def run(self, call: Call[Reply]) -> Reply:
        return self._wire.run(call)

    def get(self, job_id: str) -> JobRecord | None:
        return self._store.get(job_id)

    def close(self) -> None:
        self._wire.close()


@pytest.fixture(params=["sync", "async", "lane", "wire"])
def store(
    request: pytest.FixtureRequest, redis: Redis, redis_server: RedisServer
) -> Iterator[Runs]:
    """One way to the scripts after the other."""
    if request.param == "sync":
        yield Store(redis)
        return
    way: Awaited | Laned | Wired
    if request.param == "async":
        way = Awaited(redis_server.url)
    elif request.param == "lane":
        way = Laned(redis_server.url, redis)
    else:
        way = Wired(redis)
    yield way
    way.close()


@pytest.fixture
def kernel(store: Runs, redis: Redis) -> Kernel:
    """An empty kernel."""
    return Kernel(store, redis)
