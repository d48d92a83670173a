"""The schedules' service, a line a call."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from integration.frontdoor.playing import Door, Refusal, email, refused
from portaria.v1 import schedules_service_pb2 as wire
from portaria.v1.job_pb2 import Job
from portaria.v1.schedules_service_pb2 import Schedule
from portaria.v1.schedules_service_pb2_grpc import SchedulesServiceStub


def schedule(
    schedule_id: str = "nightly", payload: Message | None = None, **given: Any
) -> Schedule:
    """One in which nothing is wrong: a mail each night; `every` is seconds."""
    if "every" in given:
        given["interval"] = seconds(given.pop("every"))
    elif "cron" not in given and "interval" not in given:
        given["cron"] = "0 2 * * *"
    made = Schedule(schedule_id=schedule_id, **given)
    if not made.HasField("spec"):
        made.spec.payload.Pack(payload or email())
    return made


def refusal(deed: Callable[..., object], *arguments: Any, **given: Any) -> Refusal:
    """What a deed that must fail was answered."""
    return refused(lambda timeout: deed(*arguments, **given))


def seconds(count: float) -> Duration:
    """A span."""
    return Duration(seconds=int(count), nanos=round(count % 1 * 1e9))


def stamp(text: str) -> Timestamp:
    """A moment, "2026-11-21T02:00" in UTC."""
    found = Timestamp()
    found.FromDatetime(datetime.fromisoformat(text).replace(tzinfo=UTC))
    return found


class Schedules:
    """What callers do."""

    def __init__(self, door: Door) -> None:
        self.stub = SchedulesServiceStub(door.channel)

    def create(self, made: Schedule | None = None, **given: Any) -> wire.CreateScheduleResponse:
        request = wire.CreateScheduleRequest(schedule=made or schedule(), **given)
        return self.stub.CreateSchedule(request, timeout=5)

    def get(self, schedule_id: str = "nightly") -> Schedule:
        request = wire.GetScheduleRequest(schedule_id=schedule_id)
        return self.stub.GetSchedule(request, timeout=5).schedule

    def list(self, **given: Any) -> wire.ListSchedulesResponse:
        return self.stub.ListSchedules(wire.ListSchedulesRequest(**given), timeout=5)

    def update(self, changed: Schedule, *paths: str, etag: str = "") -> wire.UpdateScheduleResponse:
        changed.etag = etag
        request = wire.UpdateScheduleRequest(schedule=changed, update_mask=FieldMask(paths=paths))
        return self.stub.UpdateSchedule(request, timeout=5)

    def delete(self, schedule_id: str = "nightly", etag: str = "") -> None:
        request = wire.DeleteScheduleRequest(schedule_id=schedule_id, etag=etag)
        self.stub.DeleteSchedule(request, timeout=5)

    def pause(self, schedule_id: str = "nightly", reason: str = "repairs") -> Schedule:
        request = wire.PauseScheduleRequest(schedule_id=schedule_id, reason=reason)
        return self.stub.PauseSchedule(request, timeout=5).schedule

    def resume(self, schedule_id: str = "nightly") -> Schedule:
        request = wire.ResumeScheduleRequest(schedule_id=schedule_id)
        return self.stub.ResumeSchedule(request, timeout=5).schedule

    def trigger(self, schedule_id: str = "nightly", request_id: str = "") -> tuple[Job, bool]:
        request = wire.TriggerScheduleRequest(
            schedule_id=schedule_id, request_id=request_id or uuid.uuid4().hex
        )
        answer = self.stub.TriggerSchedule(request, timeout=5)
        return answer.job, answer.deduplicated

    def preview(self, **given: Any) -> wire.PreviewScheduleResponse:
        return self.stub.PreviewSchedule(wire.PreviewScheduleRequest(**given), timeout=20)

    def runs(self, schedule_id: str = "nightly") -> Sequence[wire.ListScheduleRunsResponse.Run]:
        request = wire.ListScheduleRunsRequest(schedule_id=schedule_id)
        return list(self.stub.ListScheduleRuns(request, timeout=5).runs)
