"""What a recurrence may say and was perhaps not meant. Short texts for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from portaria.core.clock import LAST_SECOND, from_milliseconds, to_milliseconds
from portaria.core.recurrence.cron import DAY, MONTH_LENGTHS, Cron, parse_cron
from portaria.core.recurrence.recurrence import Recurrence
from portaria.core.recurrence.stretch import stretches, year_of
from portaria.core.recurrence.words import MONTH_NAMES, listed, ordinal

_AHEAD = 366 * DAY


def warnings(recurrence: Recurrence, after: datetime) -> list[str]:
    """What to tell whoever wrote it; changes of the clock are looked for in the year `after`."""
    if recurrence.interval is not None:
        return list(_interval_cautions(recurrence))
    cron = parse_cron(recurrence.cron)
    found = [*_minute_cautions(cron), *_day_cautions(cron), *_month_cautions(cron)]
    if cron.fixed_hours:
        found += _clock_cautions(recurrence, cron, after)
    return found


def _interval_cautions(recurrence: Recurrence) -> Iterator[str]:
    assert recurrence.interval is not None
    if recurrence.start is None and recurrence.interval > timedelta(days=1):
        yield "has no start_time: it runs at multiples of the interval since 1970-01-01 00:00 UTC"


def _minute_cautions(cron: Cron) -> Iterator[str]:
    """`* */6 * * *` was meant to run four times a day in most of the cases."""
    if len(cron.minutes) == 60 and len(cron.hours) < 24:
        hours = listed([str(each) for each in cron.hours])
        meant = " ".join(["0", *cron.text.split()[1:]])
        which = f"each of the hours {hours}" if len(cron.hours) > 1 else f"hour {hours}"
        yield f"runs 60 times in {which}; did you mean `{meant}`?"


def _day_cautions(cron: Cron) -> Iterator[str]:
    _, _, days, _, weekdays = cron.text.split()
    if cron.either:
        yield (
            "has a day of month and a day of week: it runs on days that match either, not only both"
        )
    elif "*" not in (days, weekdays):
        yield "has a day field that begins with `*` beside another: it runs on days that match both"


def _month_cautions(cron: Cron) -> Iterator[str]:
    """Of days that not all months have, unless they come after the 28th, as in `28-31`."""
    if cron.text.split()[2].startswith("*"):
        return
    for day in (29, 30, 31):
        if day in cron.days and day - 1 not in cron.days:
            lacking = [each for each in cron.months if MONTH_LENGTHS[each - 1] < day]
            if lacking:
                names = [MONTH_NAMES[each - 1] for each in lacking]
                verb = "has" if len(names) == 1 else "have"
                yield f"{listed(names)} {verb} no {ordinal(day)}, and no run on it"
            if day == 29 and 2 in cron.months:
                yield "February has a 29th, and a run on it, only in leap years"


def _clock_cautions(recurrence: Recurrence, cron: Cron, after: datetime) -> Iterator[str]:
    """The first time that is skipped and the first that is shown twice."""
    key = recurrence.zone.key
    changes = _changes(recurrence, after)
    for local, shown in changes:
        if any(cron.matches(shown, local)):
            moment = _clock(local)
            yield f"{key} skips {_between(shown, local)}: what is due then runs once, at {moment}"
            break
    for local, shown in changes:
        if any(cron.matches(local, shown)):
            yield f"{key} has {_between(local, shown)} twice: what is due then runs the first time"
            break


def _changes(recurrence: Recurrence, after: datetime) -> list[tuple[int, int]]:
    """What the wall clock shows after each change, and what it would have shown without it."""
    first = max(0, to_milliseconds(max(after, recurrence.start or after)) // 1000)
    last = min(first + _AHEAD, LAST_SECOND)
    if recurrence.end is not None:
        last = min(last, to_milliseconds(recurrence.end) // 1000)
    return [
        (each.begin + each.offset, each.shown)
        for year in range(year_of(first), year_of(last) + 1)
        for each in stretches(recurrence.zone, year)
        if first <= each.begin <= last
    ]


def _between(low: int, high: int) -> str:
    """`2027-03-14 02:00 to 03:00`, of local times."""
    day = f"{from_milliseconds(low * 1000):%Y-%m-%d}"
    return f"{day} {_clock(low)} to {_clock(high)}"


def _clock(local: int) -> str:
    return f"{from_milliseconds(local * 1000):%H:%M}"
