"""Whether a door grows: watches that are cancelled at every moment, between calls of all kinds.

    python -m robustness.soak --watches 20000 --calls 100000

Prints the slope of the door's memory over the second half, by least squares. Ends with 1 where it
is 1 KiB per 100 calls or more, where a call had an answer that it should not have, or where
something is left of the watches.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression

import psutil
from redis import Redis

from portaria.up.health import is_serving
from portaria.up.ports import free_port
from portaria.up.redis_server import RedisServer
from robustness.evidence import Check
from robustness.soak_load import UNAVAILABLE, Load
from robustness.stream import plain
from robustness.verdict import Figures, Verdict
from stack import Process, Processes, eventually
from stack.processes import base_env

MOST_KIB = 1.0
"""Per 100 calls."""
_FEW = 100
_EVERY = 250
"""Calls between two samples."""
# The feed reads on for 10 s after the last watch; a read of it blocks for 1 s.
_QUIET, _QUIET_WITHIN = 4, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How large a run is."""

    seed: int
    watches: int
    calls: int
    users: int = 16
    """Callers at a time, each with a watch now and calls then."""


@dataclass(slots=True)
class Memory:
    """What a process held, by the number of calls that it had answered."""

    samples: list[tuple[int, float]] = field(default_factory=list)
    """Calls, KiB."""

    def slope(self) -> float:
        """KiB per 100 calls over the second half."""
        half = self.samples[-1][0] / 2
        calls, held = zip(*(each for each in self.samples if each[0] >= half), strict=True)
        return linear_regression(calls, held).slope * 100


def soak(plan: Plan, folder: Path) -> Verdict:
    """Runs and judges. Nothing of it is left but what is in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with RedisServer(folder / "redis") as server:
        (folder / "processes").mkdir()
        address = f"127.0.0.1:{free_port()}"
        env = base_env(
            PORTARIA_REDIS_URL=server.url,
            PORTARIA_DATA_DIR=str(folder / "data"),
            PORTARIA_JOBS="acme_jobs",
            PORTARIA_LISTEN=address,
            PORTARIA_LOG_LEVEL="warning",
        )
        processes = Processes(folder / "processes", env)
        try:
            door = processes.portaria("door", "serve")
            door.wait_until(lambda: is_serving(address, within=0.2))
            with plain(server.url) as redis:
                return _judged(plan, address, door, redis)
        finally:
            processes.stop()


def _judged(plan: Plan, address: str, door: Process, redis: Redis) -> Verdict:
    started, memory = time.monotonic(), Memory()
    process = psutil.Process(door.pid)

    def sample(calls: int) -> None:
        memory.samples.append((calls, process.memory_info().rss / 1024))

    load = Load(plan.seed, address, watches=plan.watches, calls=plan.calls)
    asyncio.run(load.run(plan.users, sample, every=_EVERY))
    slope, left, outages = memory.slope(), _left(redis), load.told[UNAVAILABLE]
    checks = [
        Check(
            f"growth of {MOST_KIB:g} KiB per 100 calls or more",
            [f"{slope:.3f} KiB"] if slope >= MOST_KIB else [],
        ),
        Check("answers that should not have been", load.strange),
        Check(
            f"one answer in {_FEW} or more UNAVAILABLE",
            [f"{outages}"] if outages * _FEW >= plan.calls + plan.watches else [],
        ),
        Check("what is left of the watches", left),
        Check("stack traces", ["door"] if "Traceback" in door.output() else []),
    ]
    shown = memory.samples[:: max(1, len(memory.samples) // 12)]
    figures: Figures = {
        "seconds": round(time.monotonic() - started),
        "calls": memory.samples[-1][0],
        "answers": str(dict(sorted(load.told.items()))),
        "MiB": ", ".join(f"{held / 1024:.1f}" for _, held in shown),
        "slope over the second half": f"{slope:+.3f} KiB per 100 calls",
    }
    return Verdict(plan.seed, figures, checks)


def _left(redis: Redis) -> list[str]:
    """A door in whose index a watch were left would read the stream for ever."""
    try:
        eventually(lambda: not _reads(redis), _QUIET_WITHIN, every=0.2)
    except AssertionError:
        return ["the door reads the stream of events, though nobody watches"]
    return []


def _reads(redis: Redis) -> bool:
    clients = redis.client_list()
    return any(each["cmd"] == "xread" and int(each["idle"]) < _QUIET for each in clients)


def main() -> int:
    """Runs and prints; answers the exit code."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--seed", type=int, help="replays a run; random by default")
    parser.add_argument("--watches", type=int, default=20_000)
    parser.add_argument("--calls", type=int, default=100_000)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else secrets.randbelow(10_000)
    with tempfile.TemporaryDirectory(prefix="portaria-soak-") as folder:
        plan = Plan(seed=seed, watches=options.watches, calls=options.calls)
        report = soak(plan, Path(folder) / "run")
    print(report)
    return int(bool(report.violations))


if __name__ == "__main__":
    sys.exit(main())
