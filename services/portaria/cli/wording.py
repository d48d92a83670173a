"""Times, lengths and progress as people read them."""

import textwrap
from datetime import datetime, timedelta

from portaria.cli.rows import Row

_LONGEST_NOTE = 120


def local_time(moment: datetime | None) -> str:
    """ "2026-11-04 14:03:22 CET" in this machine's zone."""
    if moment is None:
        return ""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z").rstrip()


def clock_time(moment: datetime) -> str:
    """ "14:03:22" in this machine's zone."""
    return moment.astimezone().strftime("%H:%M:%S")


def length(span: timedelta) -> str:
    """ "850 ms", "2.4 s", "3 min 12 s", "5 h 4 min"; "30 s" and "30 min" where that is all."""
    seconds = max(0.0, span.total_seconds())
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h" + (f" {minutes} min" if minutes else "")
    days, hours = divmod(hours, 24)
    return f"{days} d" + (f" {hours} h" if hours else "")


def stopwatch(span: timedelta) -> str:
    """ "0:07" or "1:02:09": steady in width while it runs."""
    minutes, seconds = divmod(int(max(0.0, span.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def figures(row: Row) -> str:
    """ "43 % 430/1000"; "430" where the total is unknown."""
    if row.state == "SUCCEEDED" and row.current < row.total:
        return ""  # the end overtook the last report: the job is not at 98 %
    if row.total:
        return f"{row.percent:.0f} % {row.current}/{row.total}"
    return str(row.current) if row.current else ""


def attempt(row: Row) -> str:
    """ "attempt 2"; empty for a first one that has not failed."""
    return f"attempt {row.attempt}" if row.attempt else ""


def note(row: Row, now: datetime) -> str:
    """The second line of a row: why it waits, what failed, or what the handler last said."""
    if row.removed:
        return row.removed
    if row.state in ("RETRYING", "SCHEDULED") and row.next_attempt_at is not None:
        wait = row.next_attempt_at - now
        due = f"in {length(wait)}" if wait > timedelta() else "due"
        what = "next attempt" if row.state == "RETRYING" else "starts"
        failed = f"; {row.failure}" if row.failure and row.state == "RETRYING" else ""
        return f"{what} {clock_time(row.next_attempt_at)} ({due}){failed}"
    if row.done:
        return row.failure if row.state != "SUCCEEDED" else ""
    return row.message


def change_line(row: Row, now: datetime) -> str:
    """One line for one change, where there is no terminal to draw on."""
    stamp = clock_time(row.event_at or now)
    said = textwrap.shorten(note(row, now), _LONGEST_NOTE, placeholder=" …")
    parts = [row.job_id, f"{row.state:<10}", row.node, attempt(row), figures(row), said]
    return "  ".join([stamp, *(part for part in parts if part)]).rstrip()
