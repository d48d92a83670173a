"""Hooks of jobs that a real worker runs, whoever dies in between."""

from __future__ import annotations

import os
import signal
from collections import Counter
from datetime import timedelta

from acme_jobs.lab.v1.lab_pb2 import Echo, Fail, Noop, Steps, Wait
from portaria.client.requests import duration, spec_of
from portaria.v1.job_pb2 import (
    JOB_STATE_FAILED,
    JOB_STATE_RUNNING,
    JOB_STATE_SUCCEEDED,
    Job,
    SubmitOptions,
)
from stack import Stack, eventually

HOOKS = SubmitOptions(
    on_success=spec_of(Echo(text="s"), SubmitOptions(labels={"hook": "success"})),
    on_failure=spec_of(Echo(text="f"), SubmitOptions(labels={"hook": "failure"})),
    on_retry=spec_of(Echo(text="r"), SubmitOptions(labels={"hook": "retry"})),
)


def hooks(stack: Stack) -> dict[str, Counter[str]]:
    """By the job that they are for, how many of each there are."""
    found: dict[str, Counter[str]] = {}
    for each in stack.client.list(types=[Echo]):
        found.setdefault(each.parent_job_id, Counter())[each.labels["hook"]] += 1
    return found


def all_done(stack: Stack) -> bool:
    """Whether nothing is left to do."""
    return all(each.done for each in stack.client.list(domains=["lab"]))


def test_a_worker_that_is_killed_in_between_fires_no_hook_twice(stack: Stack) -> None:
    """Children die while they work and while they report: each end and each retry has one hook."""
    worker = stack.worker("lab", concurrency=2)
    step = Steps(count=3, pause=duration(timedelta(milliseconds=10)))
    payloads = [step, Noop(), Noop(), Fail(times=1)] * 40
    jobs = [stack.client.submit(each, options=HOOKS) for each in payloads]
    for upto in (5, 20, 60, 100):
        eventually(lambda upto=upto: len(hooks(stack)) >= upto, 30)
        for child in worker.descendants():
            child.kill()
    eventually(lambda: all_done(stack), 60)

    found, ended = hooks(stack), [each.get() for each in jobs]

    assert found == {job.job_id: expected(job) for job in ended}
    assert {each.state for each in stack.client.list(types=[Echo])} == {JOB_STATE_SUCCEEDED}


def expected(job: Job) -> Counter[str]:
    """A crash is no retry; one that fails does so by crashes alone."""
    end = "success" if job.state == JOB_STATE_SUCCEEDED else "failure"
    return +Counter({end: 1, "retry": job.failures})


def test_a_job_that_kills_its_worker_has_failed_once(stack: Stack) -> None:
    """When the budget of crashes is used up."""
    stack.worker("lab")

    job = stack.client.submit(Fail(times=9, how=Fail.HOW_CRASH), options=HOOKS).wait()

    assert job.state == JOB_STATE_FAILED
    eventually(lambda: all_done(stack))
    assert hooks(stack) == {job.job_id: Counter(failure=1)}


def test_a_worker_that_is_lost_leaves_the_hooks_to_the_next(stack: Stack) -> None:
    """Parent and child: the lease lapses, another runs the job, and its end has one hook."""
    gate, log = stack.folder / "gate", stack.folder / "log"
    first = stack.worker("lab")
    job = stack.client.submit(Wait(gate=str(gate), log=str(log)), options=HOOKS)
    eventually(lambda: job.get().state == JOB_STATE_RUNNING and log.exists())
    stack.worker("lab")

    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: len(log.read_text().splitlines()) == 2, 15)
    gate.touch()

    assert job.wait().state == JOB_STATE_SUCCEEDED
    eventually(lambda: all_done(stack))
    assert hooks(stack) == {job.id: Counter(success=1)}
