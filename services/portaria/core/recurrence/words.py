"""A recurrence in words. What has none is shown as it is: `cron 3-59/7 2 * * * in UTC`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from portaria.core.recurrence.cron import Cron, parse_cron
from portaria.core.recurrence.recurrence import Recurrence

_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_UNITS = (("hour", 3_600_000), ("minute", 60_000), ("second", 1000))
# More single times or dates than these are no sentence.
_MOST_TIMES = _MOST_DAYS = _MOST_MINUTES = 5
_MOST_RUNS = 4


def in_words(recurrence: Recurrence) -> str:
    """Such as `every day at 02:00 in Africa/Luanda`, with start and end where it has them."""
    if recurrence.interval is not None:
        text = f"every {span(recurrence.interval)}"
    else:
        cron = parse_cron(recurrence.cron)
        zone = recurrence.zone.key
        text = _cron_in_words(cron, zone) or f"cron {cron.text} in {zone}"
    if recurrence.start is not None:
        text += f", from {_moment(recurrence.start)}"
    if recurrence.end is not None:
        text += f", until {_moment(recurrence.end)}"
    return text


def span(interval: timedelta) -> str:
    """What comes after "every": `90 seconds`, `minute`, `24 hours`, `7 days`."""
    milliseconds = interval // timedelta(milliseconds=1)
    days, rest = divmod(milliseconds, 86_400_000)
    # A day by elapsed time is not one by the wall clock, so one is "24 hours".
    if days > 1 and not rest:
        return f"{days} days"
    for unit, length in _UNITS:
        count, rest = divmod(milliseconds, length)
        if not rest:
            return unit if count == 1 else f"{count:,} {unit}s"
    return f"{milliseconds / 1000:,.3f}".rstrip("0") + " seconds"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _cron_in_words(cron: Cron, zone: str) -> str | None:
    days = _days(cron)
    if days is None:
        return None
    times = _times(cron)
    if times is not None:
        return f"{days or 'every day'} at {times} in {zone}"
    rate = _rate(cron)
    if rate is None:
        return None
    if not days and len(cron.hours) == 24 and not rate.startswith("every hour"):
        return rate
    return ", ".join(filter(None, (rate, days, f"in {zone}")))


def _times(cron: Cron) -> str | None:
    """The times of a day, where they are few."""
    if len(cron.hours) * len(cron.minutes) > _MOST_TIMES or _rate_of_day(cron):
        return None
    return listed([_clock(hour, minute) for hour in cron.hours for minute in cron.minutes])


def _rate(cron: Cron) -> str | None:
    """How often within a day, and when in it."""
    every = _minutes_rate(cron.minutes)
    if len(cron.hours) == 24:
        return every or _at_minutes("every hour", cron.minutes)
    hours = _rate_of_day(cron)
    if hours and len(cron.minutes) <= _MOST_MINUTES:
        return _at_minutes(f"every {hours} hours", cron.minutes)
    runs = _runs(cron.hours)
    if every and len(runs) <= _MOST_RUNS:
        spans = [f"from {_clock(low, 0)} to {_clock(high, cron.minutes[-1])}" for low, high in runs]
        return f"{every} {listed(spans)}"
    if len(cron.minutes) > 1:
        return None
    step = cron.hours[1] - cron.hours[0]
    if cron.hours != tuple(range(cron.hours[0], cron.hours[-1] + 1, step)):
        return None
    first, last = (_clock(hour, cron.minutes[0]) for hour in (cron.hours[0], cron.hours[-1]))
    return f"every {'hour' if step == 1 else f'{step} hours'} from {first} to {last}"


def _minutes_rate(minutes: tuple[int, ...]) -> str | None:
    """The rate of minutes that divide the hour, from its beginning."""
    if len(minutes) == 60:
        return "every minute"
    if len(minutes) > 1 and 60 % len(minutes) == 0:
        step = 60 // len(minutes)
        if minutes == tuple(range(0, 60, step)):
            return f"every {step} minutes"
    return None


def _rate_of_day(cron: Cron) -> int | None:
    """The step in hours of `*/6` and the like, where it divides the day."""
    count = len(cron.hours)
    if cron.fixed_hours or not 1 < count < 24 or 24 % count:
        return None
    return 24 // count if cron.hours == tuple(range(0, 24, 24 // count)) else None


def _at_minutes(rate: str, minutes: tuple[int, ...]) -> str | None:
    if len(minutes) > _MOST_MINUTES:
        return None
    return f"{rate}, at minute{'s' * (len(minutes) > 1)} {listed([str(each) for each in minutes])}"


def _days(cron: Cron) -> str | None:
    """On which days; empty for every day, None where there are no words for it."""
    months = _months(cron)
    in_month = _dates(cron, months) if len(cron.days) < 31 else ""
    in_week = _weekdays(cron.weekdays) if len(cron.weekdays) < 7 else ""
    if in_month is None or months is None:
        return None
    of_months = f" of {months}" if months else ""
    if in_month and in_week:
        return f"{in_month} and {in_week}{of_months}" if cron.either else None
    if cron.either or not (in_month or in_week):
        return f"every day{of_months}" if months else ""
    return in_month or f"{in_week}{of_months}"


def _months(cron: Cron) -> str | None:
    if len(cron.months) == 12:
        return ""
    names = [MONTH_NAMES[each - 1] for each in cron.months]
    return _joined(names, cron.months) if len(_runs(cron.months)) <= _MOST_DAYS else None


def _dates(cron: Cron, months: str | None) -> str | None:
    runs = _runs(cron.days)
    if len(runs) == 1 and len(cron.days) > 2:
        days = f"{ordinal(cron.days[0])} to {ordinal(cron.days[-1])}"
    elif len(cron.days) <= _MOST_DAYS:
        days = listed([ordinal(each) for each in cron.days])
    else:
        return None
    return f"on the {days} of {months or 'each month'}"


def _weekdays(weekdays: tuple[int, ...]) -> str:
    # The week of people begins on Monday.
    order = sorted((each - 1) % 7 for each in weekdays)
    names = [_WEEKDAYS[(each + 1) % 7] for each in order]
    words = _joined(names, order)
    return words if " to " in words else f"every {words}"


def _joined(names: Sequence[str], numbers: Sequence[int]) -> str:
    """`Monday to Friday` for three or more in a row, a list otherwise."""
    if len(numbers) > 2 and len(_runs(numbers)) == 1:
        return f"{names[0]} to {names[-1]}"
    return listed(names)


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """The first and the last of each row of numbers without a hole."""
    holes = [(low, high) for low, high in pairwise(numbers) if high - low > 1]
    firsts = [numbers[0], *(high for _, high in holes)]
    lasts = [*(low for low, _ in holes), numbers[-1]]
    return list(zip(firsts, lasts, strict=True))


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `11th`."""
    if number in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def _clock(hour: int, minute: int) -> str:
    return f"{hour:02}:{minute:02}"


def _moment(moment: datetime) -> str:
    shown = moment.astimezone(UTC)
    return f"{shown:%Y-%m-%d %H:%M:%S}".removesuffix(":00") + " UTC"
