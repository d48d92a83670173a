"""The worker as RQ's users meet it: `rq worker -w portaria.Worker`, `rq info`, commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from rq import Queue
from rq.command import send_shutdown_command, send_stop_job_command
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.suspension import resume, suspend

from acme_jobs.lab.v1.lab_pb2 import Noop, Wait
from portaria.core.ids import new_job_id
from portaria.core.states import State
from stack import Stack
from stack.eventually import eventually
from stack.lab import Lab

QUEUES = ("lab:critical", "lab:high", "lab:default", "lab:low")


def test_priority_is_strict_over_four_full_queues(stack: Stack, lab: Lab) -> None:
    """A stock `rq worker -w portaria.Worker` serves all critical jobs before any high one."""
    order = ("low", "default", "high", "critical")
    jobs = {lab.submit(Noop(), priority=name): name for _ in range(25) for name in order}

    stack.rq_worker(*QUEUES, arguments=("--burst",)).wait(20)

    begun = sorted(jobs, key=lambda job_id: lab.get(job_id).started_ms)
    ran = [job_id for job_id in _running_order(lab) if job_id in jobs]
    assert len(begun) == 100
    assert [jobs[job_id] for job_id in ran] == ["critical"] * 25 + ["high"] * 25 + [
        "default"
    ] * 25 + ["low"] * 25


def test_rq_info_shows_queues_and_workers(stack: Stack, lab: Lab) -> None:
    """`rq info` counts our jobs and names our worker, busy with its job."""
    gate = stack.folder / "gate"
    stack.rq_worker(*QUEUES, arguments=("--name", "porter"))
    held = lab.submit(Wait(gate=str(gate)))
    lab.wait(held, State.RUNNING)
    lab.submit(Noop(), priority="low")

    def shown() -> str:
        info = stack.processes.start("rq-info", Path(sys.executable).with_name("rq"), "info")
        info.wait(10)
        return info.output()

    eventually(lambda: "busy" in shown(), 10)
    text = shown()
    gate.touch()
    assert "lab:low" in text
    assert "1 executing" in text
    assert "porter" in text
    assert "2 queues, 1 jobs total" in text


def test_rq_can_read_our_jobs(stack: Stack, lab: Lab) -> None:
    """Job.fetch of a finished job of ours works, and shows no payload."""
    stack.rq_worker(*QUEUES)

    job_id = lab.wait(lab.submit(Noop())).job_id
    job = Job.fetch(job_id, connection=lab.redis)

    assert job.get_status() == "finished"
    assert job.func_name == "portaria.runtime.entry.refuse"
    assert (tuple(job.args), job.kwargs) == ((), {})
    assert job.description == "acme_jobs.lab.v1.Noop"
    assert job.started_at is not None
    assert job.ended_at is not None


def test_a_pickled_job_is_refused_and_kept_visible(stack: Stack, lab: Lab) -> None:
    """A job that did not come through the door runs nothing; the worker goes on with the rest."""
    proof = stack.folder / "executed"
    queue = Queue("lab:default", connection=lab.redis)
    pickled = queue.enqueue("os.system", f"touch {proof}")
    forged = Queue("lab:default", connection=lab.redis, serializer=JSONSerializer).enqueue(
        "os.system", f"touch {proof}"
    )
    ours = lab.submit(Noop())

    worker = stack.rq_worker(*QUEUES)

    assert lab.wait(ours).state == State.SUCCEEDED
    for job_id in (pickled.id, forged.id):
        assert lab.redis.zscore("rq:failed:lab:default", job_id)
        assert lab.redis.hget(f"rq:job:{job_id}", "status") == b"failed"
    assert "refused" in worker.output()
    assert not proof.exists()


@pytest.mark.parametrize("forgery", ["garbage", "another job's", "another domain's"])
def test_a_forged_envelope_is_a_dead_letter(stack: Stack, lab: Lab, forgery: str) -> None:
    """What is not sealed for this very job is refused before it is parsed."""
    stack.rq_worker(*QUEUES)
    genuine = lab.wait(lab.submit(Noop()))
    sealed = {
        "garbage": b"not sealed at all",
        "another job's": genuine.envelope,
        "another domain's": lab.ring.seal("domain/mail", genuine.envelope[37:]),
    }[forgery]

    job_id = new_job_id()
    lab.submit_sealed(job_id, "lab:default", "acme_jobs.lab.v1.Noop", sealed)

    done = lab.wait(job_id)
    assert (done.state, lab.failure(done).reason) == (State.FAILED, "SEAL_BROKEN")
    assert lab.wait(lab.submit(Noop())).state == State.SUCCEEDED


@pytest.mark.parametrize(
    ("field", "value"),
    [("failures", "1.5"), ("ttl", "nan"), ("tag", "x"), ("attempt", "-1"), ("state", "WAITING")],
)
def test_a_copied_job_with_a_spoilt_field_is_refused(
    stack: Stack, lab: Lab, field: str, value: str
) -> None:
    """It is kept visible, kills no process, and what stands behind it runs."""
    worker = stack.rq_worker(*QUEUES)
    genuine: Any = lab.redis.hgetall(f"rq:job:{lab.wait(lab.submit(Noop())).job_id}")
    forged = new_job_id()
    spoilt = {**genuine, b"state": b"PENDING", b"hold": b"", field.encode(): value.encode()}
    lab.redis.hset(f"rq:job:{forged}", mapping=spoilt)
    lab.redis.rpush("rq:queue:lab:default", forged)

    assert lab.wait(lab.submit(Noop())).state == State.SUCCEEDED
    assert lab.redis.zscore("rq:failed:lab:default", forged) or field == "attempt"
    assert "died" not in worker.output()


def test_a_stock_worker_puts_our_job_back_and_stops(stack: Stack, lab: Lab) -> None:
    """`rq worker` without -w, by mistake: the job is not lost, and ours runs it later."""
    job_id = lab.submit(Noop())

    stock = stack.processes.start(
        "stock", Path(sys.executable).with_name("rq"), "worker", "lab:default"
    )
    stock.wait(20)

    assert "belongs to Portaria" in stock.output()
    assert lab.get(job_id).state == State.PENDING
    stack.rq_worker(*QUEUES)
    assert lab.wait(job_id).state == State.SUCCEEDED


def test_shutdown_and_stop_commands_are_obeyed(stack: Stack, lab: Lab) -> None:
    """RQ's stop-job ends the job it names, its shutdown the worker."""
    worker = stack.rq_worker(*QUEUES, arguments=("--name", "porter"))
    job_id = lab.submit(Wait(gate="/nowhere"))
    lab.wait(job_id, State.RUNNING)

    send_stop_job_command(lab.redis, job_id)
    done = lab.wait(job_id)
    send_shutdown_command(lab.redis, "porter")

    assert (done.state, lab.failure(done).reason) == (State.FAILED, "STOPPED")
    assert worker.wait(10) == 0


