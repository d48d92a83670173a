"""Schedules in words, and what is said where something was perhaps not meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from portaria.core.recurrence import Recurrence, in_words, warnings

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EVERY_MINUTE_OF_FOUR_HOURS = (
    "every minute from 00:00 to 00:59, from 06:00 to 06:59, from 12:00 to 12:59"
    " and from 18:00 to 18:59, in UTC"
)


def of_cron(cron: str, zone: str = "UTC", **bounds: datetime) -> Recurrence:
    return Recurrence(cron=cron, zone=ZoneInfo(zone), **bounds)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 2 * * *", "every day at 02:00 in UTC"),
        ("30 8,17 * * *", "every day at 08:30 and 17:30 in UTC"),
        ("0,30 8,17 * * *", "every day at 08:00, 08:30, 17:00 and 17:30 in UTC"),
        ("0 */5 * * *", "every day at 00:00, 05:00, 10:00, 15:00 and 20:00 in UTC"),
        ("0 0,6,12,18 * * *", "every day at 00:00, 06:00, 12:00 and 18:00 in UTC"),
        ("0 2 1-31 * *", "every day at 02:00 in UTC"),
        ("0 2 1-31 * MON", "every day at 02:00 in UTC"),
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("0,30 * * * *", "every 30 minutes"),
        ("*/5 * * * MON-FRI", "every 5 minutes, Monday to Friday, in UTC"),
        ("*/15 9-17 * * *", "every 15 minutes from 09:00 to 17:45, in UTC"),
        ("*/15 9-11,14-17 * * 1-5",
         "every 15 minutes from 09:00 to 11:45 and from 14:00 to 17:45, Monday to Friday, in UTC"),
        ("* 3 * * *", "every minute from 03:00 to 03:59, in UTC"),
        ("* */6 * * *", EVERY_MINUTE_OF_FOUR_HOURS),
        ("0 * * * *", "every hour, at minute 0, in UTC"),
        ("5,35 * * * *", "every hour, at minutes 5 and 35, in UTC"),
        ("0 0-23 * * *", "every hour, at minute 0, in UTC"),
        ("0 */6 * * *", "every 6 hours, at minute 0, in UTC"),
        ("15,45 */2 * * *", "every 2 hours, at minutes 15 and 45, in UTC"),
        ("30 9-17 * * *", "every hour from 09:30 to 17:30, in UTC"),
        ("0 8-18/2 * * MON,WED",
         "every 2 hours from 08:00 to 18:00, every Monday and Wednesday, in UTC"),
        ("30 8,17 * * MON-FRI", "Monday to Friday at 08:30 and 17:30 in UTC"),
        ("0 9 * * 0,6", "every Saturday and Sunday at 09:00 in UTC"),
        ("0 9 * * 5-7", "Friday to Sunday at 09:00 in UTC"),
        ("0 9 * * 7", "every Sunday at 09:00 in UTC"),
        ("0 9 * * 1,3,5", "every Monday, Wednesday and Friday at 09:00 in UTC"),
        ("0 6 1 * *", "on the 1st of each month at 06:00 in UTC"),
        ("0 6 2,15,23 * *", "on the 2nd, 15th and 23rd of each month at 06:00 in UTC"),
        ("0 6 11-13 * *", "on the 11th to 13th of each month at 06:00 in UTC"),
        ("0 6 29 2 *", "on the 29th of February at 06:00 in UTC"),
        ("0 6 1 1,7 *", "on the 1st of January and July at 06:00 in UTC"),
        ("0 6 1 6-8 *", "on the 1st of June to August at 06:00 in UTC"),
        ("0 6 * 6 *", "every day of June at 06:00 in UTC"),
        ("0 6 * 6 MON", "every Monday of June at 06:00 in UTC"),
        ("0 6 13 * FRI", "on the 13th of each month and every Friday at 06:00 in UTC"),
        ("0 6 13 6 FRI", "on the 13th of June and every Friday of June at 06:00 in UTC"),
        ("0 6 13 * *", "on the 13th of each month at 06:00 in UTC"),
        # What would be wrong or long in words.
        ("3-59/7 2 * * *", "cron 3-59/7 2 * * * in UTC"),
        ("*/7 * * * *", "cron */7 * * * * in UTC"),
        ("0 6 */2 * MON", "cron 0 6 */2 * MON in UTC"),
        ("0 6 */15 * MON", "cron 0 6 */15 * MON in UTC"),
        ("0 6 */2 * *", "cron 0 6 */2 * * in UTC"),
        ("0 6 1 */2 *", "cron 0 6 1 */2 * in UTC"),
        ("0 0,1,3,7,12,20 * * *", "cron 0 0,1,3,7,12,20 * * * in UTC"),
        ("1,2,3,4,5,6 * * * *", "cron 1,2,3,4,5,6 * * * * in UTC"),
        ("7,9,33 2,3 * * *", "cron 7,9,33 2,3 * * * in UTC"),
    ],
)  # fmt: skip
def test_a_cron_in_words(cron: str, words: str) -> None:
    """Never wrong: what has no words is shown as the cron that it is."""
    assert in_words(of_cron(cron)) == words


def test_the_zone_is_said() -> None:
    """It is half of what the time means."""
    assert in_words(of_cron("0 2 * * *", "Africa/Luanda")) == "every day at 02:00 in Africa/Luanda"
    assert in_words(of_cron("*/7 * * * *", "America/Sao_Paulo")) == (
        "cron */7 * * * * in America/Sao_Paulo"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "every second"),
        (1.5, "every 1.5 seconds"),
        (1.001, "every 1.001 seconds"),
        (60, "every minute"),
        (90, "every 90 seconds"),
        (300, "every 5 minutes"),
        (3600, "every hour"),
        (5400, "every 90 minutes"),
        (3601, "every 3,601 seconds"),
        (86400, "every 24 hours"),
        (36 * 3600, "every 36 hours"),
        (7 * 86400, "every 7 days"),
    ],
)
def test_an_interval_in_words(seconds: float, words: str) -> None:
    """The largest unit of which it is a multiple. A day of elapsed time is 24 hours."""
    interval = timedelta(seconds=seconds)

    assert in_words(Recurrence(interval=interval, zone=ZoneInfo("Africa/Luanda"))) == words


def test_start_and_end_in_words() -> None:
    """In UTC, whatever the zone."""
    end = datetime(2027, 1, 1, 0, 0, 30, tzinfo=ZoneInfo("Africa/Luanda"))

    assert in_words(of_cron("0 2 * * *", "Africa/Luanda", start=NOW, end=end)) == (
        "every day at 02:00 in Africa/Luanda"
        ", from 2026-11-21 12:00 UTC, until 2026-12-31 23:00:30 UTC"
    )


MATCH_EITHER = (
    "has a day of month and a day of week: it runs on days that match either, not only both"
)
MATCH_BOTH = "has a day field that begins with `*` beside another: it runs on days that match both"
ALSO_FEBRUARY = "February has a 29th, and a run on it, only in leap years"


@pytest.mark.parametrize(
    ("cron", "texts"),
    [
        ("0 2 * * *", []),
        ("* * * * *", []),
        ("* */1 * * *", []),
        ("* */6 * * *",
         ["runs 60 times in each of the hours 0, 6, 12 and 18; did you mean `0 */6 * * *`?"]),
        ("* 3 * * MON", ["runs 60 times in hour 3; did you mean `0 3 * * MON`?"]),
        ("*/5 3 * * *", []),
        ("0 0 13 * FRI", [MATCH_EITHER]),
        ("0 0 */2 * FRI", [MATCH_BOTH]),
        ("0 0 */2 * *", []),
        ("0 0 31 * *",
         ["February, April, June, September and November have no 31st, and no run on it"]),
        ("0 0 15,31 6,7 *", ["June has no 31st, and no run on it"]),
        ("0 0 30 * *", ["February has no 30th, and no run on it"]),
        ("0 0 30 3-12 *", []),
        ("0 0 29 2 *", [ALSO_FEBRUARY]),
        ("0 0 29 * *", [ALSO_FEBRUARY]),
        ("0 0 28-31 * *", []),
        ("0 0 1-31 * *", []),
    ],
)  # fmt: skip
def test_what_was_perhaps_not_meant(cron: str, texts: list[str]) -> None:
    """The bug of `* */6`, days that not all months have, two day fields."""
    assert warnings(of_cron(cron), NOW) == texts


SKIPPED = "America/New_York skips 2027-03-14 02:00 to 03:00: what is due then runs once, at 03:00"
REPEATED = (
    "America/New_York has 2027-11-07 01:00 to 02:00 twice: what is due then runs the first time"
)


@pytest.mark.parametrize(
    ("cron", "texts"),
    [
        ("30 2 * * *", [SKIPPED]),
        ("0 2 * * *", [SKIPPED]),
        ("30 1 * * *", [REPEATED]),
        ("*/10 0-23 * * *", [SKIPPED, REPEATED]),
        ("0 3 * * *", []),
        ("30 2 * * MON", []),
        ("30 2 1 * *", []),
        ("30 * * * *", []),
        ("30 */2 * * *", []),
    ],
)
def test_changes_of_the_clock_within_a_year(cron: str, texts: list[str]) -> None:
    """Only where the schedule is touched by one."""
    assert warnings(of_cron(cron, "America/New_York"), NOW) == texts


def test_changes_of_the_clock_beyond_the_schedule() -> None:
    """One that ends before, or begins after, is not touched."""
    march = datetime(2027, 3, 1, tzinfo=UTC)
    april = datetime(2027, 4, 1, tzinfo=UTC)
    zone = "America/New_York"

    assert warnings(of_cron("30 2 * * *", zone, end=march), NOW) == []
    assert warnings(of_cron("30 2 * * *", zone, start=april), NOW) == [
        SKIPPED.replace("2027-03-14", "2028-03-12")
    ]


def test_midnight_that_is_skipped() -> None:
    """As each spring in Havana."""
    assert warnings(of_cron("0 0 * * *", "America/Havana"), NOW) == [
        "America/Havana skips 2027-03-14 00:00 to 01:00: what is due then runs once, at 01:00",
        "America/Havana has 2027-11-07 00:00 to 01:00 twice: what is due then runs the first time",
    ]


def test_zones_at_the_end_of_time() -> None:
    """A year may be cut off, before 1970 and after 9999."""
    schedule = of_cron("30 2 * * *", "America/New_York")

    assert warnings(schedule, datetime(9999, 12, 1, tzinfo=UTC)) == []
    assert warnings(schedule, datetime(1, 1, 1, tzinfo=UTC)) == [
        SKIPPED.replace("2027-03-14", "1970-04-26")
    ]


@pytest.mark.parametrize(("days", "warned"), [(1, False), (2, True), (7, True)])
def test_long_intervals_have_a_start(days: int, warned: bool) -> None:
    """Or begin on days that nobody has chosen."""
    interval = timedelta(days=days)
    zone = ZoneInfo("UTC")
    text = "has no start_time: it runs at multiples of the interval since 1970-01-01 00:00 UTC"

    assert warnings(Recurrence(interval=interval, zone=zone), NOW) == [text] * warned
    assert warnings(Recurrence(interval=interval, zone=zone, start=NOW), NOW) == []
