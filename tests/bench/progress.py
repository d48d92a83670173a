"""What `ctx.progress` costs a handler that calls it as fast as it can.

All but one call in fifty milliseconds are coalesced: a later one replaces them before they are
sent. The handler measures itself, in a real worker, while somebody watches the job.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import grpc

from acme_jobs.lab.v1.lab_pb2 import Chatter, ChatterResult
from bench import noop_jobs
from bench.figures import percentile, spread
from bench.report import Check, Section
from portaria.core.ids import new_request_id
from portaria.up.redis_server import RedisServer
from portaria.v1.jobs_service_pb2 import JobSelector, SubmitJobRequest, WatchJobsRequest
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub
from stack import Stack

MOST_US = 5.0
_PATIENCE = 60.0
"""Seconds in which a job must end."""


def measure(*, calls: int, rounds: int) -> Section:
    """So many calls in each of some jobs."""
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="portaria-bench-")))
        server = exits.enter_context(RedisServer(folder / "redis"))
        stack = Stack(server, folder)
        exits.callback(stack.close)
        door = stack.door(PORTARIA_JOBS=noop_jobs.PACKAGE)
        stack.worker(noop_jobs.POOL, PORTARIA_JOBS=noop_jobs.PACKAGE)
        with grpc.insecure_channel(door.address) as channel:
            jobs = JobsServiceStub(channel)
            found = [_one_job(jobs, calls) for _ in range(rounds)]
    return _section([each for each, _ in found], sum(told for _, told in found), calls)


def _one_job(jobs: JobsServiceStub, calls: int) -> tuple[list[float], int]:
    """What a call took, microseconds, in hundreds; and how many reports its watcher was told."""
    request = SubmitJobRequest(request_id=new_request_id())
    request.spec.payload.Pack(Chatter(hundreds=calls // 100))
    job = jobs.SubmitJob(request).job
    selector, result, told = JobSelector(job_ids=[job.job_id]), ChatterResult(), 0
    watch = WatchJobsRequest(selector=selector, include_result=True)
    for frame in jobs.WatchJobs(watch, timeout=_PATIENCE):
        for event in frame.events:
            told += event.HasField("progress")
            event.state_change.result.Unpack(result)
    if len(result.call_us) != calls // 100:
        raise RuntimeError(f"{len(result.call_us)} hundreds of calls were measured")
    return list(result.call_us), told


def _section(found: list[list[float]], told: int, calls: int) -> Section:
    section = Section(
        title="ctx.progress, coalesced",
        note=f"{len(found)} jobs of {calls:,} calls each; of every hundred calls the mean.",
        columns=("", "median (least – most)"),
    )
    middle = spread([percentile(each, 0.5) for each in found])
    slow = spread([percentile(each, 0.99) for each in found])
    mean = spread([sum(each) / len(each) for each in found])
    section.rows += [
        ("median of a job, µs", str(middle)),
        ("p99 of a job, µs", str(slow)),
        ("mean of a job, µs", str(mean)),
        ("reports told to its watcher", f"{told:,} of {len(found) * calls:,}"),
    ]
    section.figures = {"median_us": middle, "p99_us": slow, "mean_us": mean, "told": told}
    section.checks.append(
        Check(what="a coalesced call", figure=middle, wanted=MOST_US, unit="µs", at_most=True)
    )
    return section
