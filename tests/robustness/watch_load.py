"""What watchers hand in, in which ways they watch it, and what breaks off in between."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from random import Random
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from acme_jobs.lab.v1.lab_pb2 import Echo, Fail, Noop, Steps
from portaria.client import AsyncHandle, Handle
from portaria.v1.job_pb2 import JobState
from portaria.v1.jobs_service_pb2 import JobEvent
from robustness.watched import Watch

BATCHES = ("batch", "batch by its id")
_WAYS = ("single", "single", *BATCHES, "from a cursor", "cancelled")
_LARGE = 0.05
"""Of the batches so many have more jobs than the door reads at once."""
LABELS = {"proof": "watches"}
"""Of all jobs."""
_INTERVAL = timedelta(milliseconds=10)
"""Between two progress events of a job: the shortest, so that most is told."""
_PATIENCE = timedelta(seconds=60)

_current: ContextVar[Watch] = ContextVar("watch")
"""The one that a thread or task is at."""


class Interruptions(logging.Handler):
    """Counts the streams that the client lost in the middle, by what it says of them."""

    def __init__(self) -> None:
        super().__init__()
        self.at: list[float] = []
        """When, by the monotonic clock."""
        self.by_door: defaultdict[str, list[float]] = defaultdict(list)
        """The same of watches that call one door alone."""

    def emit(self, record: logging.LogRecord) -> None:
        """One of them, in the thread or task that watches."""
        now, watch = time.monotonic(), _current.get()
        self.at.append(now)
        watch.broken_off += 1
        if watch.door:
            self.by_door[watch.door].append(now)


@contextmanager
def journal(watch: Watch) -> Iterator[None]:
    """What the block loses in the middle is written into `watch`, and what it raises."""
    _current.set(watch)
    try:
        yield
    except Exception as error:
        watch.error = f"{type(error).__name__}: {error}"


def way_of(rng: Random) -> str:
    """How the next jobs are watched."""
    return rng.choice(_WAYS)


def jobs_of(rng: Random, way: str) -> list[Message]:
    """What a watcher hands in, to watch it in this way."""
    if way == "cancelled":
        return [Steps(count=200, pause=_milliseconds(10))]
    if way not in BATCHES:
        return [_job(rng)]
    count = rng.randint(51, 60) if rng.random() < _LARGE else rng.randint(3, 8)
    return [_job(rng) for _ in range(count)]


def begin(
    watch: Watch, way: str, handles: Sequence[Handle[Any] | AsyncHandle[Any]]
) -> tuple[Sequence[str], dict[str, Any]]:
    """What `watch` of a client is given."""
    watch.job_ids = [handle.id for handle in handles]
    submitted = handles[0].submitted
    if way == "from a cursor" and submitted is not None:
        watch.cursor = submitted.cursor
    given = {
        "workflow_id": handles[0].workflow_id if way == "batch by its id" else "",
        "cursor": watch.cursor,
        "timeout": _PATIENCE,
        "progress_interval": _INTERVAL,
    }
    return () if given["workflow_id"] else watch.job_ids, given


def is_to_be_cancelled(way: str, event: JobEvent) -> bool:
    """As soon as it runs, which is told once."""
    is_begun = event.state == JobState.JOB_STATE_RUNNING and not event.HasField("progress")
    return way == "cancelled" and is_begun


def _job(rng: Random) -> Message:
    kinds = (
        Noop(),
        Echo(text="slow", pause=_milliseconds(rng.randint(20, 200))),
        Steps(count=rng.randint(5, 25), pause=_milliseconds(12)),
        Fail(times=rng.randint(1, 2), how=Fail.HOW_ERROR),
        Fail(times=1000, how=Fail.HOW_PERMANENT),
        Fail(times=1, how=Fail.HOW_CRASH),
    )
    return rng.choices(kinds, (6, 4, 6, 3, 1, 0.2))[0]


def _milliseconds(number: int) -> Duration:
    return Duration(nanos=number * 1_000_000)
