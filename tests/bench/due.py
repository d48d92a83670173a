"""What waits for its moment: how late it comes, what a million of them cost, what idling costs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from redis import Redis

from bench import baseline_rq_scheduler as stock
from bench import noop_jobs
from bench.cpu import cpu_seconds
from bench.figures import percentile, short, spread
from bench.report import Check, Section
from bench.sides import PYTHONPATH
from portaria.core.seal import load_key_ring
from portaria.store import Store, calls, keys
from portaria.up.redis_server import Durability, RedisServer
from stack import Process, Stack, eventually

LATENESS_MS, TIMES_STOCK = 250.0, 1.0
IDLE_PERCENT = 0.5
FLAT = 1.3
DEPTHS = (1_000, 1_000_000)
_AHEAD = 4.0
"""Seconds until the first is due: by then all are written."""
_FAR_MS = 30 * 86_400_000
_SETTLED = 3.0
_TOGETHER = 100
"""What one call of the script promotes."""


# --- lateness -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """Milliseconds after the moment that was asked for."""

    p50: float
    p99: float
    most: float


def measure_lateness(*, jobs: int, seconds: float) -> Section:
    """As many jobs at random instants of so many seconds, an idle pool, everything durable."""
    section = Section(
        title=f"{jobs:,} jobs due at random over {seconds:g} s, idle pool, AOF always",
        note="ms late; rq-scheduler counts whole seconds: its jobs come up to 1 s early.",
        columns=("", "p50", "p99", "most"),
    )
    found: dict[str, Lateness] = {}
    with _stack() as stack:
        found["portaria scheduler, queued"], found["portaria scheduler, begun"] = _ours(
            stack, jobs, seconds
        )
    for interval in (stock.SHORTEST, stock.USUAL):
        with _stack() as stack:
            name = f"rqscheduler --interval {interval:g}, queued"
            found[name] = _theirs(stack, jobs, seconds, interval)
    for name, late in found.items():
        section.rows.append((name, short(late.p50), short(late.p99), short(late.most)))
        section.figures[name] = asdict(late)
    ours, begun, best, _ = found.values()
    section.checks += [
        Check(what="begun, p99", figure=begun.p99, wanted=LATENESS_MS, unit="ms", at_most=True),
        Check(
            what=f"queued, p99 × that of rqscheduler --interval {stock.SHORTEST:g}",
            figure=ours.p99 / best.p99,
            wanted=TIMES_STOCK,
            at_most=True,
        ),
    ]
    return section


def _ours(stack: Stack, jobs: int, seconds: float) -> tuple[Lateness, Lateness]:
    stack.scheduler()
    stack.worker(noop_jobs.POOL, concurrency=2, PORTARIA_JOBS=noop_jobs.PACKAGE)
    redis = Redis.from_url(stack.redis_server.url)
    ring = load_key_ring(stack.data_dir / "signing.key")
    job_ids = noop_jobs.fill(redis, ring, jobs, _moments(seconds))
    done = f"rq:finished:{noop_jobs.QUEUE}"
    eventually(lambda: redis.zcard(done) == jobs, _AHEAD + seconds + 60)
    queued, begun = [], []
    pipeline = redis.pipeline(transaction=False)
    for job_id in job_ids:
        pipeline.hmget(keys.job(job_id), "due", "started")
    told = _told(redis)
    for job_id, (due, started) in zip(job_ids, pipeline.execute(), strict=True):
        queued.append(told[job_id] - int(due))
        begun.append(int(started) - int(due))
    return _lateness(queued), _lateness(begun)


def _told(redis: Redis) -> dict[str, int]:
    """When each job came into its queue, from the stream of changes."""
    found: dict[str, int] = {}
    changes: Any = redis.xrange(keys.EVENTS)
    for entry_id, fields in changes:
        job_id, state, *_ = fields[b"e"].decode().split(" ")
        if state == "PENDING":
            found[job_id] = int(entry_id.partition(b"-")[0])
    return found


def _theirs(stack: Stack, jobs: int, seconds: float, interval: float) -> Lateness:
    redis = Redis.from_url(stack.redis_server.url)
    due = stock.fill(redis, jobs, _moments(seconds))
    _stock(stack, interval)
    # Nobody runs them: they are late when they are queued.
    eventually(lambda: redis.llen("rq:queue:bench") == jobs, _AHEAD + seconds + 120)
    late = [(stock.queued_ms(redis, job_id) or 0) - moment for job_id, moment in due.items()]
    return _lateness(late)


def _lateness(late: list[int]) -> Lateness:
    return Lateness(p50=percentile(late, 0.5), p99=percentile(late, 0.99), most=max(late))


class _moments:
    """The same instants for each side, from a moment on that lies some seconds ahead."""

    def __init__(self, seconds: float) -> None:
        self._random = Random(5)
        self._begin = time.time() + _AHEAD
        self._seconds = seconds

    def __call__(self) -> int:
        return int((self._begin + self._random.random() * self._seconds) * 1000)


# --- a million ----------------------------------------------------------------------------------


def measure_promote(*, rounds: int, quick: bool) -> Section:
    """What Redis spends on queueing a job that is due, beside few and many that are not."""
    depths = (1_000, 20_000) if quick else DEPTHS
    section = Section(
        title="cost of jobs that wait for their moment",
        note="Medians of what Redis spent inside the script, a job; calls of 100 jobs.",
        columns=("scheduled jobs", "promote µs a job", "× the fewest"),
    )
    costs = {}
    with tempfile.TemporaryDirectory(prefix="portaria-bench-") as folder, ExitStack() as exits:
        sides = {depth: _scheduled(depth, Path(folder) / str(depth), exits) for depth in depths}
        found: dict[int, list[float]] = {depth: [] for depth in depths}
        for _ in range(rounds):
            for depth, (store, key_file) in sides.items():
                found[depth].append(_promoted(store, key_file))
        costs = {depth: spread(each) for depth, each in found.items()}
    first = costs[depths[0]].median
    for depth, cost in costs.items():
        section.rows.append((f"{depth:,}", short(cost.median), short(cost.median / first)))
        section.figures[f"{depth}"] = {"promote_us": asdict(cost)}
    growth = costs[depths[-1]].median / first
    what = f"promote beside {depths[-1]:,} × beside {depths[0]:,}"
    section.checks.append(Check(what=what, figure=growth, wanted=FLAT, at_most=True))
    return section


def _scheduled(depth: int, folder: Path, exits: ExitStack) -> tuple[Store, Path]:
    server = exits.enter_context(RedisServer(folder, durability=Durability.OFF))
    redis = exits.enter_context(Redis.from_url(server.url))
    key_file = folder / "signing.key"
    load_key_ring(key_file)
    command = [sys.executable, "-m", "bench.due", server.url, str(key_file), str(depth // 2)]
    fillers = [subprocess.Popen(command, env={"PYTHONPATH": PYTHONPATH}) for _ in range(2)]
    if any([each.wait() for each in fillers]):
        raise RuntimeError("a filler failed")
    return Store(redis), key_file


def _promoted(store: Store, key_file: Path) -> float:
    """Microseconds a job."""
    job_ids = noop_jobs.fill(store.redis, load_key_ring(key_file), _TOGETHER, _far)
    store.redis.zadd(keys.DUE, dict.fromkeys(job_ids, 1))
    before = _spent(store)
    if store.run(calls.promote()).moved != _TOGETHER:
        raise RuntimeError("others were promoted")
    return (_spent(store) - before) / _TOGETHER


def _spent(store: Store) -> int:
    stats: Any = store.redis.info("commandstats")
    return int(stats["cmdstat_evalsha"]["usec"])


def _far() -> int:
    return int(time.time() * 1000) + _FAR_MS


# --- idle ---------------------------------------------------------------------------------------


def measure_idle(*, seconds: float) -> Section:
    """One scheduler with nothing due, beside rq-scheduler as people run it."""
    section = Section(
        title=f"an idle scheduler, {seconds:g} s",
        note="CPU of one core; both at once, a Redis each; commands inside scripts count.",
        columns=("", "CPU %", "Redis commands/s"),
    )
    with _stack() as one, _stack() as other:
        sides = {
            "portaria scheduler": (one, one.scheduler()),
            f"rqscheduler --interval {stock.USUAL:g}": (other, _stock(other, stock.USUAL)),
        }
        time.sleep(_SETTLED)
        before = {name: _used(*side) for name, side in sides.items()}
        time.sleep(seconds)
        costs = {}
        for name, side in sides.items():
            cpu, commands = _used(*side)
            costs[name] = (cpu - before[name][0]) / seconds * 100
            rate = (commands - before[name][1]) / seconds
            section.rows.append((name, short(costs[name]), short(rate)))
            section.figures[name] = {"cpu_percent": costs[name], "commands": rate}
    what = "CPU of an idle portaria scheduler"
    figure = costs["portaria scheduler"]
    section.checks.append(
        Check(what=what, figure=figure, wanted=IDLE_PERCENT, unit="%", at_most=True)
    )
    return section


def _used(stack: Stack, process: Process) -> tuple[float, int]:
    stats: Any = Redis.from_url(stack.redis_server.url).info("stats")
    return cpu_seconds([process.pid]), int(stats["total_commands_processed"])


# --- both ---------------------------------------------------------------------------------------


def _stock(stack: Stack, interval: float) -> Process:
    name, *arguments = stock.command(stack.redis_server.url, interval)
    program = Path(sys.executable).with_name(name)
    return stack.processes.start("rqscheduler", program, *arguments, PYTHONPATH=PYTHONPATH)


@contextmanager
def _stack() -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="portaria-bench-") as folder, ExitStack() as exits:
        server = RedisServer(Path(folder) / "redis", durability=Durability.ALWAYS)
        stack = Stack(exits.enter_context(server), Path(folder))
        exits.callback(stack.close)
        yield stack


if __name__ == "__main__":
    url, ring, count = sys.argv[1:]
    noop_jobs.fill(Redis.from_url(url), load_key_ring(Path(ring)), int(count), _far)
