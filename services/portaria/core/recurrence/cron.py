"""Five-field crons, as Vixie's cron reads them: minute, hour, day of month, month, day of week.

Numbers, names of months and days (any case), `*`, `,`, `-` and `/`; Sunday is 0 or 7. Where both
day fields are restricted either is enough; where one of them begins with `*` both must match, so
`0 0 */2 * MON` is the Mondays with an odd date. No seconds, `@daily`, `L`, `W`, `#`, `?` or `H`.
Of the libraries croniter counts `*/2` as restricted and cronsim takes 400 µs for a daily cron.

Local times are whole seconds since 1970-01-01T00:00 on the wall clock, as if it were in UTC.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

DAY = 86_400
EPOCH_DAY = date(1970, 1, 1).toordinal()
_LAST_DAY = date.max.toordinal() - EPOCH_DAY
_LONGEST = 256
MONTH_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_ITEM = re.compile(
    r"(?:(?P<all>\*)|(?P<low>[0-9]{1,2}|[A-Z]{3})(?:-(?P<high>[0-9]{1,2}|[A-Z]{3}))?)"
    r"(?:/(?P<step>[0-9]{1,2}))?"
)


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, MONTHS),
    _Field("day of week", 0, 7, WEEKDAYS),
)


class CronFault(ValueError):
    """Five fields that are none. Each of `texts` is for a person, and holds no word of theirs."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__("; ".join(texts))
        self.texts = texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """What five fields say. All tuples ascend; Sunday is 0."""

    text: str
    """The fields, in capitals, with one blank between them."""
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    fixed_hours: bool
    """Whether the hour field has no `*`: such crons follow the wall clock, others elapsed time."""
    either: bool
    """Whether one of both day fields is enough, as both are restricted."""

    def ever_matches(self) -> bool:
        """Whether there is such a day at all; every date falls on each weekday in its turn."""
        return self.either or any(self.days[0] <= MONTH_LENGTHS[each - 1] for each in self.months)

    def matches(self, first: int, end: int) -> Iterator[int]:
        """The local times in [first, end) that match, ascending; up to the end of year 9999."""
        day, second = divmod(first, DAY)
        minute = -(-second // 60)
        last = min((end - 1) // DAY, _LAST_DAY)
        while (day := self._day_from(day, last)) <= last:
            for each in self._minutes_from(minute if day == first // DAY else 0):
                local = day * DAY + each * 60
                if local >= end:
                    return
                yield local
            day += 1

    def _minutes_from(self, minute: int) -> Iterator[int]:
        """The minutes of a day that match, from one on."""
        hour, rest = divmod(minute, 60)
        for each in self.hours[bisect_left(self.hours, hour) :]:
            skipped = bisect_left(self.minutes, rest) if each == hour else 0
            for one in self.minutes[skipped:]:
                yield each * 60 + one

    def _day_from(self, day: int, last: int) -> int:
        """The first day from `day` on that matches; some day after `last` where there is none."""
        while day <= last:
            on = date.fromordinal(day + EPOCH_DAY)
            if on.month not in self.months:
                day += monthrange(on.year, on.month)[1] - on.day + 1
                continue
            in_month, in_week = on.day in self.days, (day + 4) % 7 in self.weekdays
            if (in_month or in_week) if self.either else (in_month and in_week):
                return day
            day += 1
        return day


@lru_cache(maxsize=1024)
def parse_cron(text: str) -> Cron:
    """What a cron says. Raises CronFault with all that is wrong with it."""
    parts = _split(text)
    faults: list[str] = []
    values: list[tuple[int, ...]] = []
    for field, part in zip(_FIELDS, parts, strict=True):
        try:
            values.append(_read(field, part))
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise CronFault(faults)
    minutes, hours, days, months, weekdays = values
    return Cron(
        text=" ".join(parts),
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=tuple(sorted({each % 7 for each in weekdays})),
        fixed_hours="*" not in parts[1],
        either=not (parts[2].startswith("*") or parts[4].startswith("*")),
    )


_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EXAMPLE = "five fields (minute, hour, day of month, month, day of week) such as `0 2 * * *`"


def _split(text: str) -> list[str]:
    """The five fields, in capitals. Tabs count as blanks, as in a crontab."""
    if len(text) > _LONGEST:
        raise CronFault([f"is longer than {_LONGEST} characters"])
    if not re.fullmatch(r"[\t -~]*", text):
        raise CronFault(["has characters that are not printable ASCII"])
    parts = text.upper().split()
    if not parts:
        raise CronFault([f"is empty: give {_EXAMPLE}"])
    if parts[0].startswith("@"):
        raise CronFault([_alias_fault(parts[0].lower())])
    if len(parts) != len(_FIELDS):
        count = "1 field" if len(parts) == 1 else f"{len(parts)} fields"
        more = "; for less than a minute give an interval" if len(parts) == 6 else ""
        raise CronFault([f"has {count}: give {_EXAMPLE}{more}"])
    return parts


def _alias_fault(alias: str) -> str:
    if alias in _ALIASES:
        return f"is written `{_ALIASES[alias]}` here"
    if alias == "@reboot":
        return "has no moment: what runs at a start belongs to the deployment"
    if alias.startswith("@every"):
        return "is a span: give an interval"
    return f"is a name: write {_EXAMPLE}"


def _read(field: _Field, text: str) -> tuple[int, ...]:
    """The values of one field, ascending. Raises ValueError."""
    found: set[int] = set()
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            names = ", names" if field.names else ""
            allowed = f"numbers{names}, `*`, `,`, `-` and `/`"
            raise ValueError(f"its {field.name} cannot be read: it may have {allowed}")
        found.update(_item(field, match))
    return tuple(sorted(found))


def _item(field: _Field, match: re.Match[str]) -> range:
    step = match["step"]
    if step is not None and not 1 <= int(step) <= field.high:
        more = "; for longer ones give an interval" if field.high in (59, 23) else ""
        raise ValueError(f"its {field.name} has a step out of range: 1 to {field.high}{more}")
    if match["all"]:
        return range(field.low, field.high + 1, int(step or 1))
    low = _value(field, match["low"])
    if match["high"] is None:
        if step is not None:
            # Vixie's ignores such a step, others read `5/15` as `5-59/15`.
            example = f"`*/2` or `{field.low}-{field.high}/2`"
            raise ValueError(f"its {field.name} has a step without a range: write {example}")
        return range(low, low + 1)
    high = _value(field, match["high"])
    if match["high"] == "SUN":
        high = 7  # as it must be in SAT-SUN
    if high < low:
        example = f"`{field.high - 1}-{field.high},{field.low}-{field.low + 1}`"
        raise ValueError(f"its {field.name} has a range that descends: write two, like {example}")
    return range(low, high + 1, int(step or 1))


def _value(field: _Field, text: str) -> int:
    if text in field.names:
        return field.low + field.names.index(text)
    if not text.isdigit():
        allowed = f", {field.names[0]} to {field.names[-1]}" if field.names else ""
        text = f"its {field.name} has an unknown name: {field.low} to {field.high}{allowed}"
        raise ValueError(text)
    if not field.low <= int(text) <= field.high:
        raise ValueError(f"its {field.name} is out of range: {field.low} to {field.high}")
    return int(text)
