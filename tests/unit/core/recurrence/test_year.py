"""A year of ticks of 60 random crons against a walk through every minute of it.

The walk knows nothing of the code that it checks: it reads the wall clock minute by minute, and has
a matcher of its own.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import groupby
from random import Random
from zoneinfo import ZoneInfo

import pytest

from portaria.core.recurrence import Recurrence

MINUTES_OF_DAY = 24 * 60
EPOCH_DAY = date(1970, 1, 1).toordinal()
CRONS = 10  # a zone


def values(text: str, low: int, high: int) -> set[int]:
    """Those of one field."""
    found: set[int] = set()
    for item in text.split(","):
        span, _, step = item.partition("/")
        first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
        found |= set(range(int(first), int(last or first) + 1, int(step or 1)))
    return found


def walk(zone: ZoneInfo, year: int) -> list[tuple[int, int]]:
    """Each minute of a year of UTC, and what the wall clock shows: minutes since 1970, both."""
    first = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
    last = int(datetime(year + 1, 1, 1, tzinfo=UTC).timestamp())
    pairs = []
    for second in range(first, last, 60):
        offset = datetime.fromtimestamp(second, zone).utcoffset()
        assert offset is not None
        pairs.append((second // 60, (second + offset.days * 86400 + offset.seconds) // 60))
    return pairs


def expected(cron: str, days: list[tuple[int, list[tuple[int, int]]]]) -> list[int]:
    """The minutes of a walk, grouped by local day, in which a cron runs."""
    minute, hour, day_of_month, month, day_of_week = cron.split()
    of_day = {
        each_hour * 60 + each for each_hour in values(hour, 0, 23) for each in values(minute, 0, 59)
    }
    in_week = {each % 7 for each in values(day_of_week, 0, 7)}

    def runs_on(day: int) -> bool:
        on = date.fromordinal(day + EPOCH_DAY)
        both = [on.day in values(day_of_month, 1, 31), on.isoweekday() % 7 in in_week]
        enough = all if "*" in (day_of_month[0], day_of_week[0]) else any
        return on.month in values(month, 1, 12) and enough(both)

    ticks: list[int] = []
    ran: set[int] = set()
    before = days[0][1][0][1] - 1
    for day, minutes in days:
        runs = runs_on(day)
        if minutes[0][1] > before + 1 or minutes[-1][1] - minutes[0][1] != len(minutes) - 1:
            ticks += slowly(minutes, before, of_day, runs_on, ran, fixed="*" not in hour)
        elif runs:
            due = [pair for pair in minutes if pair[1] % MINUTES_OF_DAY in of_day]
            ticks += [instant for instant, local in due if "*" in hour or local not in ran]
            ran |= {local for _, local in due}
        before = minutes[-1][1]
    return ticks


def slowly(minutes, before, of_day, runs_on, ran, *, fixed):  # type: ignore[no-untyped-def]
    """A day on which the clock was changed."""
    for instant, local in minutes:
        shown = range(before + 1, local + 1) if fixed and local > before else [local]
        due = {
            each
            for each in shown
            if each % MINUTES_OF_DAY in of_day and runs_on(each // MINUTES_OF_DAY)
        }
        if due - ran if fixed else due:
            yield instant
        ran |= due
        before = local


def random_field(random: Random, low: int, high: int, *, star: float) -> str:
    if random.random() < star:
        return "*"
    number, other = sorted(random.sample(range(low, high + 1), 2))
    step = random.randint(2, max(2, high // 3))
    return random.choice(
        [str(number), f"{number},{other}", f"{number}-{other}", f"*/{step}",
         f"{number}-{other}/{step}", f"{other},{number}-{other}/{step}"]
    )  # fmt: skip


def random_cron(random: Random) -> str:
    return " ".join(
        [
            random_field(random, 0, 59, star=0.1),
            random_field(random, 0, 23, star=0.3),
            random_field(random, 1, 31, star=0.5),
            random_field(random, 1, 12, star=0.7),
            random_field(random, 0, 7, star=0.5),
        ]
    )


@pytest.mark.parametrize(
    ("key", "year"),
    [
        ("America/New_York", 2026),
        ("Australia/Lord_Howe", 2026),
        ("Africa/Casablanca", 2026),
        ("America/Sao_Paulo", 2018),
        ("Pacific/Apia", 2011),
        ("Antarctica/Casey", 2010),
    ],
)
def test_a_year_of_random_crons(key: str, year: int) -> None:
    """Every tick and no other, through each change of the clock."""
    zone = ZoneInfo(key)
    minutes = walk(zone, year)
    days = [
        (day, list(group))
        for day, group in groupby(minutes, lambda pair: pair[1] // MINUTES_OF_DAY)
    ]
    random = Random(f"{key} {year}")
    after = datetime.fromtimestamp(minutes[0][0] * 60 - 1, UTC)
    until = datetime.fromtimestamp(minutes[-1][0] * 60, UTC)

    for _ in range(CRONS):
        cron = random_cron(random)

        ticks, count = Recurrence(cron=cron, zone=zone).latest(after, until, 10**6)

        assert [int(tick.timestamp()) // 60 for tick in ticks] == expected(cron, days), cron
        assert count == len(ticks)
