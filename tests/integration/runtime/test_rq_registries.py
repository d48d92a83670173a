"""Stock RQ looks at our jobs and cleans up beside them: nothing of ours changes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue, Worker
from rq.group import Group
from rq.job import Job
from rq.registry import (
    CanceledJobRegistry,
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
    clean_registries,
)
from rq.scheduler import RQScheduler
from rq.worker_registration import clean_worker_registry

from integration.runtime.scene import QUEUES, Scene
from stack import Stack
from stack.lab import Lab

REGISTRIES = (
    StartedJobRegistry,
    FinishedJobRegistry,
    FailedJobRegistry,
    DeferredJobRegistry,
    ScheduledJobRegistry,
    CanceledJobRegistry,
)


def _each_queue(act: Callable[[Queue], object]) -> Callable[[Redis], object]:
    def all_of_them(redis: Redis) -> None:
        for name in QUEUES:
            act(Queue(name, connection=redis))

    return all_of_them


def _look(queue: Queue) -> None:
    """As a program does that lists what is there; RQ cleans registries while it counts them."""
    found = [*queue.job_ids]
    for registry in REGISTRIES:
        shown = registry(queue=queue)
        assert shown.count == len(shown.get_job_ids())
        found += shown.get_job_ids()
    for job in (*queue.jobs, *Job.fetch_many(found, connection=queue.connection)):
        assert job is not None
        job.refresh()
        job.get_status(refresh=True)
        job.get_position()
        job.get_executions()
        job.return_value(refresh=True)
        job.latest_result()
        job.results()
        job.to_dict()
        job.get_call_string()
        job.fetch_dependencies()


def _maintain(redis: Redis) -> None:
    worker = Worker(list(QUEUES), connection=redis)
    worker.run_maintenance_tasks()
    worker.clean_registries()


def _move_what_was_taken(queue: Queue) -> None:
    worker = Worker([queue], connection=queue.connection)
    queue.intermediate_queue.cleanup(worker, queue)


def _schedule(redis: Redis) -> None:
    """What `rq worker --with-scheduler` does each second."""
    scheduler = RQScheduler(list(QUEUES), connection=redis)
    assert scheduler.acquire_locks() == set(QUEUES)
    scheduler.enqueue_scheduled_jobs()
    scheduler.release_locks()


def _list_workers(redis: Redis) -> None:
    (worker,) = Worker.all(connection=redis)
    assert worker.get_current_job() is not None
    assert Worker.count(connection=redis) == 1


ACTS: dict[str, Callable[[Redis], object]] = {
    **{
        each.__name__: _each_queue(lambda queue, each=each: each(queue=queue).cleanup())  # type: ignore[misc]
        for each in REGISTRIES
    },
    "clean_registries": _each_queue(clean_registries),
    "clean_worker_registry": _each_queue(clean_worker_registry),
    "the intermediate queue": _each_queue(_move_what_was_taken),
    "the worker's maintenance": _maintain,
    "groups": lambda redis: Group.clean_registries(connection=redis),
    "the scheduler": _schedule,
    "looking": _each_queue(_look),
    "compacting": _each_queue(lambda queue: queue.count and queue.compact()),
    "workers": _list_workers,
}


def test_the_cleaning_and_looking_of_stock_rq_changes_nothing(stack: Stack, lab: Lab) -> None:
    """Each registry's clean-up, the workers' maintenance, the scheduler, every reader: as before,
    and every job goes on to its end.
    """
    scene = Scene(stack, lab)
    before = scene.dump()

    for name, act in ACTS.items():
        act(lab.redis)
        assert scene.dump() == before, name

    assert scene.ends() == scene.ENDS


def test_rq_info_changes_nothing(stack: Stack, lab: Lab) -> None:
    """Whatever it is asked to show."""
    scene = Scene(stack, lab)
    before = scene.dump()
    rq = Path(sys.executable).with_name("rq")

    shown = {
        flag: stack.processes.start("rq-info", rq, "info", *flag.split())
        for flag in ("", "-R", "-Q", "-W", "-r")
    }

    assert {flag: info.wait(20) for flag, info in shown.items()} == dict.fromkeys(shown, 0)
    assert scene.dump() == before
    assert "lab:low" in shown[""].output()
    assert scene.ends() == scene.ENDS


@pytest.mark.parametrize("kind", ["rq.Worker", "rq.SimpleWorker"])
def test_a_stock_worker_among_jobs_of_all_states_loses_none(
    kind: str, stack: Stack, lab: Lab
) -> None:
    """By mistake, with its scheduler: it puts back what it took, stops, and all jobs end well."""
    scene = Scene(stack, lab)
    rq = Path(sys.executable).with_name("rq")
    # Under a shell, which must not be hit by what stops the worker.
    shell = ("sh", "-c", '"$@"; exit $?', "sh")

    stock = stack.processes.start(
        "stock", *shell, rq, "worker", "-w", kind, "--with-scheduler", *QUEUES
    )

    assert stock.wait(20) == 0
    assert "belongs to Portaria" in stock.output()
    assert scene.states() == scene.NOW
    assert scene.ends() == scene.ENDS
