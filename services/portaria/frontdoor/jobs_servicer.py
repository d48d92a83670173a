"""portaria.v1.JobsService: validate, do one thing, convert. Errors become statuses elsewhere."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from grpc import aio

from portaria.core.errors import InvalidRequest, NotFound
from portaria.frontdoor.convert import Converter
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.rules import Rules
from portaria.frontdoor.submitter import Submitter
from portaria.frontdoor.waiting import Waiting
from portaria.frontdoor.watch import Watches
from portaria.v1.job_pb2 import Job, JobView
from portaria.v1.jobs_service_pb2 import (
    GetJobRequest,
    GetJobResponse,
    SubmitJobRequest,
    SubmitJobResponse,
    WaitJobRequest,
    WaitJobResponse,
    WatchJobsRequest,
)
from portaria.v1.jobs_service_pb2_grpc import JobsServiceServicer

Context = aio.ServicerContext[Any, Any]


class JobsServicer(JobsServiceServicer):
    """The front door's own service."""

    def __init__(
        self,
        *,
        rules: Rules,
        submitter: Submitter,
        store: PromptStore,
        converter: Converter,
        waiting: Waiting,
        watches: Watches,
        namespace: str,
    ) -> None:
        self._rules = rules
        self._submitter = submitter
        self._store = store
        self._converter = converter
        self._waiting = waiting
        self._watches = watches
        self._namespace = namespace

    async def SubmitJob(self, request: SubmitJobRequest, context: Context) -> SubmitJobResponse:
        job, deduplicated = await self._submitter.submit(request)
        return SubmitJobResponse(job=job, deduplicated=deduplicated)

    async def GetJob(self, request: GetJobRequest, context: Context) -> GetJobResponse:
        self._check(request)
        return GetJobResponse(job=await self._job(request.job_id, request.view))

    async def WaitJob(self, request: WaitJobRequest, context: Context) -> WaitJobResponse:
        self._check(request)
        timeout = request.timeout.ToTimedelta() if request.HasField("timeout") else None
        await self._waiting.until_done(
            request.job_id.lower(), timeout=timeout, remaining=context.time_remaining()
        )
        return WaitJobResponse(job=await self._job(request.job_id, request.view))

    async def WatchJobs(  # type: ignore[override] # writes, since a write must be interruptible
        self, request: WatchJobsRequest, context: Context
    ) -> None:
        self._check(request)
        await self._watches.serve(request, context.write)

    def _check(self, request: Message) -> None:
        if wrong := self._rules.check(request):
            raise InvalidRequest(wrong)

    async def _job(self, job_id: str, view: JobView.ValueType) -> Job:
        look = await self._store.look([job_id.lower()])
        record = look.records[0]
        if record is None or record.tag.namespace != self._namespace:
            raise NotFound("no such job, or it was purged")
        return self._converter.job_to_proto(record, look.generation, view)
