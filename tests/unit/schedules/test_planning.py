"""The next tick of a schedule whose definition changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from portaria.core.recurrence import Recurrence
from portaria.intake.admission import Prepared
from portaria.schedules.checking import Checked
from portaria.schedules.planning import next_tick
from portaria.store.schedule_records import ScheduleRecord
from portaria.store.schedules import KEEP, Paused
from portaria.v1.job_pb2 import JobSpec
from portaria.v1.schedules_service_pb2 import Schedule

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def schedule(every: timedelta) -> Schedule:
    made = Schedule(schedule_id="nightly")
    made.interval.FromTimedelta(every)
    return made


def checked(every: timedelta) -> Checked:
    recurrence = Recurrence(interval=every, zone=ZoneInfo("UTC"))
    spec: Any = Prepared.__new__(Prepared)  # of no interest here
    return Checked(schedule(every), recurrence, spec, "hash")


def record(next_at: datetime | None, **given: Any) -> ScheduleRecord:
    next_ms = int(next_at.timestamp() * 1000) if next_at else 0
    return ScheduleRecord(
        namespace="default", schedule_id="nightly", revision="r", definition=b"", content_hash="h",
        owner="", release="", error="", next_ms=next_ms, created_ms=1, updated_ms=1, last_tick_ms=0,
        last_job_id="", fired=0, passed=0, **{"paused": None, **given},
    )  # fmt: skip


def moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def test_one_that_ticks_as_before_keeps_its_plan() -> None:
    """Whatever a scheduler has made of it since it was read."""
    before = Schedule()
    before.CopyFrom(schedule(MINUTE))
    before.spec.CopyFrom(JobSpec())

    assert next_tick(checked(MINUTE), NOW, record(NOW - 5 * MINUTE), before) == KEEP


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (None, NOW + MINUTE / 2),
        (record(None), NOW + MINUTE / 2),
        (record(NOW - MINUTE / 2), NOW - MINUTE / 2),
        (record(NOW - 4.5 * MINUTE), NOW - 4.5 * MINUTE),
        (record(NOW + 60 * MINUTE), NOW + MINUTE / 2),
        (record(NOW - 4.5 * MINUTE, paused=Paused("x", "ana", 1)), NOW + MINUTE / 2),
    ],
    ids=["a new one", "one that ended", "due", "long due", "not due", "paused"],
)
def test_what_is_due_stays_due(there: ScheduleRecord | None, expected: datetime) -> None:
    """From its old plan on, as far as that was not over; what a pause held is not wanted."""
    assert moment(next_tick(checked(MINUTE), NOW, there, schedule(2 * MINUTE))) == expected
