"""The spans in which a zone keeps its offset, against a walk through the hours of a year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from portaria.core.recurrence.stretch import stretches

HALF_HOUR = 1800


@pytest.mark.parametrize(
    ("key", "year", "count"),
    [
        ("Africa/Luanda", 2026, 1),
        ("America/New_York", 2026, 3),
        ("America/New_York", 9999, 3),
        ("Australia/Lord_Howe", 2026, 3),
        ("Africa/Casablanca", 2026, 3),
        ("America/Recife", 2000, 4),
        ("Asia/Gaza", 2040, 5),
        ("Pacific/Apia", 2011, 4),
        ("Pacific/Kiritimati", 1994, 2),
        ("Pacific/Kiritimati", 1995, 1),
        ("Kwajalein", 1993, 2),
        ("Antarctica/Casey", 2020, 3),
        ("America/Danmarkshavn", 1996, 2),
        ("Asia/Kathmandu", 1986, 1),
    ],
)
def test_stretches_are_the_year(key: str, year: int, count: int) -> None:
    """Without a hole, each with its one offset; those of 6.9 days, the shortest there are, too."""
    zone = ZoneInfo(key)
    opening = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())

    found = stretches(zone, year)

    assert len(found) == count
    assert found[0].begin == opening
    assert found[-1].end == int(datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()) + 1
    assert [each.end for each in found[:-1]] == [each.begin for each in found[1:]]
    for each in found:
        for instant in range(each.begin, min(each.end, 253_402_214_400), HALF_HOUR):
            local = datetime.fromtimestamp(instant, zone)
            assert local.utcoffset() == timedelta(seconds=each.offset)


def test_what_the_clock_had_shown_before() -> None:
    """An hour less than it shows where one was skipped, an hour more where one comes again."""
    winter, summer, autumn = stretches(ZoneInfo("America/New_York"), 2026)

    assert winter.shown == winter.begin + winter.offset
    assert summer.shown == summer.begin + summer.offset - 3600
    assert autumn.shown == autumn.begin + autumn.offset + 3600
