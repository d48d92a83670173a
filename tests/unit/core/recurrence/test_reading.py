"""What people write for schedules, and everything that is wrong with it at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portaria.core.errors import Violation
from portaria.core.recurrence import Recurrence, read_recurrence

SECOND = timedelta(seconds=1)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def read(
    cron: str = "",
    interval: timedelta | None = None,
    time_zone: str = "",
    start: datetime | None = None,
    end: datetime | None = None,
) -> Recurrence | list[Violation]:
    return read_recurrence(cron=cron, interval=interval, time_zone=time_zone, start=start, end=end)


def faults(*args: object, **kwargs: object) -> list[tuple[str, str, str]]:
    found = read(*args, **kwargs)  # type: ignore[arg-type]
    assert isinstance(found, list), found
    return [(each.field, each.reason, each.description) for each in found]


@pytest.mark.parametrize(
    ("cron", "normalised"),
    [
        ("0 2 * * *", "0 2 * * *"),
        ("  0\t2  * * * ", "0 2 * * *"),
        ("*/5 8-18/2 1,15 jan-Mar,DEC mon-FRI", "*/5 8-18/2 1,15 JAN-MAR,DEC MON-FRI"),
        ("00 05 * * sat-sun", "00 05 * * SAT-SUN"),
        ("*,5 * * * 0,7", "*,5 * * * 0,7"),
        (",".join(map(str, range(60))) + " * * * *", ",".join(map(str, range(60))) + " * * * *"),
        ("0 0 29 2 *", "0 0 29 2 *"),
        ("0 0 30 2 FRI", "0 0 30 2 FRI"),
        ("0 0 31 2,3 *", "0 0 31 2,3 *"),
    ],
)
def test_five_fields_are_read(cron: str, normalised: str) -> None:
    """In capitals, with one blank between them."""
    found = read(cron)

    assert isinstance(found, Recurrence)
    assert (found.cron, found.interval, found.zone.key) == (normalised, None, "UTC")


FIVE = "five fields (minute, hour, day of month, month, day of week) such as `0 2 * * *`"
LONGER = "; for longer ones give an interval"


@pytest.mark.parametrize(
    ("cron", "texts"),
    [
        ("", [f"is empty: give {FIVE}"]),
        (" \t ", [f"is empty: give {FIVE}"]),
        ("*", [f"has 1 field: give {FIVE}"]),
        ("* * * *", [f"has 4 fields: give {FIVE}"]),
        ("* * * * * *", [f"has 6 fields: give {FIVE}; for less than a minute give an interval"]),
        ("0 0 1 1 * 2026 x", [f"has 7 fields: give {FIVE}"]),
        ("@yearly", ["is written `0 0 1 1 *` here"]),
        ("@annually", ["is written `0 0 1 1 *` here"]),
        ("@monthly", ["is written `0 0 1 * *` here"]),
        ("@weekly", ["is written `0 0 * * 0` here"]),
        (" @Daily ", ["is written `0 0 * * *` here"]),
        ("@midnight", ["is written `0 0 * * *` here"]),
        ("@hourly", ["is written `0 * * * *` here"]),
        ("@reboot", ["has no moment: what runs at a start belongs to the deployment"]),
        ("@every 5m", ["is a span: give an interval"]),
        ("@secret", [f"is a name: write {FIVE}"]),
        ("0 2 * * *\n", ["has characters that are not printable ASCII"]),
        ("0 2 * * \x00", ["has characters that are not printable ASCII"]),
        ("0 2 * *\u00a0*", ["has characters that are not printable ASCII"]),
        ("\u0660 2 * * *", ["has characters that are not printable ASCII"]),
        ("0 0 * * \u017fun", ["has characters that are not printable ASCII"]),
        ("* " * 129, ["is longer than 256 characters"]),
        ("60 * * * *", ["its minute is out of range: 0 to 59"]),
        ("* 24 * * *", ["its hour is out of range: 0 to 23"]),
        ("* * 0 * *", ["its day of month is out of range: 1 to 31"]),
        ("* * 32 * *", ["its day of month is out of range: 1 to 31"]),
        ("* * * 0 *", ["its month is out of range: 1 to 12"]),
        ("* * * 1-13 *", ["its month is out of range: 1 to 12"]),
        ("* * * * 8", ["its day of week is out of range: 0 to 7"]),
        (
            "61 25 32 13 8",
            [
                "its minute is out of range: 0 to 59",
                "its hour is out of range: 0 to 23",
                "its day of month is out of range: 1 to 31",
                "its month is out of range: 1 to 12",
                "its day of week is out of range: 0 to 7",
            ],
        ),
        ("MON * * * *", ["its minute has an unknown name: 0 to 59"]),
        ("* * * MON *", ["its month has an unknown name: 1 to 12, JAN to DEC"]),
        ("* * * * JAN", ["its day of week has an unknown name: 0 to 7, SUN to SAT"]),
        ("*/0 * * * *", [f"its minute has a step out of range: 1 to 59{LONGER}"]),
        ("*/90 * * * *", [f"its minute has a step out of range: 1 to 59{LONGER}"]),
        ("0 */24 * * *", [f"its hour has a step out of range: 1 to 23{LONGER}"]),
        ("0 0 */32 * *", ["its day of month has a step out of range: 1 to 31"]),
        ("5/15 * * * *", ["its minute has a step without a range: write `*/2` or `0-59/2`"]),
        ("0 22-2 * * *", ["its hour has a range that descends: write two, like `22-23,0-1`"]),
        ("0 0 * 12-1 *", ["its month has a range that descends: write two, like `11-12,1-2`"]),
    ],
)  # fmt: skip
def test_what_is_no_cron(cron: str, texts: list[str]) -> None:
    """Every field that is wrong, and what to write instead."""
    assert faults(cron) == [("cron", "CRON_FORMAT", text) for text in texts]


@pytest.mark.parametrize(
    "day", ["L", "15W", "?", "H", "*-5", "5*", "**", "1,", ",", "-1", "1-", "1--5", "+1", "1.5",
            "1/", "/5", "100", "1-2-3", "*/5/2", "٣", "1#2"]
)  # fmt: skip
def test_what_is_no_field(day: str) -> None:
    """Also where other crons know it."""
    found = faults(f"0 0 {day} * *")

    assert [each[:2] for each in found] == [("cron", "CRON_FORMAT")]


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 30-31 2 */2"])
def test_days_that_no_month_has(cron: str) -> None:
    """They are never due, and said to be."""
    text = "never runs: no month that it names has such a day"

    assert faults(cron) == [("cron", "NEVER_FIRES", text)]


@pytest.mark.parametrize(
    "interval", [SECOND, 1.5 * SECOND, timedelta(milliseconds=1001), timedelta(days=366)]
)
def test_intervals_are_read(interval: timedelta) -> None:
    """From a second to a year."""
    found = read(interval=interval)

    assert isinstance(found, Recurrence)
    assert (found.cron, found.interval) == ("", interval)


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (timedelta(), "must be from 1 second to 366 days"),
        (-SECOND, "must be from 1 second to 366 days"),
        (0.1 * SECOND, "must be from 1 second to 366 days"),
        (timedelta(days=366, milliseconds=1), "must be from 1 second to 366 days"),
        (timedelta.max, "must be from 1 second to 366 days"),
        (timedelta(seconds=1, microseconds=1), "must be whole milliseconds"),
    ],
)
def test_what_is_no_interval(interval: timedelta, text: str) -> None:
    """Nothing, negative, too short, too long, too fine."""
    assert faults(interval=interval) == [("interval", "OUT_OF_RANGE", text)]


@pytest.mark.parametrize(
    ("key", "hint", "suggestions"),
    [
        ("America/Sao Paulo", "; did you mean `America/Sao_Paulo`?", ["America/Sao_Paulo"]),
        ("america/sao_paulo", "; did you mean `America/Sao_Paulo`?", ["America/Sao_Paulo"]),
        (" Africa/Luanda", "; did you mean `Africa/Luanda`?", ["Africa/Luanda"]),
        ("Luanda", "; did you mean `Africa/Luanda`?", ["Africa/Luanda"]),
        ("são paulo", "; did you mean `America/Sao_Paulo`?", ["America/Sao_Paulo"]),
        ("UTC+3", "Etc/GMT-3", ["Etc/GMT-3"]),
        ("GMT-03:00", "Etc/GMT+3", ["Etc/GMT+3"]),
        ("+1400", "Etc/GMT-14", ["Etc/GMT-14"]),
        ("UTC-14", ", such as `Africa/Luanda` or `UTC`", []),
        ("Mars/X", ", such as `Africa/Luanda` or `UTC`", []),
        ("localtime", ", such as `Africa/Luanda` or `UTC`", []),
        ("Factory", ", such as `Africa/Luanda` or `UTC`", []),
        ("../../etc/passwd", ", such as `Africa/Luanda` or `UTC`", []),
        ("/usr/share/zoneinfo/UTC", ", such as `Africa/Luanda` or `UTC`", []),
        ("\x00", ", such as `Africa/Luanda` or `UTC`", []),
        (" ", ", such as `Africa/Luanda` or `UTC`", []),
        ("Africa/Luanda" * 5000, ", such as `Africa/Luanda` or `UTC`", []),
    ],
)
def test_what_is_no_zone(key: str, hint: str, suggestions: list[str]) -> None:
    """Only keys of the IANA database, as it writes them; never a file."""
    found = read("0 2 * * *", time_zone=key)

    assert isinstance(found, list)
    [fault] = found
    assert (fault.field, fault.reason) == ("time_zone", "UNKNOWN")
    assert fault.description.startswith("is not a zone of the IANA database")
    assert hint in fault.description
    assert list(fault.suggestions[:1]) == suggestions


def test_two_of_a_city_are_both_told() -> None:
    """Louisville is written in two ways; the first stands in the sentence."""
    found = read("0 2 * * *", time_zone="LOUISVILLE")

    assert isinstance(found, list)
    assert found[0].suggestions == ("America/Kentucky/Louisville", "America/Louisville")


TOO_EARLY = ("end_time", "is before the first run")


@pytest.mark.parametrize(
    ("cron", "start", "end", "fault"),
    [
        ("0 2 * * *", NOON, NOON - SECOND, ("end_time", "is before start_time")),
        ("0 2 * * *", NOON, NOON, TOO_EARLY),
        ("0 2 * * *", None, datetime(1970, 1, 1, 1, tzinfo=UTC), TOO_EARLY),
        ("0 0 29 2 *", NOON, datetime(2028, 2, 28, tzinfo=UTC), TOO_EARLY),
        (
            "0 0 1 1 *",
            datetime(9999, 6, 1, tzinfo=UTC),
            None,
            ("start_time", "nothing follows before the year 10000"),
        ),
    ],
)  # fmt: skip
def test_bounds_that_leave_no_tick(
    cron: str, start: datetime | None, end: datetime | None, fault: tuple[str, str]
) -> None:
    """They never fire, and say why."""
    assert faults(cron, start=start, end=end) == [
        (fault[0], "NEVER_FIRES", f"never runs: {fault[1]}")
    ]


def test_one_tick_is_enough() -> None:
    """At the start, which is the end."""
    assert isinstance(read("0 12 * * *", start=NOON, end=NOON), Recurrence)
    assert isinstance(read(interval=SECOND, start=NOON, end=NOON), Recurrence)


def test_moments_have_a_zone() -> None:
    """Whose 12:00 it is must be said."""
    naive = NOON.replace(tzinfo=None)

    assert faults("0 2 * * *", start=naive, end=naive) == [
        ("start_time", "TIMEZONE_REQUIRED", "needs a time zone"),
        ("end_time", "TIMEZONE_REQUIRED", "needs a time zone"),
    ]


def test_everything_wrong_is_said_at_once() -> None:
    """Not one by one."""
    found = faults("99 * * * *", time_zone="Mars/X", start=NOON, end=NOON - SECOND)

    assert [each[:2] for each in found] == [
        ("cron", "CRON_FORMAT"), ("time_zone", "UNKNOWN"), ("end_time", "NEVER_FIRES")
    ]  # fmt: skip


def test_a_cron_wins_over_an_interval() -> None:
    """Where somebody gives both."""
    found = read("0 2 * * *", interval=timedelta())

    assert isinstance(found, Recurrence)
    assert (found.cron, found.interval) == ("0 2 * * *", None)


def test_no_fault_holds_a_word_of_it() -> None:
    """Who reads the log of refusals reads no values."""
    secret = "s3cret"

    found = [
        *faults(f"{secret} * * {secret} *", time_zone=f"Mars/{secret}"),
        *faults(f"@{secret}"),
        *faults(secret),
    ]

    assert len(found) == 5
    assert secret not in str(found).lower()


FIELDS = st.text("0123456789*/-,?LWH# \t\nMONJANSU@", max_size=12)


@given(
    cron=st.text() | st.lists(FIELDS, min_size=5, max_size=5).map(" ".join),
    interval=st.none() | st.timedeltas(),
    time_zone=st.text() | st.sampled_from(["", "UTC", "Africa/Luanda"]),
    start=st.none() | st.datetimes(timezones=st.sampled_from([None, UTC])),
    end=st.none() | st.datetimes(timezones=st.sampled_from([None, UTC])),
)
def test_nothing_that_is_written_is_an_exception(
    cron: str,
    interval: timedelta | None,
    time_zone: str,
    start: datetime | None,
    end: datetime | None,
) -> None:
    """It is a recurrence that ticks, or violations."""
    found = read(cron, interval, time_zone, start, end)

    if isinstance(found, Recurrence):
        assert found.next_after(datetime.min.replace(tzinfo=UTC)) is not None
    else:
        assert found
