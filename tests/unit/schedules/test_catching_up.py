"""Which missed ticks are made up: a table against plain counting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from portaria.core.recurrence import Recurrence
from portaria.schedules.catching_up import catch_up
from portaria.v1.schedules_service_pb2 import (
    CATCH_UP_ALL,
    CATCH_UP_NONE,
    CATCH_UP_ONCE,
    Schedule,
)

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MINUTELY = Recurrence(interval=MINUTE, zone=ZoneInfo("UTC"))


@given(
    policy=st.sampled_from([CATCH_UP_NONE, CATCH_UP_ONCE, CATCH_UP_ALL]),
    window=st.integers(1, 7_200),
    most=st.integers(0, 40),
    late=st.integers(0, 9_000),
)
def test_it_is_what_plain_counting_says(policy: int, window: int, most: int, late: int) -> None:
    """Of an outage of any length, with any window."""
    schedule = Schedule(
        catch_up=policy,  # type: ignore[arg-type] # one of them
        catchup_window=Duration(seconds=window),
        max_catch_up=most,
    )
    now = BEGIN + timedelta(seconds=late)

    due = catch_up(schedule, MINUTELY, BEGIN, now)

    missed = [BEGIN + number * MINUTE for number in range(late // 60 + 1)]
    reach = 10 if policy == CATCH_UP_NONE else max(10, window)
    young = [tick for tick in missed if now - tick < timedelta(seconds=reach)]
    wanted = young[-(most or 100) :] if policy == CATCH_UP_ALL else young[-1:]
    assert due.ticks == wanted
    assert due.passed == len(missed) - len(wanted)
    assert due.last == missed[-1]
    assert due.following == missed[-1] + MINUTE


def test_a_tick_that_is_a_moment_late_was_not_missed() -> None:
    """Whatever the policy: a scheduler is never exactly in time."""
    for policy in (CATCH_UP_NONE, CATCH_UP_ONCE, CATCH_UP_ALL):
        schedule = Schedule(catch_up=policy, catchup_window=Duration(seconds=1))

        assert catch_up(schedule, MINUTELY, BEGIN, BEGIN + timedelta(seconds=9)).ticks == [BEGIN]


def test_years_without_a_scheduler_are_counted_in_no_time() -> None:
    """As far back as a window may reach; a cron is walked tick by tick."""
    each_minute = Recurrence(cron="* * * * *", zone=ZoneInfo("America/New_York"))

    due = catch_up(Schedule(), each_minute, BEGIN, BEGIN + timedelta(days=4_000))

    assert due.ticks == [BEGIN + timedelta(days=4_000)]
    assert due.passed == 7 * 24 * 60


def test_the_last_tick_of_all_has_none_after_it() -> None:
    """An end time ends the plan."""
    ending = Recurrence(interval=MINUTE, zone=ZoneInfo("UTC"), end=BEGIN + 2 * MINUTE)

    due = catch_up(Schedule(catch_up=CATCH_UP_ALL), ending, BEGIN, BEGIN + 9 * MINUTE)

    assert due.ticks == [BEGIN, BEGIN + MINUTE, BEGIN + 2 * MINUTE]
    assert due.following is None
