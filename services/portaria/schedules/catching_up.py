"""Which ticks are made up after a time in which no scheduler ran."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from portaria.core.recurrence import Recurrence
from portaria.v1.schedules_service_pb2 import (
    CATCH_UP_ALL,
    CATCH_UP_NONE,
    Schedule,
)

DEFAULT_WINDOW = timedelta(days=1)
DEFAULT_MOST = 100
GRACE = timedelta(seconds=10)
"""The last tick is fired whatever the policy where it is no later than that: no scheduler is ever
exactly in time."""
_INSTANT = timedelta(milliseconds=1)
_COUNTED = timedelta(days=7)
"""As far back as any window may reach."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to become of the ticks of a schedule up to now."""

    ticks: list[datetime]
    """That are fired, the oldest first."""
    passed: int
    """How many are passed over: all that were before these."""
    last: datetime
    """The newest of all."""
    following: datetime | None
    """The first one that is not due yet."""


def catch_up(schedule: Schedule, recurrence: Recurrence, first: datetime, now: datetime) -> Due:
    """`first` is the tick that the plan says; it is due. What is passed over is counted for the
    last seven days."""
    window, most = _limits(schedule)
    since = max(first - _INSTANT, now - _COUNTED)
    found, count = recurrence.latest(since, now, most)
    if not recurrence.latest(first - _INSTANT, first, 1)[1]:
        # By other rules of its zone it was one: what was planned is not lost by an update of them.
        found, count = [first, *found][-most:], count + 1
    elif first <= since:
        count += 1
    ticks = [tick for tick in found if tick > now - window]
    last = found[-1] if found else first
    return Due(ticks, count - len(ticks), last, recurrence.next_after(now))


def _limits(schedule: Schedule) -> tuple[timedelta, int]:
    if schedule.catch_up == CATCH_UP_NONE:
        return GRACE, 1
    window = DEFAULT_WINDOW
    if schedule.HasField("catchup_window"):
        window = max(GRACE, schedule.catchup_window.ToTimedelta())
    if schedule.catch_up == CATCH_UP_ALL:
        return window, schedule.max_catch_up or DEFAULT_MOST
    return window, 1
