"""What an idle system adds to a round trip: from submitting to running, and to its watcher.

One job at a time, a pause between them, one client process and its clock. A job runs as soon as its
handler has written into a pipe; it is over as soon as the watcher, a stream over all jobs of the
type, was told so. Each job is followed by a bare round trip: a unary call that answers at once.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from grpc import aio

from acme_jobs.lab.v1.lab_pb2 import Wait
from bench import noop_jobs
from bench.figures import percentile, short
from bench.report import Section
from bench.submit import start_bare_door
from portaria.core.ids import new_request_id
from portaria.up.redis_server import Durability, RedisServer
from portaria.v1.job_pb2 import JOB_STATE_SUCCEEDED
from portaria.v1.jobs_service_pb2 import (
    WATCH_UNTIL_FOREVER,
    GetJobRequest,
    SubmitJobRequest,
    WatchJobsRequest,
    WatchJobsResponse,
)
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub
from stack import Process, Stack

if TYPE_CHECKING:
    from portaria.v1.jobs_service_pb2_grpc import JobsServiceAsyncStub

BARE, ACKNOWLEDGED = "bare round trip", "submit → acknowledged"
RUNNING, WATCHED = "submit → running", "submit → succeeded, at a watcher"
_PAUSE = 0.005
_WARM_UP = 30
_PATIENCE = 10.0


@dataclass(slots=True)
class Moments:
    """Seconds, in the order of the jobs."""

    bare: list[float] = field(default_factory=list)
    acknowledged: list[float] = field(default_factory=list)
    running: list[float] = field(default_factory=list)
    watched: list[float] = field(default_factory=list)


class Pipe:
    """A named pipe that handlers write a line into."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        # For writing, too, so that it does not end between two handlers.
        self._handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._line: asyncio.Future[float] | None = None

    def line(self) -> asyncio.Future[float]:
        """When the next line is there. Ask before it can be."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._handle, self._read)
        self._line = loop.create_future()
        return self._line

    def _read(self) -> None:
        now = time.monotonic()
        os.read(self._handle, 4096)
        if self._line is not None and not self._line.done():
            self._line.set_result(now)


class Watcher:
    """A stream of all jobs of one type."""

    def __init__(self) -> None:
        self._done: dict[str, asyncio.Future[float]] = {}

    def done(self, job_id: str) -> asyncio.Future[float]:
        """When the success of this job was told."""
        return self._done.setdefault(job_id, asyncio.get_running_loop().create_future())

    @asynccontextmanager
    async def following(self, door: JobsServiceAsyncStub) -> AsyncIterator[None]:
        """From the moment on at which the stream stands."""
        request = WatchJobsRequest(until=WATCH_UNTIL_FOREVER)
        request.selector.types.append(Wait.DESCRIPTOR.full_name)
        stream = door.WatchJobs(request)
        frames = stream.__aiter__()
        await asyncio.wait_for(anext(frames), _PATIENCE)
        following = asyncio.create_task(self._follow(frames))
        try:
            yield
        finally:
            stream.cancel()
            with suppress(asyncio.CancelledError, aio.AioRpcError):
                await following

    async def _follow(self, frames: AsyncIterator[WatchJobsResponse]) -> None:
        async for frame in frames:
            now = time.monotonic()
            for event in frame.events:
                if event.state == JOB_STATE_SUCCEEDED:
                    self.done(event.job_id).set_result(now)


def measure(durability: Durability, *, jobs: int) -> Section:
    """So many jobs, one after another."""
    with (
        tempfile.TemporaryDirectory(prefix="portaria-bench-") as folder,
        RedisServer(Path(folder) / "redis", durability=durability) as server,
    ):
        stack = Stack(server, Path(folder))
        try:
            door = stack.door(PORTARIA_JOBS=noop_jobs.PACKAGE)
            bare = start_bare_door(stack)
            stack.worker(noop_jobs.POOL, PORTARIA_JOBS=noop_jobs.PACKAGE)
            pipe = Pipe(Path(folder) / "running")
            moments = uvloop.run(_one_by_one(door, bare, pipe, jobs))
        finally:
            stack.close()
    return _section(durability, moments)


async def _one_by_one(door: Process, bare: Process, pipe: Pipe, jobs: int) -> Moments:
    moments, watcher = Moments(), Watcher()
    async with (
        aio.insecure_channel(door.address) as door_channel,
        aio.insecure_channel(bare.address) as bare_channel,
    ):
        stub = JobsServiceStub(door_channel)
        echo = JobsServiceStub(bare_channel)
        async with watcher.following(stub):
            for number in range(_WARM_UP + jobs):
                if number == _WARM_UP:
                    moments = Moments()
                await _one(stub, watcher, pipe, moments)
                await asyncio.sleep(_PAUSE)
                start = time.monotonic()
                await echo.GetJob(GetJobRequest())
                moments.bare.append(time.monotonic() - start)
    return moments


async def _one(door: JobsServiceAsyncStub, watcher: Watcher, pipe: Pipe, moments: Moments) -> None:
    request = SubmitJobRequest(request_id=new_request_id())
    # Its gate is open, so it ends as soon as it has told that it runs.
    request.spec.payload.Pack(Wait(gate="/", log=str(pipe.path)))
    line = pipe.line()
    start = time.monotonic()
    answer = await door.SubmitJob(request)
    moments.acknowledged.append(time.monotonic() - start)
    done = watcher.done(answer.job.job_id)
    running, watched = await asyncio.wait_for(asyncio.gather(line, done), _PATIENCE)
    moments.running.append(running - start)
    moments.watched.append(watched - start)


def _section(durability: Durability, moments: Moments) -> Section:
    section = Section(
        title=f"idle latency, one job at a time, AOF {durability.value}",
        note=f"{len(moments.bare)} jobs; × bare compares with the bare round trip's median.",
        columns=("", "p50 ms", "p99 ms", "p50 × bare", "p99 × bare"),
    )
    unit = percentile(moments.bare, 0.5)
    rows: dict[str, Sequence[float]] = {
        BARE: moments.bare,
        ACKNOWLEDGED: moments.acknowledged,
        RUNNING: moments.running,
        WATCHED: moments.watched,
    }
    for name, seconds in rows.items():
        middle, slow = percentile(seconds, 0.5), percentile(seconds, 0.99)
        shown = [middle * 1e3, slow * 1e3, middle / unit, slow / unit]
        section.rows.append((name, *map(short, shown)))
        keys = ("p50_ms", "p99_ms", "p50_times_bare", "p99_times_bare")
        section.figures[name] = dict(zip(keys, shown, strict=True))
    return section
