"""How fast two workers drain a queue of no-op jobs, against stock RQ.

Both sides the same way: the jobs are written first and held under another name; the workers start,
run some to warm up, and wait. The clock runs from the RENAME that gives them the queue until the
last job has finished.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from bench import baseline_rq, sides
from bench.cpu import cpu_seconds
from bench.figures import ratios, short, spread
from bench.report import Check, Section
from bench.sides import WORKERS, Side
from portaria.up.redis_server import Durability, RedisServer
from stack import Process, Stack, eventually

WANTED = {Durability.OFF: 40.0, Durability.ALWAYS: 20.0}
OURS, THEIRS, BESIDE = "portaria worker", "rq worker", "rq worker -w SimpleWorker"
_HELD, _WARM = "bench:held", "bench:warm"
_LONGEST = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """One round of one side."""

    per_second: float
    worker_us: float
    """Microseconds of processor time a job, all processes of the workers together."""
    redis_us: float


def measure(durability: Durability, *, rounds: int, quick: bool) -> Section:
    """Each round drains once with each side, so that all see the same machine."""
    contestants = _contestants(durability, quick=quick)
    found: dict[str, list[Drained]] = {side.name: [] for side in contestants}
    for number in range(rounds):
        # In turn from the left and from the right: none always follows the same one.
        for side in contestants if number % 2 == 0 else reversed(contestants):
            found[side.name].append(drain(side, durability))
    return _section(durability, contestants, found)


def drain(side: Side, durability: Durability) -> Drained:
    """One round on a Redis, and with workers, of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="portaria-bench-") as folder,
        RedisServer(Path(folder) / "redis", durability=durability) as server,
        Redis.from_url(server.url) as redis,
    ):
        stack = Stack(server, Path(folder))
        try:
            for name, count in ((_WARM, side.warm_up), (_HELD, side.jobs)):
                side.fill(stack, redis, count)
                redis.rename(f"rq:queue:{side.queue}", name)
            workers = side.start(stack)
            _await(redis, side, workers, done=0)
            _release(redis, side, _WARM)
            _await(redis, side, workers, done=side.warm_up)
            return _timed(redis, side, workers, server)
        finally:
            stack.close()


def _timed(redis: Redis, side: Side, workers: Sequence[Process], server: RedisServer) -> Drained:
    pids, redis_pid = [each.pid for each in workers], server.process.pid
    used, redis_used = cpu_seconds(pids), cpu_seconds([redis_pid])
    start = time.perf_counter()
    _release(redis, side, _HELD)
    _await(redis, side, workers, done=side.warm_up + side.jobs)
    seconds = time.perf_counter() - start
    return Drained(
        per_second=side.jobs / seconds,
        worker_us=(cpu_seconds(pids) - used) / side.jobs * 1e6,
        redis_us=(cpu_seconds([redis_pid]) - redis_used) / side.jobs * 1e6,
    )


def _release(redis: Redis, side: Side, held: str) -> None:
    """Gives the workers what was held; what a submission would say to idle ones is said, too."""
    release = redis.pipeline()
    release.rename(held, f"rq:queue:{side.queue}")
    if side.wake:
        release.rpush(side.wake, *["1"] * WORKERS)
    release.execute()


def _await(redis: Redis, side: Side, workers: Sequence[Process], *, done: int) -> None:
    """Until so many jobs succeeded and all workers wait for more."""

    def idle() -> bool:
        if not all(worker.running for worker in workers):
            raise RuntimeError("\n".join(worker.tail() for worker in workers))
        finished: Any = redis.zcard(f"rq:finished:{side.queue}")
        info: Any = redis.info("clients") if finished == done else None
        return bool(info and info["blocked_clients"] == WORKERS)

    eventually(idle, _LONGEST, every=0.005, because=f"{side.name} did not run {done} jobs")


def _contestants(durability: Durability, *, quick: bool) -> list[Side]:
    share = 4 if quick else 1
    # So that each takes some seconds, and Redis has no reason yet to rewrite its log.
    ours = 20_000 if durability is Durability.OFF else 8_000
    return [
        sides.portaria(ours // share),
        sides.rq(THEIRS, baseline_rq.FORKING, 400 // share),
        sides.rq(BESIDE, baseline_rq.SIMPLE, 2_000 // share),
    ]


def _section(
    durability: Durability, contestants: Sequence[Side], found: dict[str, list[Drained]]
) -> Section:
    rates = {name: [each.per_second for each in rounds] for name, rounds in found.items()}
    stock = rates[THEIRS]
    section = Section(
        title=f"drain of no-op jobs, {WORKERS} workers, AOF {durability.value}",
        note="Medians; × stock is round by round, with the least and the most.",
        columns=("", "jobs", "jobs/s", "× stock", "worker CPU µs/job", "Redis CPU µs/job"),
    )
    for side in contestants:
        rounds = found[side.name]
        times = ratios(rates[side.name], stock)
        worker = spread([each.worker_us for each in rounds])
        redis = spread([each.redis_us for each in rounds])
        rate = spread(rates[side.name])
        cells = (short(rate.median), str(times), short(worker.median), short(redis.median))
        section.rows.append((side.name, f"{side.jobs:,}", *cells))
        section.figures[side.name] = {
            "jobs": side.jobs,
            "per_second": rate,
            "times_stock": times,
            "worker_cpu_us": worker,
            "redis_cpu_us": redis,
            "rounds": [asdict(each) for each in rounds],
        }
    section.checks.append(
        Check(
            what=f"{OURS} against {THEIRS}",
            ratio=ratios(rates[OURS], stock),
            wanted=WANTED[durability],
        )
    )
    return section
