"""The whole system at a glance, and the loop that draws it."""

import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from portaria.cli.rows import one_line
from portaria.cli.screens import count, queues_table, workers_table
from portaria.cli.wording import clock_time
from portaria.client import Client
from portaria.core.clock import Clock, SystemClock
from portaria.core.errors import PortariaError
from portaria.v1.admin_service_pb2 import Queue, Worker

Shown = TypeVar("Shown", Queue, Worker)


class Overview:
    """What was seen last, and how many jobs ended since the look before."""

    def __init__(self, client: Client, domain: str = "", clock: Clock | None = None) -> None:
        self._client = client
        self._domain = domain
        self._clock = clock or SystemClock()
        self._queues: list[Queue] = []
        self._workers: list[Worker] = []
        self._ended: dict[str, int] = {}
        self._looked_at = 0.0
        self._rate: float | None = None
        self._trouble = ""

    def look(self) -> None:
        """Asks the door. Raises its errors."""
        queues = self._client.queues(self._domain)
        workers = self._client.workers(self._domain)
        now = self._clock.monotonic()
        ended = {each.name: each.succeeded + each.failed for each in workers}
        if self._looked_at:
            # A worker that began or was replaced in between counts from what it had.
            more = sum(max(0, ended[name] - self._ended.get(name, ended[name])) for name in ended)
            self._rate = more / max(0.001, now - self._looked_at)
        self._queues, self._workers, self._ended = queues, workers, ended
        self._looked_at, self._trouble = now, ""

    def try_to_look(self) -> None:
        """As `look`; where it fails, the last picture stays with words about it."""
        try:
            self.look()
        except PortariaError as error:
            self._trouble = one_line(error.message)

    def picture(self, height: int = 0) -> RenderableType:
        """All of it, with the sums above; in so many lines, what is quiet is left out first."""
        now = self._clock.now()
        queues, workers = self._queues, self._workers
        if height:
            queues = _fitting(queues, _is_lively, max(4, height - 8 - min(len(workers), 4)))
            workers = _fitting(workers, _is_at_work, max(1, height - 8 - len(queues)))
        title = self._title(clock_time(now), live=height > 0)
        parts: list[RenderableType] = [title, self._sums(), Text()]
        if queues:
            parts.append(queues_table(queues))
            parts.append(_left_out(len(self._queues) - len(queues), "queues"))
        else:
            parts += [Text("no queue yet: nothing was submitted", style="dim"), Text()]
        if workers:
            parts.append(workers_table(workers, now))
            parts.append(_left_out(len(self._workers) - len(workers), "workers"))
        else:
            parts.append(Text("no worker runs", style="red"))
        return Group(*parts)

    def _title(self, clock: str, *, live: bool) -> Text:
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append("portaria", style="bold").append(f"  {self._client.address}  {clock}  ")
        if self._trouble:
            return line.append(f"as it was: {self._trouble}", style="red")
        return line.append("q quits" if live else "", style="dim")

    def _sums(self) -> Text:
        living = [each for each in self._workers if each.state != Worker.STATE_LOST]
        busy = sum(each.state == Worker.STATE_BUSY for each in living)
        line = Text(no_wrap=True, overflow="ellipsis")
        for number, words, style in (
            (sum(each.depth for each in self._queues), "waiting", "bold"),
            (sum(each.running for each in self._queues), "running", "cyan"),
            (sum(each.scheduled for each in self._queues), "scheduled", ""),
            (sum(each.dead for each in self._queues), "dead", "red"),
        ):
            line.append_text(count(number, style)).append(f" {words}   ", style="dim")
        line.append(f"{busy} of {len(living)}").append(" workers busy", style="dim")
        if self._rate is not None:
            line.append(f"   {self._rate:,.0f}").append(" jobs/s", style="dim")
        return line


def _fitting(all_: list[Shown], is_shown: Callable[[Shown], bool], most: int) -> list[Shown]:
    """At most so many, in their order; those that are of interest before the others."""
    if len(all_) <= most:
        return all_
    first = sorted(range(len(all_)), key=lambda number: (not is_shown(all_[number]), number))
    return [all_[number] for number in sorted(first[:most])]


def _is_lively(queue: Queue) -> bool:
    return bool(queue.depth or queue.running or queue.paused or queue.dead or queue.scheduled)


def _is_at_work(worker: Worker) -> bool:
    return worker.state != Worker.STATE_IDLE


def _left_out(number: int, of: str) -> Text:
    return Text(f"and {number} more {of}" if number else "", style="dim")


def draw(overview: Overview, every: timedelta) -> None:
    """Draws on the whole terminal until q or Ctrl-C."""
    console = Console(highlight=False)
    with (
        _keys(),
        Live(
            overview.picture(console.height), console=console, screen=True, auto_refresh=False
        ) as live,
    ):
        try:
            while not _quits_within(every):
                overview.try_to_look()
                live.update(overview.picture(console.height), refresh=True)
        except KeyboardInterrupt:
            return


@contextmanager
def _keys() -> Iterator[None]:
    """Keys arrive one by one and are not shown, until the end."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _quits_within(span: timedelta) -> bool:
    """Whether somebody types q in this time."""
    until = time.monotonic() + span.total_seconds()
    while (left := until - time.monotonic()) > 0:
        if not sys.stdin.isatty():
            time.sleep(left)
        elif select.select([sys.stdin], [], [], left)[0] and sys.stdin.read(1) in "qQ":
            return True
    return False
