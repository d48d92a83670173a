"""The proof that each tick is fired once: schedulers are killed and frozen while hundreds tick.

    python -m robustness.ticking --seed 7 --schedules 200 --seconds 60 --kills 40 --freezes 5

Prints a report with its seed and writes it to build/ticks-SEED.json. Ends with 1 where a claim does
not hold.
"""

from __future__ import annotations

import argparse
import secrets
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from redis import Redis

from acme_jobs.lab.v1.lab_pb2 import Noop
from portaria.client import Client
from portaria.up.redis_server import Durability, RedisServer
from robustness.evidence import Check
from robustness.verdict import Verdict
from stack import Process, Stack, eventually

BUILD = Path(__file__).resolve().parents[2] / "build"
SHORTEST_FREEZE, LONGEST_FREEZE = 15.5, 20.0
"""Longer than a scheduler is taken to live (15 s), and than the lease of a job (6 s)."""
_STEP = 0.02
_REST = 60.0
"""Seconds in which what is due must be fired once the nemesis rests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How large a run is."""

    seed: int
    schedulers: int = 4
    schedules: int
    seconds: float
    kills: int
    freezes: int


@dataclass(slots=True)
class Nemesis:
    """Kills and freezes schedulers; each that was killed is replaced, and most are alive."""

    stack: Stack
    plan: Plan
    alive: list[Process] = field(default_factory=list)
    frozen: dict[Process, float] = field(default_factory=dict)
    kills: int = 0
    freezes: int = 0

    def rage(self) -> None:
        """Until all kills and freezes are done and the time is up."""
        random, plan = Random(self.plan.seed), self.plan
        deeds = ["kill"] * plan.kills + ["freeze"] * plan.freezes
        random.shuffle(deeds)
        gap = plan.seconds / (len(deeds) + 1)
        begun = time.monotonic()
        for number, deed in enumerate(deeds, 1):
            self._wait_until(begun + number * gap)
            running = [each for each in self.alive if each not in self.frozen]
            # Somebody is left to fire, or nothing would be proven of those that come back.
            if len(running) < 2:
                self._wait_until(min(self.frozen.values()))
                running = [each for each in self.alive if each not in self.frozen]
            victim = random.choice(running)
            if deed == "freeze":
                victim.send(signal.SIGSTOP)
                until = time.monotonic() + random.uniform(SHORTEST_FREEZE, LONGEST_FREEZE)
                self.frozen[victim] = until
                self.freezes += 1
            else:
                self._kill(victim)
        self._wait_until(begun + plan.seconds)
        if self.frozen:
            # It must come back to a plan that went on without it.
            self._wait_until(max(self.frozen.values()))

    def start(self) -> None:
        """One more scheduler; it is not waited for."""
        self.alive.append(self.stack.processes.portaria("scheduler", "scheduler"))

    def rest(self) -> None:
        """Asks all to end: nothing fires any more."""
        for process in self.alive:
            process.terminate()
        for process in self.alive:
            process.wait(10)

    def _kill(self, victim: Process) -> None:
        victim.send(signal.SIGKILL)
        victim.wait(10)
        self.alive.remove(victim)
        self.kills += 1
        self.start()

    def _wait_until(self, moment: float) -> None:
        while (now := time.monotonic()) < moment:
            for process in [each for each, until in self.frozen.items() if until <= now]:
                self._thaw(process)
            time.sleep(min(_STEP, moment - now))
        for process in [each for each, until in self.frozen.items() if until <= moment]:
            self._thaw(process)

    def _thaw(self, process: Process) -> None:
        del self.frozen[process]
        process.send(signal.SIGCONT)


