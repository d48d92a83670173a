"""Redis answers "not now", or not at all: callers hear StoreUnavailable, children wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from conformance.kernel import Kernel, submission
from portaria.core.errors import StoreUnavailable
from portaria.store import AsyncStore, Store, calls
from portaria.store.connect import connect, connect_async
from portaria.store.wire import ScriptFailed, Target, Wire
from portaria.up.redis_server import RedisServer

SUBMIT = calls.submit(submission("j1"))


@pytest.fixture(params=["an unknown script", "a known script"])
def taught(request: pytest.FixtureRequest, redis: Redis) -> None:
    """Redis knows the script by its digest, or has to be told its text first."""
    if request.param == "a known script":
        redis.script_load(SUBMIT.script.text)


@pytest.fixture(params=["read only", "replica without its master", "too few replicas"])
def reluctant(request: pytest.FixtureRequest, redis: Redis, taught: None) -> Iterator[None]:
    """A Redis that takes no writes at the moment."""
    stale = "no" if request.param == "replica without its master" else "yes"
    if request.param == "too few replicas":
        redis.config_set("min-replicas-to-write", 1)
    else:
        redis.config_set("replica-serve-stale-data", stale)
        redis.replicaof("127.0.0.1", "1")
    yield
    _make_willing(redis)


@pytest.mark.usefixtures("reluctant")
def test_a_refusal_inside_a_script_is_unavailable(redis: Redis, redis_server: RedisServer) -> None:
    """In the sync and the async store alike."""
    with pytest.raises(StoreUnavailable):
        Store(redis).run(SUBMIT)
    with pytest.raises(StoreUnavailable):
        asyncio.run(_async_run(redis_server.url))


@pytest.mark.usefixtures("reluctant")
def test_a_refusal_of_a_plain_command_is_unavailable(
    redis: Redis, redis_server: RedisServer
) -> None:
    """At start, before any script."""
    with pytest.raises(StoreUnavailable):
        Store(redis).prepare()
    with pytest.raises(StoreUnavailable):
        asyncio.run(_async_prepare(redis_server.url))


@pytest.mark.usefixtures("reluctant")
def test_a_child_waits_until_redis_is_willing(kernel: Kernel) -> None:
    """Its call is answered in the end, once."""
    wire = Wire(Target.of(kernel.redis))
    asked: list[int] = []

    def make_willing_at_last() -> bool:
        asked.append(1)
        if len(asked) == 2:
            _make_willing(kernel.redis)
        return False

    submitted = wire.run(SUBMIT, give_up=make_willing_at_last)
    wire.close()

    assert (submitted.job_id, len(asked)) == ("j1", 2)
    assert kernel.queued() == ["j1"]


@pytest.mark.usefixtures("reluctant")
def test_a_child_gives_up_when_it_is_told_to(redis: Redis) -> None:
    """StoreUnavailable, not an error of the script."""
    wire = Wire(Target.of(redis))

    with pytest.raises(StoreUnavailable):
        wire.run(SUBMIT, give_up=lambda: True)

    wire.close()


@pytest.mark.usefixtures("reluctant")
def test_a_blocking_command_is_refused_like_a_lost_connection(redis: Redis) -> None:
    """The bell of an idle child: OSError is what it expects."""
    wire = Wire(Target.of(redis))
    wire.send("LPUSH", "list", "x")

    with pytest.raises(OSError):
        wire.receive()

    wire.close()


def test_a_mistake_of_ours_is_not_taken_for_a_refusal(redis: Redis) -> None:
    """It would be repeated for ever."""
    broken = calls.Call(SUBMIT.script, SUBMIT.keys, SUBMIT.arguments[:3], SUBMIT.parse)
    wire = Wire(Target.of(redis))

    with pytest.raises(ScriptFailed, match="submit"):
        wire.run(broken)
    with pytest.raises(ResponseError):
        Store(redis).run(broken)

    wire.close()


def test_a_wrong_password_is_unavailable_and_not_shown(redis_server: RedisServer) -> None:
    """Neither ours nor theirs."""
    url = redis_server.url.replace(redis_server.password, "guessed-word")

    with connect(url) as client, pytest.raises(StoreUnavailable) as refusal:
        Store(client).run(SUBMIT)
    with connect(url) as client, pytest.raises(StoreUnavailable):
        Wire(Target.of(client)).run(SUBMIT, give_up=lambda: True)

    assert "guessed-word" not in str(refusal.value)


def test_a_redis_that_is_down_is_unavailable(redis_server: RedisServer) -> None:
    """Every way says so, and goes on when it is back, with the data."""
    with connect(redis_server.url) as client:
        wire, store = Wire(Target.of(client)), Store(client)
        first = store.run(SUBMIT)
        redis_server.kill()

        with pytest.raises(StoreUnavailable):
            store.run(SUBMIT)
        with pytest.raises(StoreUnavailable):
            store.get("j1")
        with pytest.raises(StoreUnavailable):
            wire.run(SUBMIT, give_up=lambda: True)
        with pytest.raises(StoreUnavailable):
            asyncio.run(_async_run(redis_server.url))

        redis_server.process.stop()
        redis_server.start()
        assert store.run(SUBMIT) == first
        assert wire.run(SUBMIT) == first
        wire.close()


def test_a_restart_changes_the_run_id(redis_server: RedisServer) -> None:
    """By which the reaper knows it."""
    with connect(redis_server.url) as client:
        before = Store(client).run_id()
        assert Store(client).run_id() == before
        redis_server.kill()
        redis_server.process.stop()
        redis_server.start()

        assert Store(client).run_id() != before


def _make_willing(redis: Redis) -> None:
    redis.replicaof("NO", "ONE")
    redis.config_set("replica-serve-stale-data", "yes")
    redis.config_set("min-replicas-to-write", 0)


async def _async_run(url: str) -> Any:
    store = AsyncStore(connect_async(url))
    try:
        return await store.run(SUBMIT)
    finally:
        await store.close()


async def _async_prepare(url: str) -> Any:
    store = AsyncStore(connect_async(url))
    try:
        return await store.prepare()
    finally:
        await store.close()
