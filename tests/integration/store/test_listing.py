"""What a listing looks at: RQ's registries where they are small, else the smallest index."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from portaria.core.ids import id_floor
from portaria.core.states import State
from portaria.store import keys
from portaria.store.listing import Span, ids_in_states, step
from portaria.store.walking import sources_of
from portaria.up.redis_server import RedisServer

HIGH, LOW = "mail:high", "lab:low"


@pytest.fixture
async def store(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """A client of the empty Redis."""
    client = Redis.from_url(redis_server.url)
    yield client
    await client.aclose()


def job_id(number: int) -> str:
    """Ids in order."""
    return id_floor(1_700_000_000_000 + number)


async def put(store: Redis, number: int, **labels: str) -> str:
    """A job in its indexes, with as much as a listing looks at."""
    name, word = job_id(number), "&".join(f"{key}={value}" for key, value in labels.items()) or "-"
    tag = f"{HIGH} a.B default - {word}"
    await store.hset(keys.job(name), mapping={"state": "PENDING", "tag": tag, "created": number})
    for place in (keys.index("default"), keys.index("default", "type", "a.B")):
        await store.zadd(place, {name: 0})
    for key, value in labels.items():
        await store.zadd(keys.index("default", "label", f"{key}={value}"), {name: 0})
    return name


async def in_registries(store: Redis, *states: State, most: int = 10) -> list[int] | None:
    found = await ids_in_states(store, states, of=lambda queue: queue != LOW, most=most)
    if found is None:
        return None
    return [number for number in range(30) for each in found if each == job_id(number)]


async def test_registries_hold_the_jobs_of_a_state(store: Redis) -> None:
    """Of each queue that is wanted; holds without their tokens, in the order of the ids."""
    for queue in (HIGH, LOW, "mail:low", "other"):
        await store.sadd(keys.QUEUES, keys.queue(queue))
    await store.zadd(keys.registry("failed", HIGH), {job_id(3): 2, job_id(1): 9})
    await store.zadd(keys.registry("failed", "mail:low"), {job_id(2): 5})
    await store.zadd(keys.registry("failed", LOW), {job_id(4): 5})
    await store.zadd(keys.registry("wip", HIGH), {f"{job_id(5)}:token": 5})

    assert await in_registries(store, State.FAILED) == [1, 2, 3]
    assert await in_registries(store, State.RUNNING) == [5]
    assert await in_registries(store, State.RUNNING, State.FAILED) == [1, 2, 3, 5]
    assert await in_registries(store, State.SUCCEEDED) == []


async def test_what_registries_do_not_say_or_say_too_long_is_walked(store: Redis) -> None:
    """PENDING and BLOCKED have none; more than the budget is not read at all."""
    await store.sadd(keys.QUEUES, keys.queue(HIGH))
    await store.zadd(keys.registry("failed", HIGH), {job_id(n): n for n in range(3)})

    assert await in_registries(store, State.FAILED, most=3) == [0, 1, 2]
    assert await in_registries(store, State.FAILED, most=2) is None
    assert await in_registries(store, State.FAILED, State.PENDING) is None
    assert await in_registries(store, State.BLOCKED) is None
    assert await in_registries(store) is None


@pytest.mark.parametrize("newest_first", [True, False])
async def test_an_index_is_walked_in_steps(store: Redis, newest_first: bool) -> None:
    """The smallest one, by id; ids whose hash is gone are passed over, and none comes twice."""
    made = [await put(store, number, half=str(number % 2)) for number in range(9)]
    await store.delete(keys.job(made[5]))
    odd = [name for name in made[1::2] if name != made[5]]
    sources = sources_of("default", types=["a.B"], labels=[("half", "1")])
    span = Span(newest_first=newest_first, sources=sources)

    first, following = await step(store, span, after="", most=3)
    second, end = await step(store, span, after=following, most=3)

    found = [each.job_id for each in (*first, *second)]
    assert found == (odd[::-1] if newest_first else odd)
    assert end == ""
    assert len(first) == 2


@pytest.mark.parametrize("newest_first", [True, False])
async def test_a_span_begins_and_ends(store: Redis, newest_first: bool) -> None:
    """Between two ids little more than what is wanted is looked at."""
    made = [await put(store, number) for number in range(20)]
    start, end = (job_id(15), job_id(5)) if newest_first else (job_id(5), job_id(15))
    span = Span(newest_first=newest_first, sources=sources_of("default"), start=start, end=end)

    found, after = [], ""
    for _ in range(10):
        some, after = await step(store, span, after=after, most=3)
        found += [each.job_id for each in some]
        if not after:
            break

    assert after == ""
    assert set(made[6:15]) <= set(found) <= set(made[3:18])


async def test_explicit_ids_are_walked_like_an_index(store: Redis) -> None:
    """In the order of the ids, from anywhere, whatever the order in which they were given."""
    made = [await put(store, number) for number in range(5)]
    span = Span(newest_first=True, job_ids=(made[1], made[4], job_id(99), made[0]))

    first, following = await step(store, span, after="", most=2)
    second, end = await step(store, span, after=following, most=2)

    assert [each.job_id for each in (*first, *second)] == [made[4], made[1], made[0]]
    assert end == ""
