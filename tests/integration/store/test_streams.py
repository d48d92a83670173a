"""What the door reads: the two streams, cursors, and what nobody watches."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis import Redis

from conformance.kernel import Kernel, ended
from portaria.store import AsyncStore, Store, calls, keys
from portaria.store.connect import connect_async
from portaria.store.ends import ends
from portaria.store.events import job_id_of, parse_progress, parse_state
from portaria.store.sync import UNREADABLE
from portaria.up.redis_server import RedisServer


@pytest.fixture
async def store(redis: Redis, redis_server: RedisServer) -> AsyncIterator[AsyncStore]:
    """The door's store."""
    opened = AsyncStore(connect_async(redis_server.url))
    yield opened
    await opened.close()


async def test_empty_streams_have_ends(store: AsyncStore) -> None:
    """A watcher may be the first of all."""
    assert await store.tail() == await store.oldest() == await store.progress_tail() == "0-0"
    assert await store.history("0-0", "9999999999999-0") == []
    assert await store.follow("0-0", "0-0", block_ms=1) == ([], [])


async def test_history_is_what_lies_between_two_cursors(store: AsyncStore, kernel: Kernel) -> None:
    """After the one, up to and with the other, in order, in pages."""
    for number in range(5):
        kernel.submit(f"j{number}")
    cursors = [kernel.record(f"j{number}").cursor for number in range(5)]

    entries = await store.history(cursors[0], cursors[3])
    page = await store.history("0-0", cursors[4], most=2)

    assert [job_id_of(packed) for _, packed in entries] == [b"j1", b"j2", b"j3"]
    assert [entry_id.decode() for entry_id, _ in entries] == cursors[1:4]
    assert [job_id_of(packed) for _, packed in page] == [b"j0", b"j1"]
    assert (await store.oldest(), await store.tail()) == (cursors[0], cursors[4])


async def test_following_tells_both_streams(store: AsyncStore, kernel: Kernel) -> None:
    """State changes and, while somebody watches, progress."""
    await store.keep_watched(30)
    kernel.submit("j1")
    tail = await store.tail()
    claim = kernel.claim()
    kernel.store.run(calls.progress("j1", claim.token, b"half"))
    kernel.turn("ana", ended(claim))

    changes, reports = await store.follow(tail, "0-0", block_ms=1_000)

    states = [parse_state(entry_id, packed).state for entry_id, packed in changes]
    ((_, packed, report),) = reports
    assert states == ["RUNNING", "SUCCEEDED"]
    assert parse_progress(packed, report).job_id == "j1"
    assert await store.follow(await store.tail(), await store.progress_tail(), block_ms=1) == (
        [],
        [],
    )


async def test_no_end_is_told_before_the_progress_of_its_run(
    store: AsyncStore, kernel: Kernel
) -> None:
    """However much others reported meanwhile: each read takes only so many of each stream."""
    await store.keep_watched(30)
    kernel.submit("j1")
    kernel.submit("j2")
    tail, progress = await store.tail(), "0-0"
    claims = [kernel.claim(), kernel.claim()]
    for number in range(30):
        # The other job's come in between, and the last is of the one that ends.
        kernel.store.run(calls.progress("j2", claims[1].token, b"%d" % number))
    kernel.store.run(calls.progress("j1", claims[0].token, b"half"))
    kernel.turn("ana", ended(claims[0]))

    told = []
    while "SUCCEEDED" not in told:
        changes, reports = await store.follow(tail, progress, block_ms=1_000, most=7)
        told += [parse_state(*each).state for each in changes]
        told += [parse_progress(packed, report).job_id for _, packed, report in reports]
        tail = changes[-1][0].decode() if changes else tail
        progress = reports[-1][0].decode() if reports else progress

    # Within one read the clock orders them.
    assert told[-1] == "j1" or told.index("j1") < told.index("SUCCEEDED")
    assert told.count("j2") == 30


async def test_ends_are_read_without_what_may_be_large(store: AsyncStore, kernel: Kernel) -> None:
    """Failures, and results where they are wanted; those who are not there are left out."""
    kernel.submit("j1", envelope=b"large")
    kernel.turn("ana", ended(kernel.claim(), output=b"large, too"))
    kernel.redis.hset(keys.job("foreign"), "status", "queued")
    ids = ["nobody", "j1", "foreign"]

    without = await ends(store.redis, ids, results=False)
    full = await ends(store.redis, ids, results=True)

    assert list(without) == list(full) == ["j1"]
    assert (without["j1"].envelope, without["j1"].output) == (b"", b"")
    assert (full["j1"].envelope, full["j1"].output) == (b"", b"large, too")
    assert full["j1"].tag == kernel.record("j1").tag


