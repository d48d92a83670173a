"""How fast two workers drain a queue of no-op jobs, against stock RQ, huey and BullMQ.

All sides the same way: the jobs are written first and held under another name; the workers start,
run some to warm up, and wait. The clock runs from the RENAME that gives them the queue until the
last job has finished.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from redis import Redis

from bench import baseline_rq, rivals, sides
from bench.cpu import cpu_seconds
from bench.figures import Spread, ratios, short, spread
from bench.report import Check, Section
from bench.sides import WORKERS, Side
from portaria.up.redis_server import Durability, RedisServer
from stack import Process, Stack, eventually

OURS, OURS_SINGLY, STOCK = "portaria worker", "portaria worker, k = 1", "rq worker"
SIMPLE, HUEY, BULLMQ = "rq worker -w SimpleWorker", "huey", "BullMQ, concurrency 10"
WANTED = {
    Durability.OFF: {OURS_SINGLY: 60.0, OURS: 120.0},
    Durability.ALWAYS: {OURS_SINGLY: 25.0, OURS: 90.0},
}
"""In multiples of stock RQ."""
CPU_WANTED = {OURS_SINGLY: 150.0, OURS: 80.0}
"""Microseconds a job at the most, workers and Redis together, where Redis writes no log."""
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
                redis.rename(side.pending, name)
            workers = side.start(stack)
            _await(side, workers, lambda: side.is_idle(redis))
            _release(redis, side, _WARM)
            _await(
                side, workers, lambda: side.has_done(redis, side.warm_up) and side.is_idle(redis)
            )
            return _timed(redis, side, workers, server)
        finally:
            stack.close()


def _timed(redis: Redis, side: Side, workers: Sequence[Process], server: RedisServer) -> Drained:
    pids, redis_pid = [each.pid for each in workers], server.process.pid
    used, redis_used = cpu_seconds(pids), cpu_seconds([redis_pid])
    start = time.perf_counter()
    _release(redis, side, _HELD)
    _await(side, workers, lambda: side.has_done(redis, side.warm_up + side.jobs))
    seconds = time.perf_counter() - start
    return Drained(
        per_second=side.jobs / seconds,
        worker_us=(cpu_seconds(pids) - used) / side.jobs * 1e6,
        redis_us=(cpu_seconds([redis_pid]) - redis_used) / side.jobs * 1e6,
    )


def _release(redis: Redis, side: Side, held: str) -> None:
    """Gives the workers what was held; what a submission would say to idle ones is said, too."""
    release = redis.pipeline()
    release.rename(held, side.pending)
    side.wake(release)
    release.execute()


def _await(side: Side, workers: Sequence[Process], holds: Callable[[], bool]) -> None:
    """Until something holds, and no longer than all workers live."""

    def held() -> bool:
        if not all(worker.running for worker in workers):
            raise RuntimeError("\n".join(worker.tail() for worker in workers))
        return holds()

    eventually(held, _LONGEST, every=0.005, because=f"{side.name} did not run its jobs")


def _contestants(durability: Durability, *, quick: bool) -> list[Side]:
    share = 4 if quick else 1
    # So that each takes some seconds, and Redis has no reason yet to rewrite its log.
    many = 40_000 if durability is Durability.OFF else 12_000
    return [
        sides.portaria(OURS, many // share),
        sides.portaria(OURS_SINGLY, many // 2 // share, PORTARIA_PREFETCH="1"),
        sides.huey(HUEY, many // 2 // share),
        sides.rq(STOCK, baseline_rq.FORKING, 400 // share),
        sides.rq(SIMPLE, baseline_rq.SIMPLE, 2_000 // share),
        sides.bullmq(BULLMQ, many // share, rivals.bullmq()),
    ]


def _section(
    durability: Durability, contestants: Sequence[Side], found: dict[str, list[Drained]]
) -> Section:
    rates = {name: [each.per_second for each in rounds] for name, rounds in found.items()}
    section = Section(
        title=f"drain of no-op jobs, {WORKERS} workers, AOF {durability.value}",
        note="Medians; × stock is round by round, with the least and the most.",
        columns=("", "jobs", "jobs/s", "× stock", "worker CPU µs/job", "Redis CPU µs/job"),
    )
    for side in contestants:
        _add_row(section, side, found[side.name], ratios(rates[side.name], rates[STOCK]))
    for name, wanted in WANTED[durability].items():
        times = ratios(rates[name], rates[STOCK])
        section.checks.append(Check(what=f"{name}, against {STOCK}", figure=times, wanted=wanted))
    for rival in (HUEY, BULLMQ):
        if rival in rates:
            times = ratios(rates[OURS], rates[rival])
            section.checks.append(Check(what=f"{OURS}, against {rival}", figure=times, wanted=1.0))
    if durability is Durability.OFF:
        section.checks += [_cpu(name, found[name]) for name in CPU_WANTED]
    return section


def _cpu(name: str, rounds: Sequence[Drained]) -> Check:
    used = spread([each.worker_us + each.redis_us for each in rounds])
    what = f"{name}, CPU a job of workers and Redis"
    return Check(what=what, figure=used, wanted=CPU_WANTED[name], unit="µs", at_most=True)


def _add_row(section: Section, side: Side, rounds: Sequence[Drained], times: Spread) -> None:
    rate = spread([each.per_second for each in rounds])
    worker = spread([each.worker_us for each in rounds])
    redis = spread([each.redis_us for each in rounds])
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
