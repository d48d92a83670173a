"""Jobs in every state, made by the scripts that would make them."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from integration.frontdoor.playing import Door, Worker
from portaria.store import calls, keys

FAR_OFF = Timestamp(seconds=4_000_000_000)
Make = Callable[[Door, Worker], str]


def scheduled(door: Door, _: Worker) -> str:
    """Due in an hour."""
    return door.submit(delay=Duration(seconds=3_600)).job_id


def pending(door: Door, _: Worker) -> str:
    """Queued."""
    return door.submit().job_id


def retrying(door: Door, worker: Worker) -> str:
    """Failed once, due in an hour."""
    job = door.submit()
    worker.fail(worker.claim(), retry_ms=3_600_000)
    return job.job_id


def running(door: Door, worker: Worker) -> str:
    """Held and begun."""
    job = door.submit()
    assert worker.claim().job_id == job.job_id
    return job.job_id


def cancelling(door: Door, worker: Worker) -> str:
    """Asked to end."""
    job_id = running(door, worker)
    worker.store.run(calls.cancel("default", [job_id], reason="the first"))
    return job_id


def succeeded(door: Door, worker: Worker) -> str:
    """Done."""
    job = door.submit()
    worker.succeed(worker.claim())
    return job.job_id


def failed(door: Door, worker: Worker) -> str:
    """Done, badly."""
    job = door.submit()
    worker.fail(worker.claim())
    return job.job_id


def cancelled(door: Door, worker: Worker) -> str:
    """Done, before it began."""
    job = door.submit()
    worker.store.run(calls.cancel("default", [job.job_id], reason="the first"))
    return job.job_id


def expired(door: Door, worker: Worker) -> str:
    """Done, for it was too late."""
    job = door.submit(deadline=FAR_OFF)
    worker.store.redis.hset(keys.job(job.job_id), "deadline", 1)
    worker.store.redis.zadd(keys.EXPIRY, {job.job_id: 1})
    worker.store.run(calls.expire())
    return job.job_id


WAITING: list[Make] = [scheduled, pending, retrying]
HELD: list[Make] = [running, cancelling]
BADLY: list[Make] = [failed, cancelled, expired]
DONE: list[Make] = [succeeded, *BADLY]


def name_of(make: Make) -> str:
    """For test ids."""
    return make.__name__
