"""A door that is killed while it writes a batch: all of it runs, or nothing."""

from __future__ import annotations

import random
import threading
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import grpc
import pytest
from redis import Redis

from acme_jobs.lab.v1.lab_pb2 import Echo
from integration.frontdoor.test_batch import batch, ids_of
from portaria.store import keys
from portaria.v1.jobs_service_pb2 import BatchSubmitJobsRequest, BatchSubmitJobsResponse
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub
from stack import Process, Stack
from stack.eventually import eventually

SIZE = 1000
QUEUE = keys.queue("lab:default")


@dataclass(frozen=True, slots=True)
class Look:
    """Batch and queue as they are together."""

    stage: str
    written: int
    queued: int


class Observer:
    """Looks all the time, from outside, while a batch is written."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.looks: list[Look] = []

    def __enter__(self) -> Observer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def look(self) -> Look | None:
        """None where no batch is."""
        names = [key for key in self._redis.scan_iter("portaria:batch:*", count=5000)]
        if not names:
            return None
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hmget(names[0], "stage", "written")
        pipeline.llen(QUEUE)
        (stage, written), queued = pipeline.execute()
        return Look(str(stage), int(written or 0), queued)

    def _watch(self) -> None:
        while not self._stop.is_set():
            if (seen := self.look()) is not None:
                self.looks.append(seen)


def call(address: str, request: BatchSubmitJobsRequest) -> BatchSubmitJobsResponse:
    """Hands a batch in, over a connection of its own."""
    with grpc.insecure_channel(address) as channel:
        return JobsServiceStub(channel).BatchSubmitJobs(request, timeout=15)


def kill_at(stack: Stack, door: Process, written: int, request: BatchSubmitJobsRequest) -> Look:
    """Kills a door as soon as so much of the batch is written; how it left things."""
    with ThreadPoolExecutor(1) as pool:
        answer: Future[BatchSubmitJobsResponse] = pool.submit(call, door.address, request)
        observer = Observer(stack.redis)
        while (seen := observer.look()) is None or seen.written < written:
            assert not answer.done() or answer.exception() is None, answer.exception()
        door.kill()
        if (error := answer.exception()) is not None:
            assert isinstance(error, grpc.RpcError)
            assert error.code() == grpc.StatusCode.UNAVAILABLE
    left = observer.look()
    assert left is not None
    return left


@pytest.mark.parametrize("written", [200, 600, 1000])
def test_a_repeat_completes_what_a_killed_door_began(stack: Stack, written: int) -> None:
    """Through another door, under the same request_id: the same ids, and each job once."""
    victim, other = stack.door(), stack.door()
    request = batch([Echo(text=f"{n} " + "x" * 500) for n in range(SIZE)])

    left = kill_at(stack, victim, written, request)

    assert left.queued == 0 or left.stage in ("whole", "placed")
    with Observer(stack.redis) as observer:
        answer = call(other.address, request)
    ids = ids_of(answer)
    assert answer.deduplicated
    assert stack.redis.lrange(QUEUE, 0, -1) == ids
    assert stack.redis.zrange(keys.index("default", "workflow", answer.workflow_id), 0, -1) == ids
    assert all(each.queued == 0 for each in observer.looks if each.stage == "open")
    again = call(other.address, request)
    assert ids_of(again) == ids


def test_a_repeat_completes_what_an_outage_of_redis_cut_off(stack: Stack) -> None:
    """Redis is killed in the middle and comes back with its data; the door lives on."""
    door = stack.door()
    request = batch([Echo(text=f"{n} " + "x" * 500) for n in range(SIZE)])
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(call, door.address, request)
        observer = Observer(stack.redis)
        while (seen := observer.look()) is None or seen.written < 400:
            pass
        stack.redis_server.kill()
        error = answer.exception()
    stack.restart_redis()

    again = eventually(lambda: _answered(door, request), 15, because="the door never recovered")

    assert error is None or isinstance(error, grpc.RpcError)
    assert again is not None
    assert again.deduplicated
    assert stack.redis.lrange(QUEUE, 0, -1) == ids_of(again)
    assert len(set(ids_of(again))) == SIZE


def _answered(door: Process, request: BatchSubmitJobsRequest) -> BatchSubmitJobsResponse | None:
    try:
        return call(door.address, request)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return None


def test_nothing_runs_before_all_is_in_though_doors_are_killed_at_any_moment(stack: Stack) -> None:
    """And what was never repeated either runs whole, or leaves nothing behind."""
    rng = random.Random(20261121)
    stack.worker("lab")
    whole = 0
    for _ in range(4):
        request = batch([Echo(text=str(n)) for n in range(SIZE)], request_id=uuid.uuid4().hex)
        left = kill_at(stack, stack.door(), rng.choice((200, 400, 800, 1000)), request)
        whole += SIZE if left.stage in ("whole", "placed") else 0
        for batch_id in stack.redis.zrange(keys.BATCHES, 0, -1):
            stack.redis.zadd(keys.BATCHES, {batch_id: 1})  # as if a minute had passed
        eventually(
            lambda done=whole: _settled(stack.redis, done),
            20,
            because="a batch neither ran whole nor was removed",
        )
        for name in stack.redis.scan_iter("portaria:batch:*"):
            stack.redis.delete(name)  # what has ended would be kept for an hour
    assert _ended(stack.redis) == whole


def _settled(redis: Redis, done: int) -> bool:
    return _ended(redis) == done == sum(1 for _ in redis.scan_iter("rq:job:*", count=5000))


def _ended(redis: Redis) -> int:
    return int(redis.zcard("rq:finished:lab:default"))
