"""Watchers that do not read: ended with a clear status, at a bounded cost, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import psutil
import pytest
from redis import Redis

from integration.frontdoor.conftest import OpenDoor
from integration.frontdoor.playing import Refusal, refused
from portaria.store import keys
from portaria.v1.jobs_service_pb2 import JobSelector, WatchJobsRequest
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub
from stack import Stack, eventually

TYPE = "t." + "x" * 200
# Little of what is not read fits into the connection, so that the door soon holds the rest.
SMALL_WINDOW = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1024)]
_DEADLINE = 55
Sleeper = Callable[[str], Any]


@pytest.fixture
def sleeper() -> Iterator[Sleeper]:
    """Opens a watch of TYPE at an address, reads its first frame, and no more."""
    channels = []

    def open_watch(address: str) -> Any:
        options = [*SMALL_WINDOW, ("grpc.use_local_subchannel_pool", 1)]
        channels.append(grpc.insecure_channel(address, options=options))
        request = WatchJobsRequest(selector=JobSelector(types=[TYPE]))
        watch: Any = channels[-1].unary_stream("/portaria.v1.JobsService/WatchJobs")
        call = watch(request.SerializeToString(), timeout=_DEADLINE)
        next(call)
        return call

    yield open_watch
    for each in channels:
        each.close()


def _flood(redis: Redis, count: int, *, first: int = 0, padding: int = 2_000) -> None:
    """State changes of jobs of TYPE, as the scripts write them."""
    tag = f"lab:low {TYPE} default {'w' * padding} -"
    for start in range(first, first + count, 500):
        with redis.pipeline(transaction=False) as pipeline:
            for number in range(start, min(start + 500, first + count)):
                pipeline.xadd(keys.EVENTS, {"e": f"j{number} PENDING 0 - - 0 {tag}"})
            pipeline.execute()


def _is_slow(refusal: Refusal) -> bool:
    expected = (grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_WATCHER")
    return (refusal.code, refusal.reason) == expected


def test_a_watcher_whose_slot_is_full_is_ended(
    open_door: OpenDoor, redis: Redis, sleeper: Sleeper
) -> None:
    """RESOURCE_EXHAUSTED / SLOW_WATCHER; the door keeps no more of it."""
    door = open_door(most_changes=100)
    call = sleeper(door.address)

    def is_ended() -> bool:
        _flood(redis, 500)
        return door.call(lambda: door.running.feed.watchers) == 0

    eventually(is_ended, within=20)

    assert _is_slow(refused(lambda timeout: call))


def test_a_watcher_that_takes_nothing_for_long_is_ended(
    open_door: OpenDoor, redis: Redis, sleeper: Sleeper
) -> None:
    """Though its slot has room: nobody may ever come for the frames that are kept for it."""
    door = open_door(longest_write=0.1)
    call = sleeper(door.address)
    _flood(redis, 4_000)

    eventually(lambda: door.call(lambda: door.running.feed.watchers) == 0, within=20)

    assert _is_slow(refused(lambda timeout: call))


def test_watchers_that_do_not_read_harm_nobody(
    stack: Stack, redis: Redis, sleeper: Sleeper
) -> None:
    """The door does not grow with what they leave, and who reads is told everything in order."""
    door = stack.door()
    memory = psutil.Process(door.pid).memory_info
    with grpc.insecure_channel(door.address) as channel:
        request = WatchJobsRequest(selector=JobSelector(types=[TYPE]))
        reader = JobsServiceStub(channel).WatchJobs(request, timeout=_DEADLINE)
        next(reader)
        asleep = [sleeper(door.address) for _ in range(20)]
        told: list[str] = []
        full = 0

        for first in range(0, 36_000, 3_000):
            _flood(redis, 3_000, first=first, padding=100)
            while len(told) < first + 3_000:
                told += [event.job_id for event in next(reader).events]
            if len(told) == 15_000:
                full = memory().rss

        assert told == [f"j{number}" for number in range(36_000)]
        grown = memory().rss - full
    # Once the twenty slots of 10,000 events were full: all later events would be twice as much.
    assert grown < 12 * 2**20
    assert all(_is_slow(refused(lambda timeout, each=each: each)) for each in asleep)
