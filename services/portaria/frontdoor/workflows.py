"""The RPCs of workflows, behind JobsService."""

from __future__ import annotations

from dataclasses import dataclass

from portaria.admission.rules import Rules
from portaria.frontdoor.workflows_reading import WorkflowsReading
from portaria.frontdoor.workflows_retrying import WorkflowRetrying
from portaria.frontdoor.workflows_submitting import WorkflowSubmitter
from portaria.v1.job_pb2 import JOB_STATE_BLOCKED, JOB_VIEW_BASIC
from portaria.v1.workflows_pb2 import (
    GetWorkflowRequest,
    GetWorkflowResponse,
    ListWorkflowsRequest,
    ListWorkflowsResponse,
    RetryWorkflowRequest,
    RetryWorkflowResponse,
    SubmitWorkflowRequest,
    SubmitWorkflowResponse,
    Workflow,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflows:
    """Validates, does one thing, answers the workflow as it stands."""

    rules: Rules
    submitter: WorkflowSubmitter
    reading: WorkflowsReading
    retrying: WorkflowRetrying

    async def submit(self, request: SubmitWorkflowRequest) -> SubmitWorkflowResponse:
        """Raises InvalidRequest, RequestIdReused, AlreadyExists, StoreUnavailable, StoreFull."""
        labels = dict(request.labels)
        submitted = await self.submitter.submit(request)
        if not submitted.workflow_id:
            return SubmitWorkflowResponse(workflow=Workflow(state=JOB_STATE_BLOCKED, labels=labels))
        workflow = await self.reading.get(submitted.workflow_id, JOB_VIEW_BASIC)
        return SubmitWorkflowResponse(workflow=workflow, deduplicated=submitted.is_known)

    async def get(self, request: GetWorkflowRequest) -> GetWorkflowResponse:
        """Raises InvalidRequest, WorkflowNotFound, StoreUnavailable."""
        self.rules.require(request)
        return GetWorkflowResponse(
            workflow=await self.reading.get(request.workflow_id, request.view)
        )

    async def list(self, request: ListWorkflowsRequest) -> ListWorkflowsResponse:
        """Raises InvalidRequest, StoreUnavailable."""
        return await self.reading.page(request)

    async def retry(self, request: RetryWorkflowRequest) -> RetryWorkflowResponse:
        """Raises InvalidRequest, WorkflowNotFound, NotRetryable, StoreUnavailable, StoreFull."""
        self.rules.require(request)
        workflow_id = await self.retrying.retry(request)
        return RetryWorkflowResponse(workflow=await self.reading.get(workflow_id, JOB_VIEW_BASIC))