async def test_being_watched_wears_off(store: AsyncStore, redis: Redis) -> None:
    """A door that dies does not keep workers telling."""
    await store.keep_watched(30)

    assert 25 <= int(redis.ttl(keys.WATCHED)) <= 30


async def test_many_records_come_in_the_order_of_the_question(
    store: AsyncStore, kernel: Kernel
) -> None:
    """None where there is no such job, or where RQ's own stands."""
    kernel.submit("j1")
    kernel.submit("j2")
    kernel.redis.hset(keys.job("foreign"), "status", "queued")

    found = await store.get_many(["j2", "nobody", "foreign", "j1"])

    assert [record and record.job_id for record in found] == ["j2", None, None, "j1"]
    assert await store.get_many([]) == []


async def test_both_stores_prepare_the_same_generation(store: AsyncStore, redis: Redis) -> None:
    """Made once, whoever comes first, and kept."""
    generation = await store.prepare()

    assert Store(redis).prepare() == generation == await store.prepare()
    assert redis.get(keys.SCHEMA) == b"1"


async def test_settings_that_can_lose_a_job_are_named(store: AsyncStore, redis: Redis) -> None:
    """The shipped ones cannot."""
    assert Store(redis).unsafe_settings() == await store.unsafe_settings() == []

    redis.config_set("appendfsync", "everysec")
    redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        found = Store(redis).unsafe_settings()
        assert await store.unsafe_settings() == found
    finally:
        redis.config_set("appendfsync", "always")
        redis.config_set("maxmemory-policy", "noeviction")

    assert found == [
        "appendfsync is everysec: expected always",
        "maxmemory-policy is allkeys-lru: expected noeviction",
    ]


async def test_settings_that_may_not_be_read_are_said_to_be_unknown(
    redis: Redis, redis_server: RedisServer
) -> None:
    """A user without CONFIG, as a hardened Redis has it, is no reason not to start."""
    redis.acl_setuser("limited", enabled=True, passwords="+pw", keys="*", categories=["+@all"],
                      commands=["-config"])  # fmt: skip
    url = f"redis://limited:pw@127.0.0.1:{redis_server.port}/0"
    limited = AsyncStore(connect_async(url))
    try:
        with Redis.from_url(url) as client:
            assert Store(client).unsafe_settings() == [UNREADABLE]
        assert await limited.unsafe_settings() == [UNREADABLE]
    finally:
        await limited.close()
        redis.acl_deluser("limited")


async def test_a_look_has_jobs_and_stream(store: AsyncStore, kernel: Kernel) -> None:
    """Records, both ends of the stream, generation and clock."""
    empty = await store.look()
    generation = await store.prepare()
    kernel.submit("j1")
    kernel.submit("j2")

    look = await store.look(["j2", "nobody"])

    assert (empty.generation, empty.tail, empty.oldest, list(empty.records)) == (
        "", "0-0", "0-0", [],
    )  # fmt: skip
    record, nobody = look.records
    assert record is not None
    assert (record.job_id, nobody) == ("j2", None)
    assert look.tail == record.cursor
    assert (look.generation, look.oldest) == (generation, kernel.record("j1").cursor)
    assert 0 <= look.now_ms - record.created_ms < 60_000


async def test_what_others_put_in_the_place_of_a_job_hides_no_other(
    store: AsyncStore, kernel: Kernel
) -> None:
    """A look is shared by many callers; their jobs are shown."""
    kernel.submit("j1")
    kernel.redis.rpush(keys.job("evil"), "x")

    look = await store.look(["evil", "j1"])

    assert [each and each.job_id for each in look.records] == [None, "j1"]


async def test_a_full_redis_is_looked_at(store: AsyncStore, kernel: Kernel) -> None:
    """Who wants to see what fills it may."""
    kernel.submit("j1")
    kernel.redis.config_set("maxmemory", 1)

    look = await store.look(["j1"])

    kernel.redis.config_set("maxmemory", 0)
    assert look.tail == kernel.record("j1").cursor
    assert [each and each.job_id for each in look.records] == ["j1"]


async def test_old_events_are_trimmed(store: AsyncStore, kernel: Kernel) -> None:
    """Ten minutes are kept; whole nodes of the stream go at once."""
    pipeline = kernel.redis.pipeline()
    for number in range(1, 301):
        pipeline.xadd(keys.EVENTS, {"e": "old"}, id=f"1000-{number}")
    pipeline.execute()

    kernel.submit("j1")

    assert int(kernel.redis.xlen(keys.EVENTS)) < 201
    assert await store.tail() == kernel.record("j1").cursor
