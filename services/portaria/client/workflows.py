"""Jobs that depend on each other, and the part of each client that hands them in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from datetime import datetime

from google.protobuf.message import Message

from portaria.client.async_calls import AsyncCalls
from portaria.client.async_workflow_handle import AsyncWorkflowHandle
from portaria.client.calls import Calls
from portaria.client.workflow_handle import WorkflowHandle
from portaria.client.workflow_requests import (
    list_workflows_request,
    submit_workflow_request,
    time_to_submit,
)
from portaria.v1.workflows_pb2 import Workflow


class Workflows:
    """The part of Client for workflows."""

    _calls: Calls

    def submit_workflow(
        self,
        root: Message,
        *,
        request_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_success: Message | None = None,
        on_failure: Message | None = None,
        deadline: datetime | None = None,
        validate_only: bool = False,
    ) -> WorkflowHandle:
        """Hands in a tree of steps; when this returns, all of its jobs are on disk.

        client.submit_workflow(chain(Prepare(), step(Process(), node="work"), Report()))

        Repeats itself while the door is away, under one request_id, so that it makes one workflow
        at most. `labels` are put on each job that has not the same one. The end of the last job
        submits `on_success` where the workflow SUCCEEDED, `on_failure` where it FAILED, and neither
        where it was CANCELLED: payloads, or whole JobSpecs. No job starts or runs past `deadline`.
        With `validate_only` it is checked, and its handle has no id. May take 1 ms per job where
        that is longer than the client's timeout. Raises what `submit` raises, fields by their path:
        `root.chain.steps[1].job.payload.to`.
        """
        request = submit_workflow_request(
            root,
            request_id=request_id,
            labels=labels,
            on_success=on_success,
            on_failure=on_failure,
            deadline=deadline,
            validate_only=validate_only,
        )
        answer = self._calls.unary(
            lambda stub: stub.SubmitWorkflow, request, at_least=time_to_submit(request.root)
        )
        made = answer.workflow
        return WorkflowHandle(
            self._calls, made.workflow_id, submitted=made, deduplicated=answer.deduplicated
        )

    def workflow(self, workflow_id: str) -> WorkflowHandle:
        """The handle of a workflow or batch that was submitted earlier; asks nobody."""
        return WorkflowHandle(self._calls, workflow_id)

    def list_workflows(
        self, *, labels: Mapping[str, str] | None = None, only_open: bool = False
    ) -> Generator[Workflow, None, None]:
        """Workflows and batches, the newest first; asks for the next page when it is needed."""
        request = list_workflows_request(labels, only_open=only_open)
        for answer in self._calls.pages(lambda stub: stub.ListWorkflows, [request]):
            yield from answer.workflows


class AsyncWorkflows:
    """The part of AsyncClient for workflows: as Workflows."""

    _calls: AsyncCalls

    async def submit_workflow(
        self,
        root: Message,
        *,
        request_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_success: Message | None = None,
        on_failure: Message | None = None,
        deadline: datetime | None = None,
        validate_only: bool = False,
    ) -> AsyncWorkflowHandle:
        """As Client.submit_workflow: `on_success` where the workflow SUCCEEDED, `on_failure` where
        it FAILED, neither where it was CANCELLED.
        """
        request = submit_workflow_request(
            root,
            request_id=request_id,
            labels=labels,
            on_success=on_success,
            on_failure=on_failure,
            deadline=deadline,
            validate_only=validate_only,
        )
        answer = await self._calls.unary(
            lambda stub: stub.SubmitWorkflow, request, at_least=time_to_submit(request.root)
        )
        made = answer.workflow
        return AsyncWorkflowHandle(
            self._calls, made.workflow_id, submitted=made, deduplicated=answer.deduplicated
        )

    def workflow(self, workflow_id: str) -> AsyncWorkflowHandle:
        """As Client.workflow."""
        return AsyncWorkflowHandle(self._calls, workflow_id)

    async def list_workflows(
        self, *, labels: Mapping[str, str] | None = None, only_open: bool = False
    ) -> AsyncGenerator[Workflow, None]:
        """As Client.list_workflows, for `async for`."""
        request = list_workflows_request(labels, only_open=only_open)
        async for answer in self._calls.pages(lambda stub: stub.ListWorkflows, [request]):
            for workflow in answer.workflows:
                yield workflow
