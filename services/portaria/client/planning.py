"""From what callers say of a schedule to the requests about it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypedDict

from google.protobuf.message import Message

from portaria.client.requests import (
    PriorityName,
    checked_labels,
    duration,
    priority_of,
    spec_of,
    timestamp,
)
from portaria.core.errors import InvalidRequest, Violation
from portaria.v1.job_pb2 import SubmitOptions
from portaria.v1.schedules_service_pb2 import (
    CatchUp,
    OverlapPolicy,
    PreviewScheduleRequest,
    PreviewScheduleResponse,
    Schedule,
    UpdateScheduleRequest,
)

OnWarning = Callable[[str], None]
_PATHS = {"cron": "when", "every": "when", "priority": "spec", "options": "spec"}


class When(TypedDict, total=False):
    """When a schedule ticks: a cron or every so often."""

    cron: str
    """Five fields, "0 2 * * *"."""
    every: timedelta
    time_zone: str
    """Whose wall clock the cron follows, "Africa/Luanda"; by default UTC."""
    start_time: datetime
    end_time: datetime


class Plan(When, total=False):
    """What a schedule says beside its job."""

    overlap: Literal["skip", "allow"]
    """What becomes of a tick while the last run is open; by default it is skipped."""
    catch_up: Literal["none", "once", "all"]
    """What is made up after a time in which no scheduler ran; by default the last tick."""
    max_catch_up: int
    catchup_window: timedelta
    jitter: timedelta
    labels: Mapping[str, str]
    """Of the schedule; those of its jobs are in `options`."""
    options: SubmitOptions
    """Of its jobs."""
    priority: PriorityName
    """Of its jobs."""


@dataclass(frozen=True, slots=True)
class Preview:
    """When a schedule ticks next."""

    times: Sequence[datetime]
    """In UTC."""
    in_words: str
    warnings: Sequence[str]


def schedule_of(schedule_id: str, message: Message | None, plan: Plan) -> Schedule:
    """As the contract has it. Raises InvalidRequest for what the wire could not carry."""
    schedule = when_of(schedule_id, plan)
    schedule.labels.update(checked_labels(plan.get("labels")))
    schedule.max_catch_up = _count(plan.get("max_catch_up") or 0, "schedule.max_catch_up", 1000)
    if overlap := plan.get("overlap"):
        value = _named(OverlapPolicy.items(), f"OVERLAP_POLICY_{overlap}", "schedule.overlap")
        schedule.overlap = OverlapPolicy.ValueType(value)
    if catch_up := plan.get("catch_up"):
        value = _named(CatchUp.items(), f"CATCH_UP_{catch_up}", "schedule.catch_up")
        schedule.catch_up = CatchUp.ValueType(value)
    if (window := plan.get("catchup_window")) is not None:
        schedule.catchup_window.CopyFrom(duration(window))
    if (jitter := plan.get("jitter")) is not None:
        schedule.jitter.CopyFrom(duration(jitter))
    if message is not None:
        schedule.spec.CopyFrom(spec_of(message, _options(plan)))
    return schedule


def when_of(schedule_id: str, plan: When) -> Schedule:
    """A schedule that says when it ticks, and nothing else. Raises InvalidRequest."""
    schedule = Schedule(schedule_id=schedule_id, time_zone=plan.get("time_zone") or "")
    cron, every = plan.get("cron"), plan.get("every")
    if cron is not None and every is not None:
        text = "excludes an interval: give one of them"
        raise InvalidRequest([Violation("schedule.cron", "CONFLICT", text)])
    if cron is not None:
        schedule.cron = cron
    if every is not None:
        schedule.interval.CopyFrom(duration(every))
    if start := plan.get("start_time"):
        schedule.start_time.CopyFrom(timestamp(start, "schedule.start_time"))
    if end := plan.get("end_time"):
        schedule.end_time.CopyFrom(timestamp(end, "schedule.end_time"))
    return schedule


def update_request(
    schedule_id: str, message: Message | None, plan: Plan, clear: Collection[str], etag: str
) -> UpdateScheduleRequest:
    """Changes what is given, and what is to be cleared. Raises InvalidRequest."""
    if message is None and ("options" in plan or "priority" in plan):
        text = "is given as a whole: options go with a payload"
        raise InvalidRequest([Violation("schedule.spec", "REQUIRED", text)])
    paths = [_PATHS.get(name, name) for name in (*plan, *clear)]
    if message is not None:
        paths.append("spec")
    if not paths:
        raise InvalidRequest([Violation("update_mask", "REQUIRED", "names nothing to change")])
    request = UpdateScheduleRequest(schedule=schedule_of(schedule_id, message, plan))
    request.schedule.etag = etag
    request.update_mask.paths.extend(dict.fromkeys(paths))
    return request


def preview_request(
    schedule_id: str, when: When, count: int, after: datetime | None
) -> PreviewScheduleRequest:
    """Of a stored schedule, or of one that is given. Raises InvalidRequest."""
    request = PreviewScheduleRequest(count=_count(count, "count", 1000))
    if when:
        request.schedule.CopyFrom(when_of(schedule_id, when))
    else:
        request.schedule_id = schedule_id
    if after is not None:
        request.after.CopyFrom(timestamp(after, "after"))
    return request


def preview_of(answer: PreviewScheduleResponse) -> Preview:
    """What it says."""
    times = [each.ToDatetime(UTC) for each in answer.times]
    return Preview(times, answer.in_words, list(answer.warnings))


def tell(warnings: Sequence[str], on_warning: OnWarning | None) -> None:
    """Hands each to whoever wants to know."""
    for each in warnings if on_warning else ():
        assert on_warning is not None
        on_warning(each)


def _options(plan: Plan) -> SubmitOptions | None:
    if "options" not in plan and "priority" not in plan:
        return None
    options = SubmitOptions()
    options.MergeFrom(plan.get("options") or SubmitOptions())
    if priority := plan.get("priority"):
        options.priority = priority_of(priority, "schedule.spec.options.priority")
    return options


def _named(values: Sequence[tuple[str, int]], name: str, field: str) -> int:
    found = dict(values).get(name.upper())
    if found is None:
        raise InvalidRequest([Violation(field, "UNKNOWN", "is not a value of its enum")])
    return found


def _count(count: int, field: str, most: int) -> int:
    if not 0 <= count <= most:
        raise InvalidRequest([Violation(field, "OUT_OF_RANGE", f"must be 0 to {most:,}")])
    return count
