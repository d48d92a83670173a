"""Queues and workers as tables that fit a terminal of a hundred columns."""

import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from portaria.cli.rows import moment, one_line
from portaria.cli.wording import length
from portaria.core.states import PRIORITIES
from portaria.v1.admin_service_pb2 import Queue, Worker

_PIPED_WIDTH = 120
_LONGEST_NAME = 24
_WIDTHS = {"oldest": 9, "job": 10, "cpu": 5, "busy": 4, "up": 6}
STATES = {
    Worker.STATE_STARTING: ("starting", "dim"),
    Worker.STATE_IDLE: ("idle", ""),
    Worker.STATE_BUSY: ("busy", "cyan"),
    Worker.STATE_SUSPENDED: ("suspended", "yellow"),
    Worker.STATE_STOPPING: ("stopping", "yellow"),
    Worker.STATE_LOST: ("lost", "red"),
}


def show(picture: RenderableType, out: TextIO | None = None) -> None:
    """Prints it; where nobody's terminal says how wide, with room for whole names."""
    target = out or sys.stdout
    free = not target.isatty() and "COLUMNS" not in os.environ
    Console(file=target, highlight=False, width=_PIPED_WIDTH if free else None).print(picture)


def queues_table(queues: Iterable[Queue]) -> Table:
    """One line a queue."""
    table = _table("queue", right=("waiting", "oldest", "running", "scheduled", "dead", "workers"))
    table.add_column("")
    for queue in queues:
        oldest = length(queue.oldest_age.ToTimedelta()) if queue.HasField("oldest_age") else ""
        table.add_row(
            Text(queue.name, style="yellow" if queue.paused else ""),
            count(queue.depth, "bold"),
            oldest,
            count(queue.running, "cyan"),
            count(queue.scheduled),
            count(queue.dead, "red"),
            count(queue.workers),
            _note(queue),
        )
    return table


def workers_table(workers: Iterable[Worker], now: datetime) -> Table:
    """One line a worker: as RQ counts them, one process that runs one job at a time."""
    right = ("cpu", "memory", "done", "failed", "busy", "up")
    table = _table("worker", "state", "queues", "job", right=right)
    for worker in workers:
        begun = moment(worker.start_time)
        up = now - begun if begun else timedelta()
        table.add_row(
            name_text(worker.name),
            state_text(worker),
            queues_text(worker.queues),
            _jobs_text(worker),
            f"{worker.cpu_percent:.0f} %" if worker.rss_bytes else "",
            size(worker.rss_bytes),
            count(worker.succeeded),
            count(worker.failed, "red"),
            share(worker.busy_time.ToTimedelta(), up),
            brief(up) if begun else "",
        )
    return table


def plain_table(*columns: str, rows: Iterable[Sequence[RenderableType]]) -> Table:
    """Columns of words; the last one may take several lines."""
    table = _table(*columns[:-1])
    table.add_column(columns[-1], overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def state_text(worker: Worker) -> Text:
    """ "busy"."""
    word, style = STATES.get(worker.state, ("unknown", "dim"))
    return Text(word, style=style)


def name_text(name: str) -> Text:
    """A worker's name; of a long one the end, in which they differ."""
    name = one_line(name)
    return Text(name if len(name) <= _LONGEST_NAME else f"…{name[1 - _LONGEST_NAME :]}")


def queues_text(queues: Sequence[str]) -> str:
    """ "mail" for all of its queues, else "mail:high,low"."""
    priorities: dict[str, list[str]] = {}
    for queue in queues:
        domain, _, priority = queue.partition(":")
        priorities.setdefault(domain, []).append(priority)
    return " ".join(
        domain if set(found) >= set(PRIORITIES) else f"{domain}:{','.join(found)}"
        for domain, found in priorities.items()
    )


def count(number: int, style: str = "") -> Text:
    """ "12,345"; nothing draws the eye to a zero."""
    return Text(f"{number:,}", style=style if number else "dim")


def size(octets: int) -> str:
    """ "61 MiB"; empty for what is not known."""
    return f"{octets / 2**20:,.0f} MiB" if octets else ""


def share(part: timedelta, whole: timedelta) -> str:
    """ "12 %" of the time."""
    return f"{100 * min(1.0, part / whole):.0f} %" if whole > timedelta() else ""


def brief(span: timedelta) -> str:
    """ "12 s", "5 min", "3 h", "2 d": how long, at a glance."""
    seconds = max(0, int(span.total_seconds()))
    for unit, amount in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * amount or (seconds >= amount and unit == "min"):
            return f"{seconds // amount} {unit}"
    return f"{seconds} s"


def bare_table() -> Table:
    """Columns, and nothing drawn between them."""
    return Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))


def _table(*left: str, right: Sequence[str] = ()) -> Table:
    table = bare_table()
    for number, name in enumerate(left):
        # Where there is no room, the name of the line gives way, not its figures.
        width = _WIDTHS.get(name, len(name)) if number else None
        table.add_column(name, no_wrap=True, overflow="ellipsis", min_width=width)
    for name in right:
        width = _WIDTHS.get(name, len(name))
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    return table


def _note(queue: Queue) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    if queue.paused:
        reason = one_line(queue.pause_reason)
        text.append(f"paused: {reason}" if reason else "paused", style="yellow")
    elif queue.depth and not queue.workers:
        text.append("no worker", style="red")
    return text


def _jobs_text(worker: Worker) -> Text:
    """The end of the id that runs, and how many more are held."""
    ids = [*worker.running_job_ids, *worker.reserved_job_ids]
    more = f" +{len(ids) - 1}" if len(ids) > 1 else ""
    return Text(f"…{ids[0][-8:]}{more}" if ids else "", style="cyan")
