"""The proof that watches outlive doors: two doors, 200 watchers, and a nemesis that kills doors.

    python -m robustness.watchproof --seed 7 --watchers 200 --kills 48

Prints a report with its seed and writes it to build/watches-SEED.json. Ends with 1 where a claim
does not hold.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from portaria.client import Client
from portaria.v1.job_pb2 import JobState
from robustness.doors import Doors, broken_off
from robustness.endless import EndlessWatchers
from robustness.evidence import Check
from robustness.stream import Stream
from robustness.system import System
from robustness.watch_load import Interruptions
from robustness.watch_report import Report, figures_of
from robustness.watched import check_watches
from robustness.watchers import AsyncWatchers, SyncWatchers

BUILD = Path(__file__).resolve().parents[2] / "build"
_STEP = 0.01
_REST = 90.0
"""Seconds in which the last watch must come to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How large a run is."""

    seed: int
    watchers: int
    """Half of them block, half are tasks of an event loop."""
    kills: int
    every: float
    """Seconds from kill to kill, on average."""
    clients: int = 8
    """Of each kind; each has its own connections to both doors."""
    parents: int = 2
    children: int = 5


def prove(plan: Plan, folder: Path, say: Callable[[str], None] = lambda _: None) -> Report:
    """Runs and judges. Nothing of it is left but what is in `folder`. From a main thread only."""
    folder.mkdir(parents=True, exist_ok=True)
    system = System(folder, plan.seed, cut=0.0)
    interruptions = Interruptions()
    log = logging.getLogger("portaria.client")
    level = log.level
    log.addHandler(interruptions)
    log.setLevel(logging.INFO)
    try:
        system.start(parents=plan.parents, children=plan.children, bursters=0)
        return _run(plan, system, interruptions, say)
    finally:
        log.removeHandler(interruptions)
        log.setLevel(level)
        system.stop()


def _run(
    plan: Plan, system: System, interruptions: Interruptions, say: Callable[[str], None]
) -> Report:
    stream = Stream(system.redis.url)
    stream.start()
    doors = ",".join(system.addresses)
    half = plan.watchers // 2
    crowds = (
        SyncWatchers(plan.seed, doors, half, plan.clients),
        AsyncWatchers(plan.seed, doors, plan.watchers - half, plan.clients),
    )
    endless = EndlessWatchers([door.name for door in system.doors], system.addresses)
    try:
        for crowd in crowds:
            crowd.start()
        nemesis = Doors(plan.seed, system, interruptions.by_door, plan.kills, plan.every)
        _tend(system, lambda: nemesis.step(say), within=30 + plan.kills * plan.every * 4)
        for crowd in crowds:
            crowd.stop()
        say("no more kills, waiting for the last watch")
        _tend(system, lambda: all(crowd.is_done for crowd in crowds), within=_REST)
        watches = [watch for crowd in crowds for watch in list(crowd.watches)]
        wanted = {job_id for watch in watches for job_id in watch.job_ids}
        _tend(system, lambda: wanted <= stream.ended, within=5.0)
        endless.stop(sorted(wanted))
        _tend(system, lambda: endless.is_done, within=_REST)
        watches += endless.watches
        wanted = {job_id for watch in watches for job_id in watch.job_ids}
        _tend(system, lambda: wanted <= stream.ended, within=5.0)
        told = _states(doors, wanted)
    finally:
        endless.close()
        for crowd in crowds:
            crowd.close()
        stream.stop()
    met = broken_off(nemesis.strikes, interruptions.at)
    lives = {job_id: life for job_id, life in stream.lives.items() if job_id in wanted}
    checks = [
        *check_watches(watches, lives),
        Check("jobs that the door tells otherwise", [
            f"{job_id}: {told.get(job_id)} instead of {life[-1].state}"
            for job_id, life in lives.items() if told.get(job_id) != life[-1].state
        ]),
        Check(
            "fewer kills in mid-stream than were ordered",
            [f"{nemesis.kills}"] if nemesis.kills < plan.kills else [],
        ),
        Check("processes that wrote a stack trace", system.traces()),
    ]  # fmt: skip
    return Report(
        plan.seed,
        figures_of(plan.watchers, watches, met, nemesis.kills),
        checks,
        watches,
        nemesis.strikes,
    )


def _tend(system: System, held: Callable[[], bool], within: float) -> None:
    """Keeps the system up until something holds, or time is up: the checks will tell."""
    until = time.monotonic() + within
    while not held() and time.monotonic() < until:
        system.tend()
        time.sleep(_STEP)


def _states(doors: str, job_ids: set[str]) -> dict[str, str]:
    """What the doors say in the end."""
    with Client(doors) as client:
        jobs = client.get_many(sorted(job_ids))
    return {i: JobState.Name(job.state).removeprefix("JOB_STATE_") for i, job in jobs.items()}


def long_plan(seed: int, *, watchers: int, kills: int) -> Plan:
    """About 75 s with 200 watchers and 48 kills."""
    return Plan(seed=seed, watchers=watchers, kills=kills, every=1.5)


def quick_plan(seed: int) -> Plan:
    """What fits into `make test`."""
    return Plan(seed=seed, watchers=40, kills=6, every=1.5, clients=3, children=3)


def main() -> int:
    """Runs, prints, writes; answers the exit code."""
    parser = argparse.ArgumentParser(prog="watchproof", description=__doc__)
    parser.add_argument("--seed", type=int, help="replays the kills and jobs; random by default")
    parser.add_argument("--watchers", type=int, default=200)
    parser.add_argument("--kills", type=int, default=48)
    parser.add_argument("--quick", action="store_true", help="as large as in make test")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else secrets.randbelow(10_000)
    plan = long_plan(seed, watchers=options.watchers, kills=options.kills)
    with tempfile.TemporaryDirectory(prefix="portaria-watches-") as folder:
        report = prove(
            quick_plan(seed) if options.quick else plan,
            Path(folder) / "run",
            say=lambda text: print(text, flush=True),
        )
    path = BUILD / f"watches-{seed}.json"
    report.write(path)
    print(f"written to {path.relative_to(BUILD.parent)}", flush=True)
    print(report)
    return int(bool(report.violations))


if __name__ == "__main__":
    sys.exit(main())