def test_rq_suspend_pauses_and_resume_goes_on(stack: Stack, lab: Lab) -> None:
    """While workers are suspended, nothing begins."""
    stack.rq_worker(*QUEUES, arguments=("--name", "porter"))
    suspend(lab.redis)
    eventually(lambda: lab.redis.hget("rq:worker:porter", "state") == b"suspended", 10)
    eventually(lambda: lab.redis.info("clients")["blocked_clients"] == 0, 5)

    job_id = lab.submit(Noop())
    eventually(lambda: lab.redis.llen("portaria:wake:lab:default") == 1, 5)
    waited = lab.get(job_id).state
    resume(lab.redis)

    assert waited == State.PENDING
    assert lab.wait(job_id).state == State.SUCCEEDED


def test_max_jobs_ends_the_worker(stack: Stack, lab: Lab) -> None:
    """`--max-jobs 3` of five: three are done, two stay."""
    for _ in range(5):
        lab.submit(Noop())

    assert stack.rq_worker(*QUEUES, arguments=("--max-jobs", "3")).wait(20) == 0

    assert lab.redis.llen("rq:queue:lab:default") == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--with-scheduler", "lab:default"), "with-scheduler"),
        (("lab:urgent",), '"lab:urgent" is not a queue'),
        (("nothing:default",), "no job type of nothing"),
    ],
)
def test_what_cannot_work_is_said_at_start(
    stack: Stack, arguments: tuple[str, ...], says: str
) -> None:
    """Exit code 2 and a sentence, no trace."""
    rq = Path(sys.executable).with_name("rq")
    worker = stack.processes.start("rq", rq, "worker", "-w", "portaria.Worker", *arguments)

    assert worker.wait(20) == 2
    assert says in worker.output()
    assert "Traceback" not in worker.output()


def test_a_redis_that_was_emptied_knows_its_workers_again(stack: Stack, lab: Lab) -> None:
    """After FLUSHALL the register is right within seconds, and jobs run."""
    stack.rq_worker(*QUEUES, arguments=("--name", "porter"))
    lab.redis.flushall()

    eventually(lambda: lab.redis.sismember("rq:workers", "rq:worker:porter"), 10)

    assert lab.wait(lab.submit(Noop())).state == State.SUCCEEDED


def _running_order(lab: Lab) -> list[str]:
    """Ids in the order in which they ran; a tiny one may end without having told that it began."""
    entries = [
        fields[b"e"].decode().split(" ") for _, fields in lab.redis.xrange("portaria:events")
    ]
    return [words[0] for words in entries if words[1] == "SUCCEEDED"]
