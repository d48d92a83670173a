"""A walk over an index: every job once, in order, whatever lies beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from redis import Redis

from conformance.kernel import Kernel
from portaria.core.errors import StoreUnavailable
from portaria.core.states import State
from portaria.store import keys
from portaria.store.connect import connect_async
from portaria.store.walking import Brief, briefs, sources_of, walk
from portaria.up.redis_server import RedisServer

NOOP, OTHER, THIRD = (f"acme_jobs.lab.v1.{each}" for each in ("Noop", "Other", "Third"))


async def whole(server: RedisServer, sources: Sequence[Sequence[str]], **given: Any) -> list[str]:
    """The ids of a walk to its end."""
    client = connect_async(server.url)
    ids: list[str] = []
    after = given.pop("after", "")
    while True:
        found, after = await walk(client, sources, after=after, **given)
        assert len(found) <= given["most"]
        ids += [each.job_id for each in found]
        if not after:
            await client.aclose()
            return ids


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 200])
@pytest.mark.parametrize("newest_first", [False, True])
async def test_every_job_comes_once_and_in_order(
    kernel: Kernel, redis_server: RedisServer, most: int, newest_first: bool
) -> None:
    """However small the steps, and from however many indexes."""
    for number in range(4):
        kernel.submit(f"j{number}", type=(NOOP, OTHER)[number % 2])
    kernel.submit("third", type=THIRD)
    sources = [[keys.index("default", "type", each) for each in (NOOP, OTHER, "x")]]

    found = await whole(redis_server, sources, most=most, newest_first=newest_first)

    assert found == sorted([f"j{number}" for number in range(4)], reverse=newest_first)


async def test_a_walk_begins_after_an_id(kernel: Kernel, redis_server: RedisServer) -> None:
    """Which need not be there any more."""
    for number in (1, 3, 5):
        kernel.submit(f"j{number}")
    sources = sources_of("default")

    assert await whole(redis_server, sources, most=2, after="j2") == ["j3", "j5"]
    newest = await whole(redis_server, sources, most=2, after="j4", newest_first=True)
    assert newest == ["j3", "j1"]


async def test_the_smallest_source_is_walked(kernel: Kernel, redis_server: RedisServer) -> None:
    """An index that holds nothing answers at once."""
    for number in range(3):
        kernel.submit(f"j{number}", labels=[("a", "1 &=")] if number == 1 else [])
    narrow = sources_of("default", types=[NOOP], labels=[("a", "1 &=")])

    assert await whole(redis_server, narrow, most=200) == ["j1"]
    assert await whole(redis_server, [*narrow, *sources_of("none")], most=200) == []


async def test_what_is_no_job_is_passed_over(
    kernel: Kernel, redis: Redis, redis_server: RedisServer
) -> None:
    """Gone, foreign, or broken; the walk goes on behind it."""
    for number in range(5):
        kernel.submit(f"j{number}")
    redis.delete(keys.job("j0"), keys.job("j1"))
    redis.set(keys.job("j1"), "text")
    kernel.change("j2", state="ODD")
    kernel.change("j3", tag="short")

    assert await whole(redis_server, sources_of("default"), most=1) == ["j4"]


async def test_a_brief_is_what_a_selector_judges(kernel: Kernel, redis_server: RedisServer) -> None:
    """And None stands for what is not there."""
    kernel.submit("j1", labels=[("a", "1")], workflow_id="w")
    kernel.cancel("j1")
    kernel.submit("j2", retried_from="j1")
    client = connect_async(redis_server.url)

    one, nobody = await briefs(client, ["j1", "nobody"])
    await client.aclose()

    record = kernel.record("j1")
    assert nobody is None
    assert one == Brief(
        job_id="j1", state=State.CANCELLED, tag=record.tag, created_ms=record.created_ms,
        retried_as="j2",
    )  # fmt: skip


async def test_an_outage_under_a_walk_is_an_outage(
    kernel: Kernel, redis_server: RedisServer
) -> None:
    """Also where the ids are known, and only the jobs cannot be read any more."""
    kernel.submit("j1")
    client = connect_async(redis_server.url)
    assert len(await briefs(client, ["j1"])) == 1
    redis_server.kill()

    with pytest.raises(StoreUnavailable):
        await briefs(client, ["j1"])
    await client.aclose()


async def test_a_job_that_may_not_be_read_now_is_not_taken_for_none(
    kernel: Kernel, redis: Redis, redis_server: RedisServer
) -> None:
    """Redis answers each command of a pipeline by itself: no answer but WRONGTYPE means no job."""
    kernel.submit("j1")
    redis.set(keys.job("j2"), "text")
    redis.acl_setuser("walker", enabled=True, passwords=["+pw"], keys=["*"], channels=["*"],
                      commands=["+@all", "-hmget"])  # fmt: skip
    client = connect_async(f"redis://walker:pw@127.0.0.1:{redis_server.port}/0")

    with pytest.raises(StoreUnavailable):
        await walk(client, sources_of("default"))
    redis.acl_setuser("walker", commands=["+hmget"])
    _, none = await briefs(client, ["j1", "j2"])

    assert none is None
    await client.aclose()
    redis.acl_deluser("walker")
