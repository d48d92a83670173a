"""The systems that drain a queue, each started and fed in its own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from redis import Redis

from bench import baseline_rq, noop_jobs
from portaria.core.seal import load_key_ring
from portaria.store import keys
from stack import Process, Stack
from stack.processes import FIXTURES

WORKERS = 2
PYTHONPATH = f"{FIXTURES}:{Path(__file__).parents[1]}"
"""Where processes of a measurement find job types, and this package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One system that drains."""

    name: str
    queue: str
    jobs: int
    """As many as take it some seconds."""
    warm_up: int
    fill: Callable[[Stack, Redis, int], None]
    start: Callable[[Stack], list[Process]]
    """Starts WORKERS processes that run jobs; answers them or their parent."""
    wake: str = ""
    """The list on which its idle workers wait for a token."""


def portaria(jobs: int) -> Side:
    """`portaria worker`: one parent, a child for each worker, all four queues of the pool."""
    return Side(
        name="portaria worker",
        queue=noop_jobs.QUEUE,
        jobs=jobs,
        warm_up=500,
        fill=lambda stack, redis, count: noop_jobs.fill(
            redis, load_key_ring(stack.data_dir / "signing.key"), count
        ),
        start=_start_portaria,
        wake=keys.wake(noop_jobs.QUEUE),
    )


def rq(name: str, worker_class: str, jobs: int) -> Side:
    """`rq worker` with one of RQ's own classes."""
    return Side(
        name=name,
        queue=baseline_rq.QUEUE,
        jobs=jobs,
        warm_up=20,
        fill=lambda _, redis, count: baseline_rq.fill(redis, count),
        start=partial(_start_rq, worker_class),
    )


def _start_portaria(stack: Stack) -> list[Process]:
    arguments = ("worker", noop_jobs.POOL, "--concurrency", str(WORKERS))
    return [stack.processes.portaria("worker", *arguments, PORTARIA_JOBS=noop_jobs.PACKAGE)]


def _start_rq(worker_class: str, stack: Stack) -> list[Process]:
    command = baseline_rq.worker_command(worker_class)
    return [
        stack.processes.start("rq-worker", *command, PYTHONPATH=PYTHONPATH) for _ in range(WORKERS)
    ]
