"""The systems that drain a queue, each started and fed in its own way."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis
from redis.client import Pipeline

from bench import baseline_rq, noop_jobs, rivals
from portaria.core.seal import load_key_ring
from portaria.store import keys
from stack import Process, Stack
from stack.built import node
from stack.processes import base_env

WORKERS = 2
PYTHONPATH = f"{base_env()['PYTHONPATH']}:{Path(__file__).parents[1]}"
"""Where processes of a measurement find job types, and this package."""
_BULL = "bull:bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One system that drains."""

    name: str
    pending: str
    """The list from which its workers take jobs."""
    jobs: int
    """As many as take it some seconds."""
    warm_up: int
    fill: Callable[[Stack, Redis, int], object]
    start: Callable[[Stack], list[Process]]
    """Starts WORKERS processes that run jobs; answers them or their parent."""
    has_done: Callable[[Redis, int], bool]
    """Whether all jobs that it was given, so many in all, have ended."""
    is_idle: Callable[[Redis], bool]
    """Whether all workers are there, and wait for a job."""
    wake: Callable[[Pipeline], object] = lambda _: None
    """Tells idle workers what a submission would tell them."""


def portaria(name: str, jobs: int, **env: str) -> Side:
    """`portaria worker`: one parent, a child for each worker, all four queues of the pool."""
    return Side(
        name=name,
        pending=keys.queue(noop_jobs.QUEUE),
        jobs=jobs,
        warm_up=500,
        fill=lambda stack, redis, count: noop_jobs.fill(
            redis, load_key_ring(stack.data_dir / "signing.key"), count
        ),
        start=partial(_start_portaria, env),
        has_done=partial(_have_finished, noop_jobs.QUEUE),
        is_idle=_are_blocked,
        wake=lambda to: to.rpush(keys.wake(noop_jobs.QUEUE), *["1"] * WORKERS),
    )


def rq(name: str, worker_class: str, jobs: int) -> Side:
    """`rq worker` with one of RQ's own classes."""
    return Side(
        name=name,
        pending=f"rq:queue:{baseline_rq.QUEUE}",
        jobs=jobs,
        warm_up=20,
        fill=lambda _, redis, count: baseline_rq.fill(redis, count),
        start=partial(_start_rq, worker_class),
        has_done=partial(_have_finished, baseline_rq.QUEUE),
        is_idle=_are_blocked,
    )


def huey(name: str, jobs: int) -> Side:
    """huey's consumer with worker processes."""
    pending = "huey.redis.bench"
    return Side(
        name=name,
        pending=pending,
        jobs=jobs,
        warm_up=500,
        fill=_fill_huey,
        start=_start_huey,
        # It keeps no results: the clock stops when its last jobs have been taken.
        has_done=lambda redis, _: not redis.exists(pending),
        is_idle=lambda redis: sum(each["cmd"] == "rpop" for each in redis.client_list()) == WORKERS,
    )


def bullmq(name: str, jobs: int, worker: Path) -> Side:
    """BullMQ on Node: a process each."""
    pending, active = f"{_BULL}:wait", f"{_BULL}:active"
    return Side(
        name=name,
        pending=pending,
        jobs=jobs,
        warm_up=2_000,
        fill=partial(_fill_bullmq, worker),
        start=partial(_start_bullmq, worker),
        has_done=lambda redis, _: not redis.exists(pending, active),
        is_idle=_are_blocked,
        # Its list of waiting jobs can be renamed like the others; this is how adding one wakes.
        wake=lambda to: to.zadd(f"{_BULL}:marker", {"0": 0}),
    )


def _have_finished(queue: str, redis: Redis, jobs: int) -> bool:
    found: Any = redis.zcard(f"rq:finished:{queue}")
    return bool(found == jobs)


def _are_blocked(redis: Redis) -> bool:
    info: Any = redis.info("clients")
    return bool(info["blocked_clients"] == WORKERS)


def _start_portaria(env: dict[str, str], stack: Stack) -> list[Process]:
    arguments = ("worker", noop_jobs.POOL, "--concurrency", str(WORKERS))
    return [stack.processes.portaria("worker", *arguments, PORTARIA_JOBS=noop_jobs.PACKAGE, **env)]


def _start_rq(worker_class: str, stack: Stack) -> list[Process]:
    command = baseline_rq.worker_command(worker_class)
    return [
        stack.processes.start("rq-worker", *command, PYTHONPATH=PYTHONPATH) for _ in range(WORKERS)
    ]


def _start_huey(stack: Stack) -> list[Process]:
    app, kind = "bench.baseline_huey.huey", ("-k", "process", "-w", str(WORKERS))
    polls = ("-d", "0.001", "-m", "0.005")
    spare = ("--quiet", "--no-periodic", "--scheduler-interval", "60", "--disable-health-check")
    command = (rivals.huey_venv() / "huey_consumer", app, *kind, *polls, *spare)
    return [stack.processes.start("huey", *command, PYTHONPATH=PYTHONPATH)]


def _fill_huey(stack: Stack, _: Redis, count: int) -> None:
    program = f"from bench import baseline_huey; baseline_huey.fill({count})"
    command: list[str | Path] = [rivals.huey_venv() / "python", "-c", program]
    subprocess.run(command, env={**stack.env, "PYTHONPATH": PYTHONPATH}, check=True)


def _start_bullmq(worker: Path, stack: Stack) -> list[Process]:
    command = (node(), worker, stack.redis_server.url, "bench")
    return [stack.processes.start("bullmq", *command) for _ in range(WORKERS)]


def _fill_bullmq(worker: Path, stack: Stack, _: Redis, count: int) -> None:
    command: list[str | Path] = [
        node(),
        worker,
        stack.redis_server.url,
        "bench",
        "fill",
        str(count),
    ]
    subprocess.run(command, check=True)
