"""A job in hand, for asyncio."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Generic, cast

from portaria.client.acting import cancel_requests
from portaria.client.async_calls import AsyncCalls
from portaria.client.handle import ResultT
from portaria.client.requests import get_request
from portaria.client.results import lacks_result, result_of
from portaria.client.watching import WatchOptions
from portaria.v1.job_pb2 import Job
from portaria.v1.jobs_service_pb2 import JobEvent, SubmitJobResponse
from portaria.v1.schedules_service_pb2 import TriggerScheduleResponse


class AsyncHandle(Generic[ResultT]):
    """As Handle; every method that asks the door is awaited."""

    def __init__(
        self,
        calls: AsyncCalls,
        job_id: str,
        answer: SubmitJobResponse | TriggerScheduleResponse | None = None,
        *,
        workflow_id: str = "",
    ) -> None:
        self.id = job_id
        self.submitted: Job | None = answer.job if answer else None
        self.deduplicated = answer.deduplicated if answer else False
        self.workflow_id = workflow_id
        self._calls = calls

    async def get(self, *, full: bool = False) -> Job:
        """As Handle.get."""
        request = get_request(self.id, full=full)
        return (await self._calls.unary(lambda stub: stub.GetJob, request)).job

    async def wait(self, timeout: timedelta | None = None) -> Job:
        """As Handle.wait."""
        return await self._calls.wait(self.id, timeout)

    async def result(self, timeout: timedelta | None = None) -> ResultT:
        """As Handle.result."""
        job = await self.wait(timeout)
        if lacks_result(job):
            job = await self.get(full=True)
        return cast("ResultT", result_of(job))  # what a submit promised for this type

    def watch(
        self,
        *,
        timeout: timedelta | None = None,
        progress_interval: timedelta | None = None,
        include_result: bool = False,
    ) -> AsyncGenerator[JobEvent, None]:
        """As Handle.watch, for `async for`."""
        options = WatchOptions(progress_interval=progress_interval, include_result=include_result)
        return self._calls.watch([self.id], options, timeout)

    async def cancel(self, reason: str = "", *, force: bool = False) -> None:
        """As Handle.cancel."""
        for request in cancel_requests([self.id], {}, reason=reason, force=force):
            await self._calls.unary(lambda stub: stub.CancelJobs, request)

    def __repr__(self) -> str:
        return f"AsyncHandle({self.id!r})"
