"""Jobs drawn on a terminal: one bar each, and a note below it where there is one."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from portaria.cli.rows import Row, Rows
from portaria.cli.wording import attempt, figures, note, stopwatch
from portaria.core.clock import Clock, SystemClock
from portaria.v1.jobs_service_pb2 import JobEvent

_FRAMES = 8  # a second
STYLES = {
    "RUNNING": "cyan",
    "SUCCEEDED": "green",
    "FAILED": "red",
    "CANCELLED": "red",
    "EXPIRED": "red",
    "RETRYING": "yellow",
    "CANCELLING": "yellow",
}


def draw(events: Iterable[JobEvent], rows: Rows, out: TextIO, clock: Clock | None = None) -> None:
    """Draws until the events end; what was drawn last stays."""
    moving = clock or SystemClock()
    console = Console(file=out, highlight=False)
    with Live(
        console=console,
        refresh_per_second=_FRAMES,
        get_renderable=lambda: picture(rows.all(), moving.now()),
    ):
        for event in events:
            rows.apply(event)


def picture(rows: list[Row], now: datetime) -> RenderableType:
    """All rows at one moment."""
    parts: list[RenderableType] = []
    for row in rows:
        parts.append(_bar_line(row, now, several=len(rows) > 1))
        below = note(row, now)
        if below:
            style = "red" if row.state == "FAILED" else "dim"
            parts.append(Text(f"  {below}", style=style, no_wrap=True, overflow="ellipsis"))
    return Group(*parts)


def _bar_line(row: Row, now: datetime, *, several: bool) -> Table:
    line = Table.grid(padding=(0, 1), expand=True)
    cells: list[RenderableType] = []
    # Ids of one second differ only at their end.
    label = f"{row.name} …{row.job_id[-6:]}" if several else row.name
    for cell, ratio in (
        (Text(label, style="bold"), None),
        (Text(f"{row.state or 'waiting':<10}", style=STYLES.get(row.state, "")), None),
        (_bar(row), 1),
        (Text(figures(row)), None),
        (Text(attempt(row), style="dim"), None),
        (Text(stopwatch(_age(row, now)), style="dim"), None),
    ):
        if isinstance(cell, Text) and not cell.plain:
            continue
        line.add_column(no_wrap=True, ratio=ratio)
        cells.append(cell)
    line.add_row(*cells)
    return line


def _bar(row: Row) -> ProgressBar:
    if row.state == "SUCCEEDED":
        return ProgressBar(total=1, completed=1)
    if row.state == "RUNNING" and not row.total:
        return ProgressBar(total=None, pulse=True)
    return ProgressBar(total=row.total or 1, completed=row.current)


def _age(row: Row, now: datetime) -> timedelta:
    if row.created_at is None:
        return timedelta()
    return (row.ended_at or now) - row.created_at
