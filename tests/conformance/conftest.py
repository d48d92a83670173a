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
from portaria.store.connect import connect, connect_async
from portaria.store.lane import Lane
from portaria.store.wire import Target, Wire
from portaria.up.redis_server import RedisServer
from stack.users import add_users
from stack.versions import VERSIONS

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


class Restricted:
    """Each script as the user that calls it in production: with the rights that we ship."""

    def __init__(self, server: RedisServer, redis: Redis) -> None:
        self._clients = {name: connect(url) for name, url in add_users(server, redis).items()}
        self._stores = {name: Store(client) for name, client in self._clients.items()}

    def run(self, call: Call[Reply]) -> Reply:
        name = (
            "door"
            if call.script.name
            in ("submit", "batch", "cancel", "delete", "update", "pause", "clear")
            else "worker"
        )
        return self._stores[name].run(call)

    def get(self, job_id: str) -> JobRecord | None:
        return self._stores["door"].get(job_id)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


ON_EACH_VERSION = ("users",)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """On the newest Redis that is here, and on the others: see ON_EACH_VERSION."""
    if "store" in metafunc.fixturenames:
        metafunc.parametrize("_session_redis", VERSIONS, indirect=True, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """How a call travels does not depend on the version, so it is not tested twice."""
    items[:] = [item for item in items if not _is_superfluous(item)]


def _is_superfluous(item: pytest.Item) -> bool:
    given = item.callspec.params if hasattr(item, "callspec") else {}
    version, way = given.get("_session_redis"), given.get("store")
    return bool(way and version != VERSIONS[-1] and way not in ON_EACH_VERSION)


@pytest.fixture(params=["users", "async", "lane", "wire"])
def store(
    request: pytest.FixtureRequest, redis: Redis, redis_server: RedisServer
) -> Iterator[Runs]:
    """One way to the scripts after the other."""
    way: Awaited | Laned | Wired | Restricted
    if request.param == "users":
        way = Restricted(redis_server, redis)
    elif request.param == "async":
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
