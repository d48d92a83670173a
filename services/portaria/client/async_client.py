"""The client for asyncio."""

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime, timedelta
from typing import Self

from google.protobuf.message import Message

from portaria.client.async_calls import AsyncCalls
from portaria.client.async_handle import AsyncHandle
from portaria.client.channel import address_or_default
from portaria.client.client import DEFAULT_PATIENCE, DEFAULT_TIMEOUT
from portaria.client.requests import PriorityName, get_request, submit_request
from portaria.client.watching import WatchOptions
from portaria.v1.job_pb2 import Job, SubmitOptions
from portaria.v1.jobs_service_pb2 import JobEvent


class AsyncClient:
    """As Client; belongs to the event loop of its first call."""

    def __init__(
        self,
        address: str | None = None,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> None:
        self._calls = AsyncCalls(address_or_default(address), timeout=timeout, patience=patience)

    @property
    def address(self) -> str:
        """Where the door is."""
        return self._calls.address

    async def submit(
        self,
        message: Message,
        *,
        options: SubmitOptions | None = None,
        request_id: str | None = None,
        priority: PriorityName | None = None,
        delay: timedelta | None = None,
        run_time: datetime | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> AsyncHandle[Message]:
        """As Client.submit."""
        request = submit_request(
            message,
            options=options,
            request_id=request_id,
            priority=priority,
            delay=delay,
            run_time=run_time,
            labels=labels,
        )
        answer = await self._calls.unary(lambda stub: stub.SubmitJob, request)
        return AsyncHandle(self._calls, answer.job.job_id, answer)

    def handle(self, job_id: str) -> AsyncHandle[Message]:
        """As Client.handle."""
        return AsyncHandle(self._calls, job_id)

    async def get(self, job_id: str, *, full: bool = False) -> Job:
        """As Client.get."""
        request = get_request(job_id, full=full)
        return (await self._calls.unary(lambda stub: stub.GetJob, request)).job

    def watch(
        self,
        *job_ids: str,
        cursor: str = "",
        timeout: timedelta | None = None,
        progress_interval: timedelta | None = None,
        include_result: bool = False,
    ) -> AsyncGenerator[JobEvent, None]:
        """As Client.watch, for `async for`."""
        options = WatchOptions(
            cursor=cursor, progress_interval=progress_interval, include_result=include_result
        )
        return self._calls.watch(job_ids, options, timeout)

    async def close(self) -> None:
        """As Client.close."""
        await self._calls.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
