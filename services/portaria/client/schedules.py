"""Periodic work: `client.schedules`, blocking and for asyncio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Generator, Iterable, Sequence
from datetime import datetime
from typing import Unpack

from google.protobuf.message import Message

from portaria.client.async_calls import AsyncCalls
from portaria.client.async_handle import AsyncHandle
from portaria.client.calls import Calls
from portaria.client.handle import Handle
from portaria.client.planning import (
    OnWarning,
    Plan,
    Preview,
    When,
    preview_of,
    preview_request,
    schedule_of,
    tell,
    update_request,
)
from portaria.core.ids import new_request_id
from portaria.v1.schedules_service_pb2 import (
    ApplySchedulesRequest,
    ApplySchedulesResponse,
    CreateScheduleRequest,
    DeleteScheduleRequest,
    GetScheduleRequest,
    ListScheduleRunsRequest,
    ListScheduleRunsResponse,
    ListSchedulesRequest,
    ListSchedulesResponse,
    PauseScheduleRequest,
    ResumeScheduleRequest,
    Schedule,
    TriggerScheduleRequest,
)

Run = ListScheduleRunsResponse.Run
Change = ApplySchedulesResponse.Change
_PAGE = 200


class Schedules:
    """The schedules of a door. What names one that is not there raises ScheduleNotFound.

    Whatever changes one raises ScheduleDeclared where it is in a declared list, but for `pause`,
    `resume` and `trigger`, and ScheduleBroken where what is stored of it is not believed.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create(
        self,
        schedule_id: str,
        message: Message,
        *,
        validate_only: bool = False,
        on_warning: OnWarning | None = None,
        **plan: Unpack[Plan],
    ) -> Schedule:
        """Each tick submits `message` from now on; answers what is there where it is the same.

        client.schedules.create(
            "nightly", CleanUp(days=30), cron="0 2 * * *", time_zone="Africa/Luanda"
        )

        `on_warning` is told what is right and still worth a look, such as a fixed hour with any
        minute. With `validate_only` it is checked, and answered as it would be. Raises
        InvalidRequest with everything that is wrong, and ScheduleExists.
        """
        request = CreateScheduleRequest(
            schedule=schedule_of(schedule_id, message, plan), validate_only=validate_only
        )
        answer = self._calls.schedules(lambda stub: stub.CreateSchedule, request)
        tell(answer.warnings, on_warning)
        return answer.schedule

    def get(self, schedule_id: str) -> Schedule:
        """A schedule as it is now."""
        request = GetScheduleRequest(schedule_id=schedule_id)
        return self._calls.schedules(lambda stub: stub.GetSchedule, request).schedule

    def list(self, domain: str = "") -> Generator[Schedule, None, None]:
        """All of them by id, or those whose jobs run in one domain."""
        request = ListSchedulesRequest(page_size=_PAGE, domain=domain)
        for page in self._calls.schedules_pages(lambda stub: stub.ListSchedules, request):
            yield from page.schedules

    def page(self, size: int = 100, *, token: str = "", domain: str = "") -> ListSchedulesResponse:
        """One page of `list`, and how many schedulers live."""
        request = ListSchedulesRequest(page_size=size, page_token=token, domain=domain)
        return self._calls.schedules(lambda stub: stub.ListSchedules, request)

    def update(
        self,
        schedule_id: str,
        message: Message | None = None,
        *,
        clear: Collection[str] = (),
        etag: str = "",
        on_warning: OnWarning | None = None,
        **plan: Unpack[Plan],
    ) -> Schedule:
        """Changes what is given, and nothing else: `message` and its options go together.

        `clear` names fields that are to be as if never given, such as "end_time". With the `etag`
        of a schedule that was read it raises EtagMismatch where somebody changed it since.
        """
        request = update_request(schedule_id, message, plan, clear, etag)
        answer = self._calls.schedules(lambda stub: stub.UpdateSchedule, request)
        tell(answer.warnings, on_warning)
        return answer.schedule

    def delete(self, schedule_id: str, *, etag: str = "") -> None:
        """Forgets a schedule; its jobs stay. `etag` as in `update`."""
        request = DeleteScheduleRequest(schedule_id=schedule_id, etag=etag)
        self._calls.schedules(lambda stub: stub.DeleteSchedule, request)

    def pause(self, schedule_id: str, reason: str) -> Schedule:
        """No tick fires from now on; pausing again replaces the reason."""
        request = PauseScheduleRequest(schedule_id=schedule_id, reason=reason)
        return self._calls.schedules(lambda stub: stub.PauseSchedule, request).schedule

    def resume(self, schedule_id: str) -> Schedule:
        """Ticks fire again from now on; none of the pause is made up."""
        request = ResumeScheduleRequest(schedule_id=schedule_id)
        return self._calls.schedules(lambda stub: stub.ResumeSchedule, request).schedule

    def trigger(self, schedule_id: str, *, request_id: str | None = None) -> Handle[Message]:
        """One run now, also of a paused schedule; its plan stays as it is.

        Raises RunOpen where only one may be open, its metadata names the job, and what `submit`
        raises.
        """
        request = TriggerScheduleRequest(
            schedule_id=schedule_id,
            request_id=new_request_id() if request_id is None else request_id,
        )
        answer = self._calls.schedules(lambda stub: stub.TriggerSchedule, request)
        return Handle(self._calls, answer.job.job_id, answer)

    def preview(
        self,
        schedule_id: str = "",
        *,
        count: int = 10,
        after: datetime | None = None,
        **when: Unpack[When],
    ) -> Preview:
        """The next `count` ticks, at most 1,000, from now or from `after` on, without jitter.

        Of a schedule by its id, or of one that is not stored: preview(cron="0 2 * * *").
        """
        request = preview_request(schedule_id, when, count, after)
        return preview_of(self._calls.schedules(lambda stub: stub.PreviewSchedule, request))

    def runs(self, schedule_id: str) -> Sequence[Run]:
        """What became of its last 50 ticks, the newest first."""
        request = ListScheduleRunsRequest(schedule_id=schedule_id)
        return tuple(self._calls.schedules(lambda stub: stub.ListScheduleRuns, request).runs)

    def apply(
        self,
        owner: str,
        release: str,
        schedules: Iterable[Schedule],
        *,
        force: bool = False,
        validate_only: bool = False,
    ) -> Sequence[Change]:
        """Makes the schedules that `owner` made before those of this list; others are left alone.

        Raises InvalidRequest with everything that is wrong, ScheduleExists, and NewerRelease where
        a newer release was here, unless `force` says that a roll-back is meant.
        """
        request = ApplySchedulesRequest(
            owner=owner,
            release=release,
            schedules=schedules,
            force=force,
            validate_only=validate_only,
        )
        return tuple(self._calls.schedules(lambda stub: stub.ApplySchedules, request).changes)


