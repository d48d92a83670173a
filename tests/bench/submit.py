"""How many single submissions the door takes, against a bare door that writes the same.

One server process each, CLIENTS client processes with IN_FLIGHT calls among them. Both doors run
all the time, each with a Redis of its own; the load goes to one and the other in turn.
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

IN_FLIGHT, CLIENTS = 64, 2
WANTED = 0.70
OURS, THEIRS = "portaria serve", "bare aio handler"
_START_UP = 2.0
"""Until the clients run and both sides are warm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One round of one door."""

    per_second: float
    door_us: float
    """Microseconds of processor time a call."""
    door_busy: float
    """Share of one core: near 1, or something else was the bottleneck."""


def measure(durability: Durability, *, rounds: int, quick: bool) -> Section:
    """Each round loads both doors, one after the other."""
    found: dict[str, list[Loaded]] = {OURS: [], THEIRS: []}
    seconds = 1.0 if quick else 2.0
    with _doors(durability) as doors:
        for number in range(rounds):
            for name in (OURS, THEIRS) if number % 2 == 0 else (THEIRS, OURS):
                found[name].append(_load(doors[name], seconds))
    return _section(durability, found)


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


def _load(door: Process, seconds: float) -> Loaded:
    start = time.monotonic() + _START_UP
    arguments = (door.address, str(IN_FLIGHT // CLIENTS), str(start), str(seconds))
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
    return Loaded(
        per_second=sum(counts) / seconds,
        door_us=used / sum(counts) * 1e6,
        door_busy=used / seconds,
    )


def _section(durability: Durability, found: Mapping[str, list[Loaded]]) -> Section:
    rates = {name: [each.per_second for each in rounds] for name, rounds in found.items()}
    section = Section(
        title=f"submit one by one, {IN_FLIGHT} in flight, AOF {durability.value}",
        note="Medians; × bare is round by round. A door well below 100 % busy waits for others.",
        columns=("", "submits/s", "× bare", "door CPU µs/submit", "door busy"),
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
    section.checks.append(Check(what=f"{OURS} against a {THEIRS}", figure=against, wanted=WANTED))
    return section
