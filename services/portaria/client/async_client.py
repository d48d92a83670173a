"""The client for asyncio."""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Self, Unpack

from google.protobuf.message import Message

from portaria.client.acting import AsyncActing
from portaria.client.admin import AsyncOperations
from portaria.client.async_calls import AsyncCalls
from portaria.client.async_handle import AsyncHandle
from portaria.client.channel import address_or_default
from portaria.client.client import DEFAULT_PATIENCE, DEFAULT_TIMEOUT
from portaria.client.many import MOST_JOBS, Chunk, Chunks, ManyJob, OnError, chunks_of
from portaria.client.reading import AsyncReading
from portaria.client.requests import PriorityName, get_request, submit_request
from portaria.client.schedules import AsyncSchedules
from portaria.client.selecting import Lasting
from portaria.client.tls import Tls, pem_or_default
from portaria.client.watching import WatchOptions
from portaria.client.workflows import AsyncWorkflows
from portaria.core.errors import PortariaError
from portaria.v1.job_pb2 import Job, SubmitOptions
from portaria.v1.jobs_service_pb2 import JobEvent


class AsyncClient(AsyncOperations, AsyncActing, AsyncReading, AsyncWorkflows):
    """As Client; belongs to the event loop of its first call."""

    def __init__(
        self,
        address: str | None = None,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        patience: timedelta = DEFAULT_PATIENCE,
        tls: Tls | None = None,
    ) -> None:
        self._calls = AsyncCalls(
            address_or_default(address),
            timeout=timeout,
            patience=patience,
            pem=pem_or_default(tls),
        )
        self.schedules = AsyncSchedules(self._calls)

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
        on_success: Message | None = None,
        on_failure: Message | None = None,
        on_retry: Message | None = None,
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
            on_success=on_success,
            on_failure=on_failure,
            on_retry=on_retry,
        )
        answer = await self._calls.unary(lambda stub: stub.SubmitJob, request)
        return AsyncHandle(self._calls, answer.job.job_id, answer)

    async def submit_many(
        self,
        jobs: Iterable[ManyJob] | AsyncIterable[ManyJob],
        *,
        chunk: int = MOST_JOBS,
        labels: Mapping[str, str] | None = None,
        request_id: str | None = None,
        on_error: OnError | None = None,
    ) -> AsyncGenerator[AsyncHandle[Message], None]:
        """As Client.submit_many, for `async for`; takes its jobs from either kind of iterable."""
        collecting = Chunks(size=chunk, labels=labels, request_id=request_id, on_error=on_error)
        async for each in _chunks(jobs, collecting):
            try:
                answer = await self._calls.unary(lambda stub: stub.BatchSubmitJobs, each.request)
            except PortariaError as error:
                raise each.refused(error) from None
            for job_id in each.accepted(answer, on_error):
                yield AsyncHandle(self._calls, job_id, workflow_id=answer.workflow_id)

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
        **selection: Unpack[Lasting],
    ) -> AsyncGenerator[JobEvent, None]:
        """As Client.watch, for `async for`."""
        options = WatchOptions(
            cursor=cursor,
            progress_interval=progress_interval,
            include_result=include_result,
            selection=selection,
        )
        return self._calls.watch(job_ids, options, timeout)

    async def close(self) -> None:
        """As Client.close."""
        await self._calls.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def _chunks(
    jobs: Iterable[ManyJob] | AsyncIterable[ManyJob], collecting: Chunks
) -> AsyncGenerator[Chunk, None]:
    if isinstance(jobs, Iterable):
        for chunk in chunks_of(jobs, collecting):
            yield chunk
        return
    async for job in jobs:
        for chunk in collecting.add(job):
            yield chunk
    for chunk in collecting.rest():
        yield chunk