class AsyncSchedules:
    """As Schedules, for asyncio."""

    def __init__(self, calls: AsyncCalls) -> None:
        self._calls = calls

    async def create(
        self,
        schedule_id: str,
        message: Message,
        *,
        validate_only: bool = False,
        on_warning: OnWarning | None = None,
        **plan: Unpack[Plan],
    ) -> Schedule:
        """As Schedules.create."""
        request = CreateScheduleRequest(
            schedule=schedule_of(schedule_id, message, plan), validate_only=validate_only
        )
        answer = await self._calls.schedules(lambda stub: stub.CreateSchedule, request)
        tell(answer.warnings, on_warning)
        return answer.schedule

    async def get(self, schedule_id: str) -> Schedule:
        """As Schedules.get."""
        request = GetScheduleRequest(schedule_id=schedule_id)
        return (await self._calls.schedules(lambda stub: stub.GetSchedule, request)).schedule

    async def list(self, domain: str = "") -> AsyncGenerator[Schedule, None]:
        """As Schedules.list, for `async for`."""
        request = ListSchedulesRequest(page_size=_PAGE, domain=domain)
        async for page in self._calls.schedules_pages(lambda stub: stub.ListSchedules, request):
            for schedule in page.schedules:
                yield schedule

    async def page(
        self, size: int = 100, *, token: str = "", domain: str = ""
    ) -> ListSchedulesResponse:
        """As Schedules.page."""
        request = ListSchedulesRequest(page_size=size, page_token=token, domain=domain)
        return await self._calls.schedules(lambda stub: stub.ListSchedules, request)

    async def update(
        self,
        schedule_id: str,
        message: Message | None = None,
        *,
        clear: Collection[str] = (),
        etag: str = "",
        on_warning: OnWarning | None = None,
        **plan: Unpack[Plan],
    ) -> Schedule:
        """As Schedules.update."""
        request = update_request(schedule_id, message, plan, clear, etag)
        answer = await self._calls.schedules(lambda stub: stub.UpdateSchedule, request)
        tell(answer.warnings, on_warning)
        return answer.schedule

    async def delete(self, schedule_id: str, *, etag: str = "") -> None:
        """As Schedules.delete."""
        request = DeleteScheduleRequest(schedule_id=schedule_id, etag=etag)
        await self._calls.schedules(lambda stub: stub.DeleteSchedule, request)

    async def pause(self, schedule_id: str, reason: str) -> Schedule:
        """As Schedules.pause."""
        request = PauseScheduleRequest(schedule_id=schedule_id, reason=reason)
        return (await self._calls.schedules(lambda stub: stub.PauseSchedule, request)).schedule

    async def resume(self, schedule_id: str) -> Schedule:
        """As Schedules.resume."""
        request = ResumeScheduleRequest(schedule_id=schedule_id)
        return (await self._calls.schedules(lambda stub: stub.ResumeSchedule, request)).schedule

    async def trigger(
        self, schedule_id: str, *, request_id: str | None = None
    ) -> AsyncHandle[Message]:
        """As Schedules.trigger."""
        request = TriggerScheduleRequest(
            schedule_id=schedule_id,
            request_id=new_request_id() if request_id is None else request_id,
        )
        answer = await self._calls.schedules(lambda stub: stub.TriggerSchedule, request)
        return AsyncHandle(self._calls, answer.job.job_id, answer)

    async def preview(
        self,
        schedule_id: str = "",
        *,
        count: int = 10,
        after: datetime | None = None,
        **when: Unpack[When],
    ) -> Preview:
        """As Schedules.preview."""
        request = preview_request(schedule_id, when, count, after)
        return preview_of(await self._calls.schedules(lambda stub: stub.PreviewSchedule, request))

    async def runs(self, schedule_id: str) -> Sequence[Run]:
        """As Schedules.runs."""
        request = ListScheduleRunsRequest(schedule_id=schedule_id)
        answer = await self._calls.schedules(lambda stub: stub.ListScheduleRuns, request)
        return tuple(answer.runs)

    async def apply(
        self,
        owner: str,
        release: str,
        schedules: Iterable[Schedule],
        *,
        force: bool = False,
        validate_only: bool = False,
    ) -> Sequence[Change]:
        """As Schedules.apply."""
        request = ApplySchedulesRequest(
            owner=owner,
            release=release,
            schedules=schedules,
            force=force,
            validate_only=validate_only,
        )
        answer = await self._calls.schedules(lambda stub: stub.ApplySchedules, request)
        return tuple(answer.changes)
