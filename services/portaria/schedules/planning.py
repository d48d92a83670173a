"""The next tick of a schedule whose definition changes: what is due stays due."""

from __future__ import annotations

from datetime import datetime, timedelta

from portaria.core.clock import from_milliseconds, to_milliseconds
from portaria.schedules.checking import Checked, ticks_alike
from portaria.store.schedule_records import ScheduleRecord
from portaria.store.schedules import KEEP
from portaria.v1.schedules_service_pb2 import Schedule

_INSTANT = timedelta(milliseconds=1)


def next_tick(
    checked: Checked,
    now: datetime,
    record: ScheduleRecord | None = None,
    before: Schedule | None = None,
) -> int:
    """Milliseconds since 1970 for the store; 0 where there is none, KEEP where the plan stays.

    `before` is the believed definition that `record` has. Ticks that are due by the plan of before
    are judged by the new one: those that it has, too, are caught up as after any outage.
    """
    after = now
    if record is not None and record.next_ms > 0 and record.paused is None:
        if before is not None and ticks_alike(before, checked.schedule):
            return KEEP
        after = min(now, from_milliseconds(record.next_ms) - _INSTANT)
    following = checked.recurrence.next_after(after)
    return to_milliseconds(following) if following else 0