def prove(plan: Plan, folder: Path) -> Verdict:
    """Runs and judges; nothing of it is left but what is in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as exits:
        server = RedisServer(folder / "redis", durability=Durability.ALWAYS)
        stack = Stack(exits.enter_context(server), folder)
        exits.callback(stack.close)
        stack.door()
        redis = exits.enter_context(Redis.from_url(server.url, decode_responses=True))
        nemesis = Nemesis(stack, plan)
        for _ in range(plan.schedulers):
            nemesis.start()
        stack.worker("lab")
        for process in nemesis.alive:
            process.wait_for("scheduler ready")
        firsts = {each: _create(stack.client, each) for each in _ids(plan)}
        nemesis.rage()
        end = _now(redis)
        due = ("portaria:ticks:default", "-inf", to_milliseconds(end))
        eventually(lambda: not redis.zcount(*due), _REST, because="ticks are left that are due")
        nemesis.rest()
        return _judge(plan, nemesis, redis, stack.client, firsts, end)


def _ids(plan: Plan) -> list[str]:
    return [f"every-{1 + number % 5}s-{number:03d}" for number in range(plan.schedules)]


def _every(schedule_id: str) -> timedelta:
    return timedelta(seconds=int(schedule_id[6]))


def _create(client: Client, schedule_id: str) -> datetime:
    made = client.schedules.create(
        schedule_id,
        Noop(),
        every=_every(schedule_id),
        overlap="allow",
        catch_up="all",
        max_catch_up=1000,
    )
    return made.next_run_time.ToDatetime(UTC)


@dataclass(frozen=True, slots=True)
class Ran:
    """One job of a schedule, as its keys tell."""

    tick_ms: int
    job_id: str
    created_ms: int

    @property
    def late_ms(self) -> int:
        """From its tick until it was written."""
        return self.created_ms - self.tick_ms


def _ran(redis: Redis, schedule_id: str) -> list[Ran]:
    """Every tick that became a job: from the record of each tick."""
    found = []
    for name in redis.scan_iter(f"portaria:tick:default:{schedule_id}:*", count=10_000):
        job_id = str(redis.get(name)).split(" ")[1]
        created = redis.hget(f"rq:job:{job_id}", "created")
        found.append(Ran(int(name.rpartition(":")[2]), job_id, int(str(created or 0))))
    return found


def _now(redis: Redis) -> datetime:
    seconds, micros = redis.time()
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=micros)


def _judge(
    plan: Plan,
    nemesis: Nemesis,
    redis: Redis,
    client: Client,
    firsts: dict[str, datetime],
    end: datetime,
) -> Verdict:
    missed: list[str] = []
    doubled: list[str] = []
    early: list[str] = []
    foreign: list[str] = []
    miscounted: list[str] = []
    late: list[int] = []
    for schedule_id, first in firsts.items():
        ran = _ran(redis, schedule_id)
        wanted = set(_multiples(first, end, _every(schedule_id)))
        found = Counter(each.tick_ms for each in ran if each.tick_ms <= to_milliseconds(end))
        missed += [f"{schedule_id} at {tick}" for tick in sorted(wanted - found.keys())]
        foreign += [f"{schedule_id} at {tick}" for tick in sorted(found.keys() - wanted)]
        doubled += _doubled(schedule_id, redis, ran)
        miscounted += _miscounted(client, schedule_id, ran)
        early += [f"{schedule_id} at {each.tick_ms}" for each in ran if each.late_ms < 0]
        late += [each.late_ms for each in ran]
    cuts = statistics.quantiles(late, n=100)
    figures: dict[str, float | int | str] = {
        "schedulers": plan.schedulers,
        "schedules": plan.schedules,
        "seconds": plan.seconds,
        "killed (SIGKILL)": nemesis.kills,
        "frozen (SIGSTOP) beyond any lease": nemesis.freezes,
        "ticks fired": len(late),
        "lateness p50, ms": round(statistics.median(late)),
        "lateness p99, ms": round(cuts[98]),
        "lateness max, ms": max(late),
    }
    checks = [
        Check("ticks: none missed", missed),
        Check("ticks: none fired twice", doubled),
        Check("ticks: none before its time", early),
        Check("ticks: none that is no tick", foreign),
        Check("schedules: counts and history say what ran", miscounted),
    ]
    return Verdict(plan.seed, figures, checks)


def _miscounted(client: Client, schedule_id: str, ran: list[Ran]) -> Iterator[str]:
    """A step that two schedulers took would count twice, or stand in the history twice."""
    schedule = client.schedules.get(schedule_id)
    if (schedule.run_count, schedule.skipped_count) != (len(ran), 0):
        counts = f"{schedule.run_count} runs and {schedule.skipped_count} skipped"
        yield f"{schedule_id}: counts {counts}, {len(ran)} ran"
    told = [run.tick.ToMilliseconds() for run in client.schedules.runs(schedule_id)]
    if told != sorted((each.tick_ms for each in ran), reverse=True)[: len(told)]:
        yield f"{schedule_id}: its history is not what ran"


def _doubled(schedule_id: str, redis: Redis, ran: list[Ran]) -> Iterator[str]:
    """Jobs of the schedule that are not the one job of a tick."""
    known = Counter(each.job_id for each in ran)
    indexed: Any = redis.zrange(f"portaria:index:default:schedule:{schedule_id}", 0, -1)
    for job_id in indexed:
        if known[job_id] != 1:
            yield f"{schedule_id}: job {job_id} is that of {known[job_id]} ticks"


def to_milliseconds(moment: datetime) -> int:
    """Since 1970."""
    return round(moment.timestamp() * 1000)


def _multiples(first: datetime, end: datetime, every: timedelta) -> Iterator[int]:
    while first <= end:
        yield to_milliseconds(first)
        first += every


def main() -> int:
    """Runs with the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000))
    parser.add_argument("--schedules", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--freezes", type=int, default=5)
    given = vars(parser.parse_args())
    with tempfile.TemporaryDirectory(prefix="portaria-ticks-") as folder:
        verdict = prove(Plan(**given), Path(folder) / "run")
    print(verdict)
    verdict.save(BUILD / f"ticks-{verdict.seed}.json")
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    sys.exit(main())
