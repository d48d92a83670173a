"""portaria.v1.JobsService: validate, do one thing, convert. Errors become statuses elsewhere."""

from __future__ import annotations

from typing import Any

from grpc import aio

from portaria.admission.rules import Rules
from portaria.frontdoor.batch import BatchSubmitter
from portaria.frontdoor.jobs_acting import JobsActing
from portaria.frontdoor.jobs_reading import JobsReading
from portaria.frontdoor.submitter import Submitter
from portaria.frontdoor.types_reading import TypesReading
from portaria.frontdoor.waiting import Waiting
from portaria.frontdoor.watch import Watches
from portaria.frontdoor.workflows import Workflows
from portaria.frontdoor.writing import whole_writes
from portaria.v1.jobs_service_pb2 import (
    BatchGetJobsRequest,
    BatchGetJobsResponse,
    BatchSubmitJobsRequest,
    BatchSubmitJobsResponse,
    CancelJobsRequest,
    CancelJobsResponse,
    DeleteJobsRequest,
    DeleteJobsResponse,
    GetJobRequest,
    GetJobResponse,
    ListJobsRequest,
    ListJobsResponse,
    ListJobTypesRequest,
    ListJobTypesResponse,
    RetryJobsRequest,
    RetryJobsResponse,
    SubmitJobRequest,
    SubmitJobResponse,
    UpdateJobRequest,
    UpdateJobResponse,
    WaitJobRequest,
    WaitJobResponse,
    WatchJobsRequest,
)
from portaria.v1.jobs_service_pb2_grpc import JobsServiceServicer
from portaria.v1.workflows_pb2 import (
    GetWorkflowRequest,
    GetWorkflowResponse,
    ListWorkflowsRequest,
    ListWorkflowsResponse,
    RetryWorkflowRequest,
    RetryWorkflowResponse,
    SubmitWorkflowRequest,
    SubmitWorkflowResponse,
)

Context = aio.ServicerContext[Any, Any]


class JobsServicer(JobsServiceServicer):
    """The front door's own service."""

    def __init__(
        self,
        *,
        rules: Rules,
        submitter: Submitter,
        batches: BatchSubmitter,
        waiting: Waiting,
        watches: Watches,
        acting: JobsActing,
        reading: JobsReading,
        types: TypesReading,
        workflows: Workflows,
    ) -> None:
        self._rules = rules
        self._submitter = submitter
        self._batches = batches
        self._waiting = waiting
        self._watches = watches
        self._acting = acting
        self._reading = reading
        self._types = types
        self._workflows = workflows

    async def SubmitJob(self, request: SubmitJobRequest, context: Context) -> SubmitJobResponse:
        job, deduplicated = await self._submitter.submit(request)
        return SubmitJobResponse(job=job, deduplicated=deduplicated)

    async def BatchSubmitJobs(
        self, request: BatchSubmitJobsRequest, context: Context
    ) -> BatchSubmitJobsResponse:
        return await self._batches.submit(request)

    async def GetJob(self, request: GetJobRequest, context: Context) -> GetJobResponse:
        self._rules.require(request)
        return GetJobResponse(job=await self._reading.get(request.job_id, request.view))

    async def BatchGetJobs(
        self, request: BatchGetJobsRequest, context: Context
    ) -> BatchGetJobsResponse:
        return await self._reading.get_many(request)

    async def ListJobs(self, request: ListJobsRequest, context: Context) -> ListJobsResponse:
        return await self._reading.list(request)

    async def ListJobTypes(
        self, request: ListJobTypesRequest, context: Context
    ) -> ListJobTypesResponse:
        return await self._types.list(request)

    async def WaitJob(self, request: WaitJobRequest, context: Context) -> WaitJobResponse:
        self._rules.require(request)
        timeout = request.timeout.ToTimedelta() if request.HasField("timeout") else None
        await self._waiting.until_done(
            request.job_id.lower(), timeout=timeout, remaining=context.time_remaining()
        )
        return WaitJobResponse(job=await self._reading.get(request.job_id, request.view))

    async def WatchJobs(  # type: ignore[override] # writes, since a write must be interruptible
        self, request: WatchJobsRequest, context: Context
    ) -> None:
        self._rules.require(request)
        await self._watches.serve(request, whole_writes(context))

    async def UpdateJob(self, request: UpdateJobRequest, context: Context) -> UpdateJobResponse:
        return UpdateJobResponse(job=await self._acting.update(request))

    async def CancelJobs(self, request: CancelJobsRequest, context: Context) -> CancelJobsResponse:
        return await self._acting.cancel(request, context.time_remaining())

    async def RetryJobs(self, request: RetryJobsRequest, context: Context) -> RetryJobsResponse:
        return await self._acting.retry(request, context.time_remaining())

    async def DeleteJobs(self, request: DeleteJobsRequest, context: Context) -> DeleteJobsResponse:
        return await self._acting.delete(request, context.time_remaining())

    async def SubmitWorkflow(
        self, request: SubmitWorkflowRequest, context: Context
    ) -> SubmitWorkflowResponse:
        return await self._workflows.submit(request)

    async def GetWorkflow(
        self, request: GetWorkflowRequest, context: Context
    ) -> GetWorkflowResponse:
        return await self._workflows.get(request)

    async def ListWorkflows(
        self, request: ListWorkflowsRequest, context: Context
    ) -> ListWorkflowsResponse:
        return await self._workflows.list(request)

    async def RetryWorkflow(
        self, request: RetryWorkflowRequest, context: Context
    ) -> RetryWorkflowResponse:
        return await self._workflows.retry(request)
