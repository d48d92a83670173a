"""portaria.v1.SchedulesService: each RPC is one call. Errors become statuses elsewhere."""

from __future__ import annotations

from typing import Any

from grpc import aio

from portaria.admission.rules import Rules
from portaria.frontdoor.schedules_acting import SchedulesActing
from portaria.frontdoor.schedules_applying import SchedulesApplying
from portaria.frontdoor.schedules_reading import SchedulesReading
from portaria.frontdoor.schedules_writing import SchedulesWriting
from portaria.v1.schedules_service_pb2 import (
    ApplySchedulesRequest,
    ApplySchedulesResponse,
    CreateScheduleRequest,
    CreateScheduleResponse,
    DeleteScheduleRequest,
    DeleteScheduleResponse,
    GetScheduleRequest,
    GetScheduleResponse,
    ListScheduleRunsRequest,
    ListScheduleRunsResponse,
    ListSchedulesRequest,
    ListSchedulesResponse,
    PauseScheduleRequest,
    PauseScheduleResponse,
    PreviewScheduleRequest,
    PreviewScheduleResponse,
    ResumeScheduleRequest,
    ResumeScheduleResponse,
    TriggerScheduleRequest,
    TriggerScheduleResponse,
    UpdateScheduleRequest,
    UpdateScheduleResponse,
)
from portaria.v1.schedules_service_pb2_grpc import SchedulesServiceServicer

Context = aio.ServicerContext[Any, Any]


class SchedulesServicer(SchedulesServiceServicer):
    """Periodic work, as people and services see it."""

    def __init__(
        self,
        *,
        rules: Rules,
        reading: SchedulesReading,
        writing: SchedulesWriting,
        acting: SchedulesActing,
        applying: SchedulesApplying,
    ) -> None:
        self._rules = rules
        self._reading = reading
        self._writing = writing
        self._acting = acting
        self._applying = applying

    async def CreateSchedule(
        self, request: CreateScheduleRequest, context: Context
    ) -> CreateScheduleResponse:
        return await self._writing.create(request)

    async def GetSchedule(
        self, request: GetScheduleRequest, context: Context
    ) -> GetScheduleResponse:
        self._rules.require(request)
        return GetScheduleResponse(schedule=await self._reading.get(request.schedule_id))

    async def ListSchedules(
        self, request: ListSchedulesRequest, context: Context
    ) -> ListSchedulesResponse:
        return await self._reading.page(request)

    async def UpdateSchedule(
        self, request: UpdateScheduleRequest, context: Context
    ) -> UpdateScheduleResponse:
        return await self._writing.update(request)

    async def DeleteSchedule(
        self, request: DeleteScheduleRequest, context: Context
    ) -> DeleteScheduleResponse:
        await self._writing.delete(request)
        return DeleteScheduleResponse()

    async def PauseSchedule(
        self, request: PauseScheduleRequest, context: Context
    ) -> PauseScheduleResponse:
        return PauseScheduleResponse(schedule=await self._acting.pause(request))

    async def ResumeSchedule(
        self, request: ResumeScheduleRequest, context: Context
    ) -> ResumeScheduleResponse:
        return ResumeScheduleResponse(schedule=await self._acting.resume(request))

    async def TriggerSchedule(
        self, request: TriggerScheduleRequest, context: Context
    ) -> TriggerScheduleResponse:
        job, deduplicated = await self._acting.trigger(request)
        return TriggerScheduleResponse(job=job, deduplicated=deduplicated)

    async def PreviewSchedule(
        self, request: PreviewScheduleRequest, context: Context
    ) -> PreviewScheduleResponse:
        return await self._reading.preview(request)

    async def ListScheduleRuns(
        self, request: ListScheduleRunsRequest, context: Context
    ) -> ListScheduleRunsResponse:
        self._rules.require(request)
        return await self._reading.runs(request.schedule_id)

    async def ApplySchedules(
        self, request: ApplySchedulesRequest, context: Context
    ) -> ApplySchedulesResponse:
        return await self._applying.apply(request)
