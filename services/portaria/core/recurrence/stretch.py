"""The spans in which a zone keeps its offset from UTC, so that wall and real time are parallel.

Instants are whole seconds since 1970-01-01T00:00Z, local times the same on the wall clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from portaria.core.clock import LAST_SECOND
from portaria.core.recurrence.cron import DAY, EPOCH_DAY

# No zone has changed twice within 6.9 days since 1970, nor will by its rules.
_STEP = 3 * DAY
# Wall clocks differ from UTC, and were changed since 1970, by a day at most: what they had shown
# before a year, and which of their times are in it, is within this of it.
MARGIN = 2 * DAY


class Stretch(NamedTuple):
    """A span [begin, end) of instants with one offset; local time = instant + offset."""

    begin: int
    end: int
    offset: int
    shown: int
    """The least local time that the wall clock had not reached before `begin`. Less than
    `begin + offset` where the clock was put forward (what lies between is never shown), more where
    it was put back (what lies between is shown again)."""


@lru_cache(maxsize=1024)
def stretches(zone: ZoneInfo, year: int) -> tuple[Stretch, ...]:
    """A year of UTC in stretches, cut off at both ends; 1970 to 9999."""
    opening, closing = year_start(year), min(year_start(year + 1), LAST_SECOND + 1)
    begin = opening - MARGIN
    offset = _offset(zone, begin)
    shown = begin + offset
    found = []
    for change in (*_changes(zone, begin, closing), closing):
        if change > opening:
            if begin < opening:
                begin, shown = opening, max(shown, opening + offset)
            found.append(Stretch(begin, change, offset, shown))
        shown = max(shown, change + offset)
        begin, offset = change, _offset(zone, change)
    return tuple(found)


def year_of(instant: int) -> int:
    """The year in UTC of an instant."""
    return datetime.fromtimestamp(instant, UTC).year


def year_start(year: int) -> int:
    """The first instant of a year, in UTC; also of the year 10000."""
    return (date(year - 1, 12, 31).toordinal() + 1 - EPOCH_DAY) * DAY


def _changes(zone: ZoneInfo, begin: int, end: int) -> Iterator[int]:
    """The instants in (begin, end) at which the offset becomes another."""
    before = _offset(zone, begin)
    for low in range(begin, end, _STEP):
        high = min(low + _STEP, end)
        after = _offset(zone, high)
        if after != before:
            change = _change(zone, low, high)
            if change < end:
                yield change
        before = after


def _change(zone: ZoneInfo, low: int, high: int) -> int:
    """The first instant in (low, high] with another offset than at `low`, there being one."""
    before = _offset(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(zone: ZoneInfo, instant: int) -> int:
    """Seconds that the wall clock is ahead of UTC."""
    # The last local times of 9999 may be in no year that there is.
    moment = datetime.fromtimestamp(min(instant, LAST_SECOND - DAY), zone)
    return int((moment.utcoffset() or timedelta()).total_seconds())
