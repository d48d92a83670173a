"""When a schedule ticks: the one object that schedulers ask."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from portaria.core.clock import LAST_SECOND, from_milliseconds, to_milliseconds
from portaria.core.recurrence.cron import parse_cron
from portaria.core.recurrence.instants import instants

_LAST_MOMENT = datetime.max.replace(tzinfo=UTC)
_LAST_MILLISECOND = LAST_SECOND * 1000 + 999
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """When a schedule ticks: at whole milliseconds, in the years 1970 to 9999.

    A cron without `*` in its hour field ("fixed hours") follows the wall clock of its zone. A local
    time that a change of the clock skips runs at the moment of the change, several such ones once;
    one that the clock shows twice runs once, the first time. A cron with `*` there runs at each
    instant whose local time matches: twice in an hour shown twice, not at all in a skipped one.

    An interval is elapsed time: its ticks are at `start` and its multiples since, or where there is
    no start at multiples since 1970-01-01T00:00Z, so that 15 minutes are :00, :15, :30 and :45.

    Raises ValueError where cron and interval are not exactly one, or the cron is none (CronFault);
    `read_recurrence` judges what a person wrote.
    """

    cron: str = ""
    """Five fields, or empty."""
    interval: timedelta | None = None
    """Whole milliseconds, at least one."""
    zone: ZoneInfo
    """Whose wall clock a cron follows."""
    start: datetime | None = None
    """Aware; no tick is before it."""
    end: datetime | None = None
    """Aware; no tick is after it."""

    def __post_init__(self) -> None:
        if bool(self.cron) == (self.interval is not None):
            raise ValueError("a recurrence has either a cron or an interval")
        if self.interval is None:
            parse_cron(self.cron)
        elif self.interval < _MILLISECOND:
            raise ValueError("an interval is at least a millisecond")

    def next_after(self, moment: datetime) -> datetime | None:
        """The first tick later than an aware moment, in UTC; None where there is none.

        Also None where a cron matches nothing for 40 years.
        """
        return next(self._ticks(moment), None)

    def upcoming(self, after: datetime, count: int) -> list[datetime]:
        """The next `count` ticks later than an aware moment, in UTC; fewer where it ends."""
        return list(islice(self._ticks(after), count))

    def latest(self, after: datetime, until: datetime, keep: int) -> tuple[list[datetime], int]:
        """The last `keep` ticks in (after, until], oldest first, and how many there are in all.

        Takes no time for an interval, and about a second per million ticks of a cron.
        """
        if self.interval is not None:
            ticks = self._multiples(after, until)
            last = ticks[max(0, len(ticks) - keep) :]
            return [from_milliseconds(each) for each in last], len(ticks)
        kept: deque[datetime] = deque(maxlen=keep)
        count = 0
        for tick in self._ticks(after, until):
            kept.append(tick)
            count += 1
        return list(kept), count

    def _ticks(self, after: datetime, until: datetime = _LAST_MOMENT) -> Iterator[datetime]:
        if self.interval is not None:
            return map(from_milliseconds, self._multiples(after, until))
        begin, end = self._bounds(after, until)
        first, last = -(-begin // 1000), end // 1000
        if first > last:
            return iter(())
        found = instants(parse_cron(self.cron), self.zone, first, last)
        return (from_milliseconds(instant * 1000) for instant in found)

    def _multiples(self, after: datetime, until: datetime) -> range:
        """An interval's ticks in (after, until], in milliseconds since 1970."""
        assert self.interval is not None
        step = self.interval // _MILLISECOND
        anchor = 0 if self.start is None else _milliseconds_up(self.start)
        first, last = self._bounds(after, until)
        return range(first + (anchor - first) % step, last + 1, step)

    def _bounds(self, after: datetime, until: datetime) -> tuple[int, int]:
        """The first and the last millisecond in (after, until] that may be a tick."""
        first = max(0, to_milliseconds(after) + 1)
        if self.start is not None:
            first = max(first, _milliseconds_up(self.start))
        last = min(to_milliseconds(until), _LAST_MILLISECOND)
        if self.end is not None:
            last = min(last, to_milliseconds(self.end))
        return first, last


def _milliseconds_up(moment: datetime) -> int:
    """Milliseconds since 1970, rounded up."""
    return -((_EPOCH - moment) // _MILLISECOND)
