"""A recurrence from what a person wrote, or everything that is wrong with it."""

from __future__ import annotations

import difflib
import re
import unicodedata
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from portaria.core.errors import Violation
from portaria.core.recurrence.cron import CronFault, parse_cron
from portaria.core.recurrence.recurrence import Recurrence

SHORTEST, LONGEST = timedelta(seconds=1), timedelta(days=366)

# The machine's own zone, and the one that says that nobody has chosen.
_NO_PLACES = {"localtime", "Factory"}
_LONGEST_KEY = 64
_OFFSET = re.compile(r"(?:UTC|GMT|)([+-])0?([0-9]|1[0-4])(?::?00)?")


def read_recurrence(
    *,
    cron: str,
    interval: timedelta | None,
    time_zone: str,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Recurrence | list[Violation]:
    """A recurrence that ticks at least once, or all violations.

    Their fields are `cron`, `interval`, `time_zone`, `start_time` and `end_time`. An empty zone is
    UTC. Where cron and interval are both given the cron wins; where neither is, it is at fault.
    """
    wrong = [
        *(_cron_faults(cron) if cron or interval is None else _interval_faults(interval)),
        *_zone_faults(time_zone),
        *_span_faults(start, end),
    ]
    if wrong:
        return wrong
    recurrence = Recurrence(
        cron=parse_cron(cron).text if cron else "",
        interval=None if cron else interval,
        zone=ZoneInfo(time_zone or "UTC"),
        start=start,
        end=end,
    )
    return _barren_faults(recurrence) or recurrence


def _cron_faults(cron: str) -> Iterator[Violation]:
    try:
        parsed = parse_cron(cron)
    except CronFault as fault:
        for text in fault.texts:
            yield Violation("cron", "CRON_FORMAT", text)
        return
    if not parsed.ever_matches():
        yield Violation("cron", "NEVER_FIRES", "never runs: no month that it names has such a day")


def _interval_faults(interval: timedelta) -> Iterator[Violation]:
    if not SHORTEST <= interval <= LONGEST:
        yield Violation("interval", "OUT_OF_RANGE", "must be from 1 second to 366 days")
    elif interval % timedelta(milliseconds=1):
        yield Violation("interval", "OUT_OF_RANGE", "must be whole milliseconds")


def _span_faults(start: datetime | None, end: datetime | None) -> Iterator[Violation]:
    naive = False
    for field, moment in (("start_time", start), ("end_time", end)):
        if moment is not None and moment.utcoffset() is None:
            naive = True
            yield Violation(field, "TIMEZONE_REQUIRED", "needs a time zone")
    if start and end and not naive and end < start:
        yield Violation("end_time", "NEVER_FIRES", "never runs: is before start_time")


def _barren_faults(recurrence: Recurrence) -> list[Violation]:
    """Of one whose parts are right, and leave no tick between start and end."""
    if recurrence.next_after(datetime.min.replace(tzinfo=UTC)) is not None:
        return []
    if recurrence.end is not None:
        return [Violation("end_time", "NEVER_FIRES", "never runs: is before the first run")]
    if recurrence.start is not None:
        text = "never runs: nothing follows before the year 10000"
        return [Violation("start_time", "NEVER_FIRES", text)]
    return [Violation("cron", "NEVER_FIRES", "never runs: the zone skips each of its moments")]


def _zone_faults(key: str) -> Iterator[Violation]:
    if not key or key in _zones():
        return
    hint = ", such as `Africa/Luanda` or `UTC`"
    near = _of_offset(key)
    if near:
        hint = (
            f"; an offset is one only as `{near[0]}`, with its sign reversed: better name a place"
        )
    elif near := _near(key):
        hint = f"; did you mean `{near[0]}`?"
    text = f"is not a zone of the IANA database{hint}"
    yield Violation("time_zone", "UNKNOWN", text, suggestions=near)


def _of_offset(key: str) -> tuple[str, ...]:
    """The zone of `UTC+3` and the like."""
    match = _OFFSET.fullmatch(key[:_LONGEST_KEY].upper().replace(" ", ""))
    if match is None:
        return ()
    zone = f"Etc/GMT{'-' if match[1] == '+' else '+'}{match[2]}"
    return (zone,) if zone in _zones() else ()


def _near(key: str) -> tuple[str, ...]:
    """The zones that were perhaps meant, the likeliest first."""
    if len(key) > _LONGEST_KEY:
        return ()
    folded = {each.casefold(): each for each in sorted(_zones())}
    plain = unicodedata.normalize("NFKD", key.strip()).encode("ascii", "ignore").decode()
    words = re.sub(r"[\s_]+", "_", plain).casefold()
    near = [each for each in folded if each.rpartition("/")[2] == words]
    near = near or difflib.get_close_matches(words, folded, n=3, cutoff=0.75)
    return tuple(folded[each] for each in near)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones() - _NO_PLACES)
