"""Schedules, their next runs and their history as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from portaria.cli.json_text import json_text, shown_dict, unpacked
from portaria.cli.live import STYLES
from portaria.cli.rows import moment, one_line
from portaria.cli.screens import bare_table, brief
from portaria.cli.wording import length, local_time
from portaria.client.schedules import Run
from portaria.client.states import state_name
from portaria.v1.schedules_service_pb2 import (
    CATCH_UP_ALL,
    CATCH_UP_NONE,
    OVERLAP_POLICY_ALLOW,
    SCHEDULE_STATE_ACTIVE,
    SCHEDULE_STATE_ENDED,
    SCHEDULE_STATE_ERROR,
    SCHEDULE_STATE_PAUSED,
    Schedule,
)

_STATES = {
    SCHEDULE_STATE_ACTIVE: ("active", "green"),
    SCHEDULE_STATE_PAUSED: ("paused", "yellow"),
    SCHEDULE_STATE_ENDED: ("ended", "dim"),
    SCHEDULE_STATE_ERROR: ("error", "red"),
}
_SKIPPED = {
    "OVERLAP": "the run before was open",
    "MISSED": "no scheduler ran",
    "UNIQUE_KEY_HELD": "another job held its unique key",
    "OTHER_DEFINITION": "it had run by an earlier definition",
}
_DEFAULT_WINDOW = timedelta(days=1)
_DEFAULT_MOST = 100
_LONGEST_ID = 24
# Less is the way of things.
_LATE = timedelta(seconds=1)
_OVERDUE = timedelta(seconds=10)


def schedules_table(schedules: Iterable[Schedule], now: datetime) -> Table:
    """One line a schedule."""
    found = list(schedules)
    longest = max((len(each.schedule_id) for each in found), default=0)
    table = bare_table()
    table.add_column("schedule", overflow="fold", min_width=min(longest, _LONGEST_ID))
    table.add_column("state", no_wrap=True, min_width=6)
    table.add_column("next", no_wrap=True, justify="right", min_width=6)
    table.add_column("at", no_wrap=True)
    table.add_column("when", overflow="fold")
    for each in found:
        due = moment(each.next_run_time)
        table.add_row(
            Text(each.schedule_id),
            _state_text(each),
            _until(due, now) if due else Text(""),
            _day(due, each.time_zone, now) if due else "",
            each.in_words,
        )
    return table


def notes(schedules: Iterable[Schedule]) -> Iterator[Text]:
    """A line for each that is paused, or cannot run: why."""
    for each in schedules:
        if each.error:
            yield Text(f"{each.schedule_id}: {one_line(each.error)}", style="red")
        elif each.paused:
            reason = one_line(each.pause_reason) or "for no reason that was given"
            yield Text(f"{each.schedule_id} is paused: {reason}", style="yellow")


def schedule_view(schedule: Schedule, now: datetime) -> RenderableType:
    """The whole picture."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in _facts(schedule, now):
        if value:
            grid.add_row(name, value)
    if not schedule.spec.HasField("payload"):
        return grid
    payload = json_text(shown_dict(unpacked(schedule.spec.payload)))
    return Group(grid, Text(), Text("payload", style="bold"), Text(payload))


def preview_table(times: Iterable[datetime], zone: str, now: datetime) -> Table:
    """One line a run: in the zone of the schedule, from now, and in UTC."""
    table = bare_table()
    table.add_column(zone or "UTC", no_wrap=True)
    table.add_column("from now", no_wrap=True, justify="right")
    in_utc = (zone or "UTC") != "UTC"
    if in_utc:
        table.add_column("UTC", no_wrap=True)
    for each in times:
        local = _local(each, zone)
        row = [f"{local:%a %Y-%m-%d %H:%M:%S %Z}", _away(each - now)]
        table.add_row(*row, *([f"{each:%Y-%m-%d %H:%M:%S}"] if in_utc else []))
    return table


def runs_table(runs: Iterable[Run], zone: str) -> Table:
    """One line a tick, or several that were skipped together."""
    table = bare_table()
    table.add_column(f"tick ({zone or 'UTC'})", no_wrap=True)
    table.add_column("late", no_wrap=True, justify="right")
    table.add_column("state", no_wrap=True, min_width=9)
    table.add_column("job", overflow="fold")
    for each in runs:
        tick = moment(each.tick)
        late = each.lateness.ToTimedelta()
        table.add_row(
            f"{_local(tick, zone):%Y-%m-%d %H:%M:%S}" if tick else "",
            Text(length(late), style="yellow" if late >= _LATE else ""),
            _run_state(each),
            Text(each.job_id) if each.job_id else Text(_skipped(each), style="dim"),
        )
    return table


