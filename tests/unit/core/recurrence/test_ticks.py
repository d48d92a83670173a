"""The instants of schedules: zones side by side, changes of the clock, bounds, and properties."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portaria.core.recurrence import Recurrence, in_words, read_recurrence, warnings

LAST_MOMENT = datetime.max.replace(tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def of_cron(cron: str, zone: str = "UTC", **bounds: datetime) -> Recurrence:
    return Recurrence(cron=cron, zone=ZoneInfo(zone), **bounds)  # type: ignore[arg-type]


def every(interval: timedelta, **bounds: datetime) -> Recurrence:
    return Recurrence(interval=interval, zone=ZoneInfo("UTC"), **bounds)  # type: ignore[arg-type]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(ticks: list[datetime]) -> list[str]:
    assert all(tick.tzinfo is UTC for tick in ticks)
    return [f"{tick:%m-%d %H:%M:%S}".removesuffix(":00") for tick in ticks]


def test_after_the_last_second_of_all_there_is_no_tick() -> None:
    """The year 10000 is none that a message can name."""
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    recurrence = Recurrence(cron="* * * * *", zone=ZoneInfo("Asia/Tokyo"))

    assert recurrence.next_after(end) is None
    assert recurrence.latest(end, datetime.max.replace(tzinfo=UTC), 5) == ([], 0)


def test_two_zones_in_one_process() -> None:
    """A daily 02:00 is 01:00 UTC in Luanda and 05:00 UTC in São Paulo, both at once."""
    luanda, sao_paulo = (
        of_cron("0 2 * * *", zone) for zone in ("Africa/Luanda", "America/Sao_Paulo")
    )
    after = utc("2026-11-21T17:00")

    both = [(luanda.next_after(after), sao_paulo.next_after(after)) for _ in range(2)]

    assert both == [(utc("2026-11-22T01:00"), utc("2026-11-22T05:00"))] * 2
    assert shown(luanda.upcoming(after, 3)) == ["11-22 01:00", "11-23 01:00", "11-24 01:00"]
    assert shown(sao_paulo.upcoming(after, 3)) == ["11-22 05:00", "11-23 05:00", "11-24 05:00"]


# New York, 2026: 02:00 to 03:00 of 03-08 is skipped at 07:00 UTC; 01:00 to 02:00 of 11-01 is shown
# twice, from 05:00 and from 06:00 UTC.
@pytest.mark.parametrize(
    ("cron", "after", "ticks"),
    [
        ("30 2 * * *", "03-07T12:00", ["03-08 07:00", "03-09 06:30"]),
        ("0,30 2 * * *", "03-07T12:00", ["03-08 07:00", "03-09 06:00", "03-09 06:30"]),
        ("30 2,3 * * *", "03-07T12:00", ["03-08 07:00", "03-08 07:30", "03-09 06:30"]),
        ("0 2-3 * * *", "03-07T12:00", ["03-08 07:00", "03-09 06:00", "03-09 07:00"]),
        ("*/20 0-23 * * *", "03-08T06:30", ["03-08 06:40", "03-08 07:00", "03-08 07:20"]),
        ("59 1 8 3 *", "03-07T12:00", ["03-08 06:59"]),
        ("30 * * * *", "03-08T06:00", ["03-08 06:30", "03-08 07:30"]),
        ("30 */2 * * *", "03-08T05:00", ["03-08 05:30", "03-08 08:30", "03-08 10:30"]),
        ("30 1 * * *", "10-31T12:00", ["11-01 05:30", "11-02 06:30"]),
        ("0 2 * * *", "10-31T12:00", ["11-01 07:00", "11-02 07:00"]),
        ("30 0-23 * * *", "11-01T04:00", ["11-01 04:30", "11-01 05:30", "11-01 07:30"]),
        ("30 * * * *", "11-01T05:00", ["11-01 05:30", "11-01 06:30", "11-01 07:30"]),
        ("30 */1 * * *", "11-01T05:00", ["11-01 05:30", "11-01 06:30", "11-01 07:30"]),
    ],
)  # fmt: skip
def test_gap_and_fold_of_new_york(cron: str, after: str, ticks: list[str]) -> None:
    """Fixed hours follow the wall clock; an hour with `*` goes by elapsed time."""
    found = of_cron(cron, "America/New_York").upcoming(utc(f"2026-{after}"), len(ticks) + 1)

    assert shown(found)[: len(ticks)] == ticks
    assert found == sorted(set(found))


def test_a_tick_at_the_moment_of_a_change_is_found_from_within_it() -> None:
    """07:00 UTC for 02:30, once: not again from 07:00 on."""
    daily = of_cron("30 2 * * *", "America/New_York")

    assert daily.next_after(utc("2026-03-08T06:59:59.999")) == utc("2026-03-08T07:00")
    assert daily.next_after(utc("2026-03-08T07:00")) == utc("2026-03-09T06:30")


def test_intervals_know_no_zone() -> None:
    """An hour is an hour in the night of a change."""
    hourly = Recurrence(interval=timedelta(hours=1), zone=ZoneInfo("America/New_York"))

    found = hourly.upcoming(utc("2026-11-01T04:30"), 3)

    assert shown(found) == ["11-01 05:00", "11-01 06:00", "11-01 07:00"]


@pytest.mark.parametrize(
    ("cron", "zone", "after", "ticks"),
    [
        # Half an hour, at 02:00 local: skipped until 02:30, and from 02:00 back to 01:30.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00", ["10-03 15:30", "10-04 15:15"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-03T20:00", ["04-04 14:45", "04-05 15:15"]),
        ("45 * * * *", "Australia/Lord_Howe", "2026-04-04T14:00",
         ["04-04 14:45", "04-04 15:15", "04-04 16:15"]),
        # Back for Ramadan, on for the rest of the year.
        ("30 2 * * *", "Africa/Casablanca", "2026-02-14T12:00", ["02-15 01:30", "02-16 02:30"]),
        ("30 2 * * *", "Africa/Casablanca", "2026-03-21T12:00", ["03-22 02:00", "03-23 01:30"]),
        # A midnight that is skipped, and an hour before it that is shown twice.
        ("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00", ["11-04 03:00", "11-05 02:00"]),
        ("30 23 * * *", "America/Sao_Paulo", "2019-02-16T12:00", ["02-17 01:30", "02-18 02:30"]),
        # A whole day: what was due on 2011-12-30 runs once, as the 31st begins.
        ("0 */1 30 12 *", "Pacific/Apia", "2011-01-01T00:00", ["12-29 10:00"]),
        ("0 9,12,15 30 12 *", "Pacific/Apia", "2011-01-01T00:00", ["12-30 10:00", "12-29 19:00"]),
        ("0 0 * * *", "Pacific/Apia", "2011-12-28T12:00", ["12-29 10:00", "12-30 10:00"]),
        # At the end of a year, and with seconds.
        ("30 2 1 1 *", "America/Danmarkshavn", "1995-12-31T00:00", ["01-01 03:00", "01-01 02:30"]),
        ("30 0 7 1 *", "Africa/Monrovia", "1972-01-01T00:00", ["01-07 00:44:30", "01-07 00:30"]),
        # In another year than in UTC: the first of January on a Sunday, the last of December.
        ("0 0 1 1 */7", "Pacific/Kiritimati", "2024-01-01T00:00", ["12-31 10:00", "12-31 10:00"]),
        ("0 22 31 12 */7", "Pacific/Pago_Pago", "2024-01-01T00:00", ["01-01 09:00"]),
        ("30 0 7 1 *", "Africa/Monrovia", "1971-01-01T00:00", ["01-07 01:14:30"]),
    ],
)  # fmt: skip
def test_zones_with_odd_changes(cron: str, zone: str, after: str, ticks: list[str]) -> None:
    """Of half an hour, of a day, at midnight, at new year, several a year."""
    found = of_cron(cron, zone).upcoming(utc(after), len(ticks))

    assert shown(found) == ticks


@pytest.mark.parametrize(
    ("cron", "after", "tick"),
    [
        ("0 0 29 2 *", "2096-02-29T00:00", "2104-02-29T00:00"),
        ("0 0 29 2 */7", "2280-03-01T00:00", "2320-02-29T00:00"),
        ("0 0 31 12 *", "9998-12-31T00:00", "9999-12-31T00:00"),
        ("0 0 1 1 *", "9999-01-01T00:00", None),
        ("* * * * *", "9999-12-31T23:59", None),
        ("0 0 30 2 *", "2026-01-01T00:00", None),
        ("* * * * *", "0001-01-01T00:00", "1970-01-01T00:00"),
    ],
)
def test_rare_ticks_and_the_ends_of_time(cron: str, after: str, tick: str | None) -> None:
    """Years away, or none at all: never an exception."""
    assert of_cron(cron).next_after(utc(after)) == (utc(tick) if tick else None)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "America/New_York"])
def test_the_last_tick_there_is(zone: str) -> None:
    """The year 9999 ends in UTC, whatever the wall clocks say."""
    ticks = of_cron("0 * 30,31 12 *", zone).upcoming(utc("9999-12-30T12:00"), 100)

    assert ticks[-1] == utc("9999-12-31T23:00") or zone == "Pacific/Kiritimati"
    assert of_cron("* * * * *", zone).next_after(LAST_MOMENT) is None


@pytest.mark.parametrize(
    ("cron", "days"),
    [
        ("0 0 13 * FRI", [6, 13, 20, 27]),
        ("0 0 */2 * FRI", [13, 27]),
        ("0 0 13,21 * */5", [13]),
        ("0 0 13,20 * 0-6", list(range(1, 31))),
        ("0 0 * * 7,mon", [1, 2, 8, 9, 15, 16, 22, 23, 29, 30]),
        ("0 0 * * SAT-SUN", [1, 7, 8, 14, 15, 21, 22, 28, 29]),
        ("0 0 10-16/3,1 nov *", [1, 10, 13, 16]),
    ],
)
def test_days_are_those_of_vixies_cron(cron: str, days: list[int]) -> None:
    """Either of two restricted fields; both where one of them begins with `*`."""
    ticks = of_cron(cron).latest(utc("2026-10-31T12:00"), utc("2026-11-30T12:00"), 31)[0]

    assert [tick.day for tick in ticks] == days


def test_start_and_end_are_ticks_where_they_match() -> None:
    """Inclusive, both of them."""
    bounds = {"start": utc("2026-11-22T02:00"), "end": utc("2026-11-23T02:00")}

    ticks = of_cron("0 2 * * *", **bounds).upcoming(utc("2020-01-01"), 9)

    assert shown(ticks) == ["11-22 02:00", "11-23 02:00"]


def test_no_tick_within_a_millisecond_before_start_or_after_end() -> None:
    """02:00 is too early for one, too late for the other."""
    late = of_cron("0 2 * * *", start=utc("2026-11-22T02:00:00.000001"))
    early = of_cron("0 2 * * *", end=utc("2026-11-22T01:59:59.999999"))

    assert late.next_after(utc("2020-01-01")) == utc("2026-11-23T02:00")
    assert early.next_after(utc("2026-11-21T12:00")) is None


@pytest.mark.parametrize(
    ("minutes", "start", "after", "ticks"),
    [
        (15, None, "2026-11-21T17:07", ["11-21 17:15", "11-21 17:30"]),
        (15, None, "2026-11-21T17:15", ["11-21 17:30", "11-21 17:45"]),
        (15, "2026-11-21T17:01", "2026-11-21T12:00", ["11-21 17:01", "11-21 17:16"]),
        (15, "1969-12-31T23:58", "1960-01-01T00:00", ["01-01 00:13", "01-01 00:28"]),
        (15, "2026-11-21T17:01", "2026-11-21T17:16", ["11-21 17:31", "11-21 17:46"]),
        (1.5, None, "2026-11-21T17:00", ["11-21 17:01:30", "11-21 17:03"]),
        (7 * 24 * 60, None, "2026-11-21T17:00", ["11-26", "12-03"]),
    ],
)
def test_intervals_are_multiples(
    minutes: float, start: str | None, after: str, ticks: list[str]
) -> None:
    """Of the start, or of 1970-01-01T00:00Z."""
    bounds = {"start": utc(start)} if start else {}

    found = every(timedelta(minutes=minutes), **bounds).upcoming(utc(after), 2)

    assert [text.removesuffix(" 00:00") for text in shown(found)] == ticks


def test_an_interval_does_not_drift_in_a_century() -> None:
    """Counting takes no time, either: 4.5 thousand million ticks."""
    quick = every(timedelta(milliseconds=1001))

    ticks, count = quick.latest(utc("1970-01-01"), utc("2112-01-01"), 2)

    milliseconds = (utc("2112-01-01") - utc("1970-01-01")) // MILLISECOND
    assert count == milliseconds // 1001
    assert (utc("2112-01-01") - ticks[-1]) // MILLISECOND == milliseconds % 1001
    assert ticks[1] - ticks[0] == timedelta(milliseconds=1001)


def test_until_after_the_end_of_time() -> None:
    """The last moment of New York is in the year 10000 of UTC."""
    last = datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))
    hourly = every(timedelta(hours=1), end=last)

    assert hourly.latest(utc("9999-12-31T21:30"), last, 9)[1] == 2
    assert of_cron("0 * * * *", end=last).latest(utc("9999-12-31T21:30"), last, 9)[1] == 2


def test_what_people_say_in_other_zones_is_the_same_moment() -> None:
    """18:00 in Luanda is 17:00 UTC."""
    luanda = datetime(2026, 11, 21, 18, tzinfo=timezone(timedelta(hours=1)))

    assert of_cron("* * * * *").next_after(luanda) == utc("2026-11-21T17:01")


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"cron": "* * * * *", "interval": timedelta(hours=1)},
        {"cron": "*"},
        {"interval": timedelta()},
    ],
)
def test_a_recurrence_that_is_none_is_not_made(parts: dict[str, object]) -> None:
    """Both, neither, no cron, no time."""
    with pytest.raises(ValueError):
        Recurrence(zone=ZoneInfo("UTC"), **parts)  # type: ignore[arg-type]


def field(low: int, high: int) -> st.SearchStrategy[str]:
    numbers = st.integers(low, high)
    ranges = st.tuples(numbers, numbers).map(lambda pair: f"{min(pair)}-{max(pair)}")
    steps = st.builds("{}/{}".format, ranges | st.just("*"), st.integers(1, min(high, 12)))
    items = numbers.map(str) | ranges | steps
    return st.just("*") | st.lists(items, min_size=1, max_size=3).map(",".join)


CRONS = st.tuples(
    field(0, 59), field(0, 23), st.just("*") | field(1, 28), st.just("*") | field(1, 12),
    st.just("*") | field(0, 7),
).map(" ".join)  # fmt: skip
ZONES = st.sampled_from(
    ["UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia",
     "America/Havana", "Asia/Gaza", "Africa/Monrovia"]
)  # fmt: skip
MOMENTS = st.integers(0, 4_102_444_800_000_000).map(
    lambda count: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=count)
)
BOUNDS = st.none() | MOMENTS
RECURRENCES = st.builds(
    Recurrence, cron=CRONS, zone=ZONES.map(ZoneInfo), start=BOUNDS, end=BOUNDS
) | st.builds(
    Recurrence,
    interval=st.integers(1000, 1_000_000_000).map(lambda count: count * MILLISECOND),
    zone=ZONES.map(ZoneInfo),
    start=BOUNDS,
    end=BOUNDS,
)


@given(recurrence=RECURRENCES, after=MOMENTS)
def test_ticks_ascend_one_by_one(recurrence: Recurrence, after: datetime) -> None:
    """Each is the next after the one before, and after a millisecond before itself."""
    ticks = recurrence.upcoming(after, 5)

    moment = after
    for tick in ticks:
        assert moment < tick == recurrence.next_after(moment)
        assert recurrence.next_after(tick - MILLISECOND) == tick
        assert recurrence.start is None or recurrence.start <= tick
        assert recurrence.end is None or tick <= recurrence.end
        assert tick.microsecond % 1000 == 0
        moment = tick
    assert len(ticks) == 5 or recurrence.next_after(moment) is None


@given(recurrence=RECURRENCES, after=MOMENTS, count=st.integers(0, 9), keep=st.integers(0, 9))
def test_the_latest_are_the_last_of_all(
    recurrence: Recurrence, after: datetime, count: int, keep: int
) -> None:
    """As counted one by one, up to and with the last moment."""
    ticks = recurrence.upcoming(after, count)
    until = ticks[-1] if ticks else after

    latest = recurrence.latest(after, until, keep)

    assert latest == (ticks[max(0, len(ticks) - keep) :], len(ticks))


@given(recurrence=RECURRENCES, after=MOMENTS)
def test_whatever_ticks_has_words(recurrence: Recurrence, after: datetime) -> None:
    """One line, and warnings of one line each; and what is written again means the same."""
    lines = [in_words(recurrence), *warnings(recurrence, after)]

    assert all(line.isprintable() and "  " not in line for line in lines)
    if recurrence.next_after(utc("1969-12-31T00:00")) is not None:
        again = read_recurrence(
            cron=recurrence.cron,
            interval=recurrence.interval,
            time_zone=recurrence.zone.key,
            start=recurrence.start,
            end=recurrence.end,
        )
        assert again == recurrence
