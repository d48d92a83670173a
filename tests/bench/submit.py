"""How many jobs the door takes, one by one and in batches, against a bare one that writes the same.

One server process each, CLIENTS client processes with some calls in flight among them. Both doors
run all the time, each with a Redis of its own; the load goes to one and the other in turn.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import noop_jobs
from bench.cpu import cpu_seconds
from bench.figures import ratios, short, spread
from bench.report import Check, Section
from bench.sides import PYTHONPATH
from portaria.up.ports import free_port
from portaria.up.redis_server import Durability, RedisServer
from stack import Process, Stack

CLIENTS = 2
OURS, THEIRS = "portaria serve", "bare aio handler"
_START_UP = 2.0
"""Until the clients run and both sides are warm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the clients call."""

    title: str
    rate: str
    in_flight: int
    batch: int = 0
    """Jobs a call; 0 for SubmitJob."""
    check: str = ""
    wanted: float
    """Times bare."""


SINGLE = Kind(title="submit one by one", rate="submits/s", in_flight=64, wanted=0.80)
BATCHES = Kind(
    title="BatchSubmitJobs of 100",
    rate="jobs/s",
    in_flight=8,
    batch=100,
    check=" in batches of 100",
    wanted=0.70,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One round of one door."""

    per_second: float
    """Jobs."""
    door_us: float
    """Microseconds of processor time a job."""
    door_busy: float
    """Share of one core: near 1, or something else was the bottleneck."""


def measure(durability: Durability, *, rounds: int, quick: bool, kind: Kind = SINGLE) -> Section:
    """Each round loads both doors, one after the other."""
    found: dict[str, list[Loaded]] = {OURS: [], THEIRS: []}
    seconds = 1.0 if quick else 2.0
    with _doors(durability) as doors:
        for number in range(rounds):
            for name in (OURS, THEIRS) if number % 2 == 0 else (THEIRS, OURS):
                found[name].append(_load(doors[name], seconds, kind))
    return _section(durability, found, kind)


@contextmanager
def _doors(durability: Durability) -> Iterator[Mapping[str, Process]]:
    with tempfile.TemporaryDirectory(prefix="portaria-bench-") as folder, ExitStack() as exits:

        def stack(name: str) -> Stack:
            server = RedisServer(Path(folder) / name / "redis", durability=durability)
            made = Stack(exits.enter_context(server), Path(folder) / name)
            exits.callback(made.close)
            return made

        door = stack("ours").door(PORTARIA_JOBS=noop_jobs.PACKAGE)
        yield {OURS: door, THEIRS: start_bare_door(stack("theirs"))}


def start_bare_door(stack: Stack) -> Process:
    """Starts the baseline and waits until it serves."""
    address = f"127.0.0.1:{free_port()}"
    command = ("-m", "bench.baseline_door", address)
    process = stack.processes.python("bare-door", *command, PYTHONPATH=PYTHONPATH)
    process.address = address
    process.wait_for("^ready$")
    return process


def _load(door: Process, seconds: float, kind: Kind) -> Loaded:
    start = time.monotonic() + _START_UP
    share = str(kind.in_flight // CLIENTS)
    arguments = (door.address, share, str(start), str(seconds), str(kind.batch))
    clients = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.load", *arguments],
            env={"PYTHONPATH": PYTHONPATH},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(CLIENTS)
    ]
    time.sleep(max(0.0, start - time.monotonic()))
    used = cpu_seconds([door.pid])
    time.sleep(max(0.0, start + seconds - time.monotonic()))
    used = cpu_seconds([door.pid]) - used
    counts = [int(client.communicate(timeout=30)[0]) for client in clients]
    jobs = sum(counts) * (kind.batch or 1)
    return Loaded(
        per_second=jobs / seconds,
        door_us=used / jobs * 1e6,
        door_busy=used / seconds,
    )


def _section(durability: Durability, found: Mapping[str, list[Loaded]], kind: Kind) -> Section:
    rates = {name: [each.per_second for each in rounds] for name, rounds in found.items()}
    section = Section(
        title=f"{kind.title}, {kind.in_flight} in flight, AOF {durability.value}",
        note="Medians; × bare is round by round. A door well below 100 % busy waits for others.",
        columns=("", kind.rate, "× bare", "door CPU µs/job", "door busy"),
    )
    for name, rounds in found.items():
        rate, times = spread(rates[name]), ratios(rates[name], rates[THEIRS])
        cost = spread([each.door_us for each in rounds])
        busy = spread([each.door_busy for each in rounds])
        cells = (short(rate.median), str(times), short(cost.median), f"{busy.median:.0%}")
        section.rows.append((name, *cells))
        section.figures[name] = {
            "per_second": rate,
            "times_bare": times,
            "door_cpu_us": cost,
            "door_busy": busy,
            "rounds": [asdict(each) for each in rounds],
        }
    against = ratios(rates[OURS], rates[THEIRS])
    what = f"{OURS} against a {THEIRS}{kind.check}"
    section.checks.append(Check(what=what, figure=against, wanted=kind.wanted))
    return section
