"""Progress from a real worker: told while somebody watches, kept with the job in any case."""

from __future__ import annotations

from typing import Any

from google.protobuf.duration_pb2 import Duration
from redis import Redis

from acme_jobs.lab.v1.lab_pb2 import Steps
from portaria.store import keys
from stack import Stack

STEPS = Steps(count=8, pause=Duration(nanos=60_000_000))


def _told(redis: Redis) -> int:
    length: Any = redis.xlen(keys.PROGRESS)
    return int(length)


def test_progress_is_written_to_its_stream_while_somebody_watches(
    stack: Stack, redis: Redis
) -> None:
    """Before the first watcher came and after the last one went it costs nothing."""
    client = stack.client
    stack.worker("lab")

    unseen = client.submit(STEPS)
    unseen.wait()
    assert not redis.exists(keys.PROGRESS)
    assert unseen.get().progress.current == STEPS.count

    watched = client.submit(STEPS)
    reports = [event.progress for event in watched.watch() if event.HasField("progress")]
    assert [each.current for each in reports] == sorted({each.current for each in reports})
    assert reports[-1].current == STEPS.count
    told = _told(redis)
    assert told > 1

    redis.delete(keys.WATCHED)  # half a minute later
    client.submit(STEPS).wait()
    assert _told(redis) == told
