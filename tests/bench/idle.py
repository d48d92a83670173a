"""What an idle worker of the pool mail costs: memory, processor time, commands to Redis."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from bench.cpu import cpu_seconds
from bench.figures import short
from bench.memory import pss
from bench.report import Check, Section
from portaria.up.redis_server import RedisServer
from stack import Stack

MEMORY, CPU, COMMANDS = 100.0, 0.5, 8.0
_SETTLED = 3.0
"""Seconds until what a start does is over."""
_END = b"the end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """One worker over some seconds."""

    megabytes: float
    """PSS: memory that processes share counts once."""
    cpu_percent: float
    """Of one core."""
    commands: float
    """A second and child, as sent to Redis; what scripts do inside it is not counted."""


def measure(*, seconds: float) -> Section:
    """`portaria worker mail` with one child, then with four, each for so many seconds."""
    section = Section(
        title=f"an idle portaria worker mail, {seconds:g} s",
        note="PSS of parent and children together; CPU of one core; commands a second and child.",
        columns=("", "PSS MB", "CPU %", "Redis commands/s a child"),
    )
    found = {children: _watch(children, seconds) for children in (1, 4)}
    for children, idle in found.items():
        name = f"parent and {children} child{'ren' if children > 1 else ''}"
        row = (short(idle.megabytes), short(idle.cpu_percent), short(idle.commands))
        section.rows.append((name, *row))
        section.figures[name] = asdict(idle)
    one = found[1]
    for what, figure, wanted, unit in (
        ("memory of parent and one child", one.megabytes, MEMORY, "MB"),
        ("CPU of parent and one child", one.cpu_percent, CPU, "%"),
        ("Redis commands", one.commands, COMMANDS, "a second"),
    ):
        section.checks.append(
            Check(what=what, figure=figure, wanted=wanted, unit=unit, at_most=True)
        )
    return section


def _watch(children: int, seconds: float) -> Idle:
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="portaria-bench-")))
        server = exits.enter_context(RedisServer(folder / "redis"))
        stack = Stack(server, folder)
        exits.callback(stack.close)
        worker = stack.worker("mail", concurrency=children, PORTARIA_JOBS="portaria_workers")
        time.sleep(_SETTLED)
        redis = exits.enter_context(Redis.from_url(server.url))
        with redis.monitor() as monitor:
            used = cpu_seconds([worker.pid])
            time.sleep(seconds)
            used = cpu_seconds([worker.pid]) - used
            redis.echo(_END)
            commands = _sent(monitor)
        pids = [worker.pid, *(each.pid for each in worker.descendants())]
        return Idle(
            megabytes=sum(map(pss, pids)) / 1e6,
            cpu_percent=used / seconds * 100,
            commands=commands / seconds / children,
        )


def _sent(monitor: Any) -> int:
    """How many commands were sent before the last one of this measurement."""
    count = 0
    for command in monitor.listen():
        if _END.decode() in command["command"]:
            return count
        count += command["client_type"] != "lua"
    raise RuntimeError("redis ended")
