"""One watcher of a large batch: what the door spends for each event that it tells.

The batch is handed in over several calls and watched by the label that all of its jobs have. A real
worker runs it, as fast as it can; nothing else is asked of the door meanwhile.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import grpc

from bench import noop_jobs
from bench.cpu import cpu_seconds
from bench.figures import spread
from bench.report import Check, Section
from portaria.core.ids import new_request_id
from portaria.up.redis_server import RedisServer
from portaria.v1.jobs_service_pb2 import JobSelector, WatchJobsRequest, WatchJobsResponse
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub
from stack import Stack

_CALL = 1_000
_LABEL = "batch"
_PATIENCE = 60.0
"""Seconds in which the batch must end, and all of it be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """One batch."""

    per_second: float
    """Events, from the first job that ran to the last one that ended."""
    event_us: float
    """Microseconds of the door's processor time for an event."""
    door_busy: float
    events_a_frame: float
    ends: int
    """Jobs whose end was told."""


def measure(*, jobs: int, rounds: int) -> Section:
    """So many batches of so many jobs, one after another."""
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="portaria-bench-")))
        server = exits.enter_context(RedisServer(folder / "redis"))
        stack = Stack(server, folder)
        exits.callback(stack.close)
        stack.door(PORTARIA_JOBS=noop_jobs.PACKAGE)
        found = [_follow(stack, jobs, str(number)) for number in range(rounds)]
    return _section(found, jobs)


def _follow(stack: Stack, jobs: int, name: str) -> Followed:
    (door,) = (each for each in stack.processes.started if each.name.startswith("door"))
    with grpc.insecure_channel(stack.address) as channel:
        stub = JobsServiceStub(channel)
        for _ in range(jobs // _CALL):
            batch = noop_jobs.noop_batch(_CALL)
            batch.request_id = new_request_id()
            batch.labels[_LABEL] = name
            stub.BatchSubmitJobs(batch)
        selector = JobSelector(labels={_LABEL: name})
        # Bytes in, bytes out: what is measured is the door, not its client.
        raw: Any = channel.unary_stream("/portaria.v1.JobsService/WatchJobs")
        request = WatchJobsRequest(selector=selector).SerializeToString()
        frames = raw(request, timeout=_PATIENCE)
        next(frames)
        worker = stack.worker(noop_jobs.POOL, PORTARIA_JOBS=noop_jobs.PACKAGE)
        told: Counter[int] = Counter()
        count, begun, used = 0, 0.0, 0.0
        try:
            for message in frames:
                frame = WatchJobsResponse.FromString(message)
                if not begun:
                    begun, used = time.monotonic(), cpu_seconds([door.pid])
                count += bool(frame.events)
                told.update(event.done for event in frame.events)
                if told[True] == jobs:
                    break
        except grpc.RpcError as error:
            if not count or error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
        seconds = time.monotonic() - begun
        used = cpu_seconds([door.pid]) - used
        frames.cancel()
    worker.stop(grace=3)
    events = told.total()
    return Followed(
        per_second=events / seconds,
        event_us=used / events * 1e6,
        door_busy=used / seconds,
        events_a_frame=events / count,
        ends=told[True],
    )


def _section(found: list[Followed], jobs: int) -> Section:
    section = Section(
        title=f"one watcher of a {jobs:,}-job batch",
        note="Run by one worker process; two events a job: RUNNING and SUCCEEDED.",
        columns=("", "median (least – most)"),
    )
    figures = {
        "events a second": spread([each.per_second for each in found]),
        "door CPU µs an event": spread([each.event_us for each in found]),
        "door busy, of one core": spread([each.door_busy for each in found]),
        "events a frame": spread([each.events_a_frame for each in found]),
    }
    section.rows += [(name, str(figure)) for name, figure in figures.items()]
    section.figures = {**figures, "rounds": [asdict(each) for each in found]}
    ends = min(each.ends for each in found)
    section.checks.append(Check(what="ends that were told", figure=ends, wanted=jobs, unit="jobs"))
    return section
