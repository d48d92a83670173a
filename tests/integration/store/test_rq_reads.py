"""RQ's people keep their tools, to look: its own classes read what our scripts write."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rq import Queue
from rq.job import Job, JobStatus
from rq.registry import (
    CanceledJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
)

from conformance.kernel import QUEUE, Kernel, ended
from portaria.runtime.entry import refuse
from portaria.store import Verdict, keys


class Bomb:
    """Leaves a file where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


def test_rq_reads_a_queued_job(kernel: Kernel) -> None:
    """Its function is the one that refuses; the description names the type, no argument."""
    kernel.submit("j1", timeout_s=77, ttl_ms=86_400_000)

    job = Job.fetch("j1", connection=kernel.redis)

    assert (job.func_name, list(job.args), job.kwargs) == ("portaria.runtime.entry.refuse", [], {})
    assert job.func is refuse
    assert job.description == "acme_jobs.lab.v1.Noop"
    assert (job.get_status(), job.origin, job.timeout) == (JobStatus.QUEUED, QUEUE, 77)
    assert job.result_ttl == 86_400
    assert abs(datetime.now(UTC) - job.created_at) < timedelta(minutes=1)
    assert job.created_at == job.enqueued_at


def test_rq_reads_each_state(kernel: Kernel) -> None:
    """Started, finished, failed, scheduled, with the moments and the worker's name."""
    kernel.submit("later", delay_ms=60_000)
    for name in ("runs", "done", "dead", "again"):
        kernel.submit(name)
    runs, done, dead, again = kernel.turn("ana", want=4).claims
    kernel.turn(
        "ana",
        ended(done, output=b"\x80\x04not a pickle"),
        ended(dead, Verdict.FAILED, failure=b"x"),
        ended(again, Verdict.RETRY, wait_ms=60_000, failure=b"x"),
        want=0,
    )

    def fetched(job_id: str) -> Job:
        return Job.fetch(job_id, connection=kernel.redis)

    expected = {
        "later": JobStatus.SCHEDULED, "runs": JobStatus.STARTED, "done": JobStatus.FINISHED,
        "dead": JobStatus.FAILED, "again": JobStatus.SCHEDULED,
    }  # fmt: skip
    assert {job_id: fetched(job_id).get_status() for job_id in expected} == expected
    assert fetched("runs").worker_name == "ana"
    assert fetched("runs").started_at is not None
    assert fetched("done").ended_at is not None
    assert fetched("done").return_value() is None
    assert fetched(runs.job_id).is_started


def test_rqs_queues_and_registries_show_ours(kernel: Kernel) -> None:
    """As `rq info` and dashboards count them."""
    kernel.submit("waits")
    kernel.submit("dead")
    kernel.redis.lmove(keys.queue(QUEUE), keys.queue(QUEUE), "RIGHT", "LEFT")
    kernel.turn("ana", ended(kernel.claim(), Verdict.FAILED), want=0)
    kernel.submit("later", delay_ms=60_000)

    (queue,) = Queue.all(connection=kernel.redis)

    assert (queue.name, queue.job_ids) == (QUEUE, ["waits"])
    failed = FailedJobRegistry(queue=queue)
    assert failed.get_job_ids(cleanup=False) == ["dead"]
    assert queue.scheduled_job_registry.get_job_ids(cleanup=False) == ["later"]


def test_the_cleaning_of_stock_tools_takes_nothing(kernel: Kernel) -> None:
    """RQ cleans registries as a side effect of looking at them; ours lie too far ahead."""
    for name in ("runs", "done", "dead"):
        kernel.submit(name)
    runs, done, dead = kernel.turn("ana", want=3).claims
    kernel.turn("ana", ended(done), ended(dead, Verdict.FAILED), want=0)
    kernel.submit("later", delay_ms=60_000)
    queue = Queue(QUEUE, connection=kernel.redis)
    before = kernel.snapshot()

    queue.started_job_registry.cleanup()
    for registry in (FinishedJobRegistry, FailedJobRegistry, CanceledJobRegistry):
        registry(queue=queue).cleanup()
    due = queue.scheduled_job_registry.get_jobs_to_schedule()

    assert kernel.snapshot() == before
    assert due == []
    assert kernel.leases() == [f"runs:{runs.token}"]


def test_a_result_field_would_have_been_executed(kernel: Kernel, tmp_path: Path) -> None:
    """Why no field of ours is called so: RQ unpickles it when it reads the job."""
    trace = tmp_path / "executed"
    kernel.submit("j1")
    Job.fetch("j1", connection=kernel.redis)
    assert not trace.exists()

    kernel.change("j1", result=pickle.dumps(Bomb(trace)))

    Job.fetch("j1", connection=kernel.redis)
    assert trace.exists(), "RQ no longer unpickles the field: the rule can go"


@pytest.mark.parametrize("output", [b"cos\nsystem\n(Vfalse\ntR.", b"\x80\x04K\x01."])
def test_nothing_that_a_handler_returns_is_unpickled(kernel: Kernel, output: bytes) -> None:
    """Whatever its bytes look like."""
    kernel.submit("j1")
    kernel.turn("ana", ended(kernel.claim(), output=output))

    job = Job.fetch("j1", connection=kernel.redis)

    assert job.return_value() is None
    assert job.get_status() == JobStatus.FINISHED