def next_words(schedule: Schedule, now: datetime) -> Text:
    """ "in 7 h 12 min, on Sun 2026-11-22 02:00:00 WAT"."""
    due = moment(schedule.next_run_time)
    if due is None:
        return Text("never")
    late = now - due
    if late > _OVERDUE:
        return Text(f"due since {length(late)}, {_stamp(due, schedule)}", style="red")
    return Text(f"{_away(due - now)}, on {_stamp(due, schedule)}")


def _facts(schedule: Schedule, now: datetime) -> Iterator[tuple[str, str | Text]]:
    yield "schedule", schedule.schedule_id
    yield "state", _state_text(schedule)
    yield "paused", Text(one_line(schedule.pause_reason), style="yellow")
    yield "error", Text(one_line(schedule.error), style="red")
    yield "when", schedule.in_words
    yield "cron", schedule.cron
    yield "next", next_words(schedule, now) if schedule.HasField("next_run_time") else ""
    yield "last", _last(schedule, now)
    yield "so far", _counts(schedule)
    yield "job type", schedule.spec.payload.type_url.rpartition("/")[2]
    if schedule.HasField("spec"):
        allows = schedule.overlap == OVERLAP_POLICY_ALLOW
        yield "overlap", "runs beside one another" if allows else "skips while a run is open"
        yield "catch-up", _catch_up(schedule)
    if schedule.HasField("jitter") and schedule.jitter.ToTimedelta():
        yield "jitter", f"up to {length(schedule.jitter.ToTimedelta())}"
    yield "labels", ", ".join(f"{key}={schedule.labels[key]}" for key in sorted(schedule.labels))
    if schedule.managed_by_config:
        release = f", release {schedule.release}" if schedule.release else ""
        yield "declared", f"in {schedule.owner}{release}"
    yield "created", local_time(moment(schedule.create_time))
    if schedule.update_time != schedule.create_time:
        yield "changed", local_time(moment(schedule.update_time))
    yield "etag", schedule.etag


def _last(schedule: Schedule, now: datetime) -> str:
    tick = moment(schedule.last_run_time)
    if tick is None:
        return "never"
    return f"{brief(now - tick)} ago, on {_stamp(tick, schedule)}, job {schedule.last_job_id}"


def _counts(schedule: Schedule) -> str:
    runs = "1 run" if schedule.run_count == 1 else f"{schedule.run_count:,} runs"
    return runs + (f", {schedule.skipped_count:,} skipped" if schedule.skipped_count else "")


def _catch_up(schedule: Schedule) -> str:
    if schedule.catch_up == CATCH_UP_NONE:
        return "nothing that was missed is made up"
    given = schedule.catchup_window.ToTimedelta() if schedule.HasField("catchup_window") else None
    window = length(given or _DEFAULT_WINDOW)
    if schedule.catch_up == CATCH_UP_ALL:
        most = schedule.max_catch_up or _DEFAULT_MOST
        return f"up to {most:,} that were missed in the last {window} are made up"
    return f"the last that was missed is made up, within {window}"


def _state_text(schedule: Schedule) -> Text:
    word, style = _STATES.get(schedule.state, ("unknown", "dim"))
    return Text(word, style=style)


def _until(due: datetime, now: datetime) -> Text:
    """How soon; a tick that nobody fires draws the eye."""
    if now - due > _OVERDUE:
        return Text(f"{brief(now - due)} late", style="red")
    return Text(f"in {brief(due - now)}" if due > now else "now")


def _day(due: datetime, zone: str, now: datetime) -> str:
    """ "Sun 02:00" in the week that comes, else its date; in the zone of the schedule."""
    local = _local(due, zone)
    if abs(due - now) >= timedelta(days=6):
        return f"{local:%Y-%m-%d}"
    return f"{local:%a %H:%M}" + (f":{local:%S}" if local.second else "")


def _stamp(when: datetime, schedule: Schedule) -> str:
    return f"{_local(when, schedule.time_zone):%a %Y-%m-%d %H:%M:%S %Z}"


def _away(span: timedelta) -> str:
    if span < timedelta():
        return f"{length(-span)} ago"
    return f"in {length(timedelta(seconds=round(span.total_seconds())))}"


def _run_state(run: Run) -> Text:
    if not run.job_id:
        return Text("skipped", style="yellow")
    if not run.state:
        return Text("purged", style="dim")
    name = state_name(run.state)
    return Text(name, style=STYLES.get(name, ""))


def _skipped(run: Run) -> str:
    count = f"{run.skipped:,} ticks: " if run.skipped > 1 else ""
    return count + _SKIPPED.get(run.skipped_reason, run.skipped_reason)


def _local(when: datetime, zone: str) -> datetime:
    try:
        return when.astimezone(ZoneInfo(zone or "UTC"))
    except (ZoneInfoNotFoundError, ValueError, OverflowError):
        return when.astimezone(UTC)
