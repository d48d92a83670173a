"""A workflow in hand, for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

from google.protobuf.message import Message

from portaria.client.async_calls import AsyncCalls
from portaria.client.async_handle import AsyncHandle
from portaria.client.retries import is_outage
from portaria.client.waiting import Deadline
from portaria.client.watching import WatchOptions
from portaria.client.workflow_handle import PAUSE, in_time
from portaria.client.workflow_requests import (
    TIME_TO_RETRY,
    cancel_workflow_requests,
    get_workflow_request,
    jobs_by_node,
    no_such_node,
    retry_workflow_request,
)
from portaria.core.clock import SystemClock
from portaria.core.errors import PortariaError
from portaria.v1.jobs_service_pb2 import JobEvent
from portaria.v1.workflows_pb2 import Workflow


class AsyncWorkflowHandle:
    """As WorkflowHandle; every method that asks the door is awaited."""

    def __init__(
        self,
        calls: AsyncCalls,
        workflow_id: str,
        *,
        submitted: Workflow | None = None,
        deduplicated: bool = False,
    ) -> None:
        self.workflow_id = workflow_id
        self.submitted = submitted
        self.deduplicated = deduplicated
        self._calls = calls
        self._jobs: dict[str, str] = {}

    async def get(self, *, nodes: bool = False) -> Workflow:
        """As WorkflowHandle.get."""
        request = get_workflow_request(self.workflow_id, nodes=nodes)
        return (await self._calls.unary(lambda stub: stub.GetWorkflow, request)).workflow

    def watch(
        self,
        *,
        timeout: timedelta | None = None,
        progress_interval: timedelta | None = None,
        include_result: bool = False,
    ) -> AsyncGenerator[JobEvent, None]:
        """As WorkflowHandle.watch, for `async for`."""
        options = WatchOptions(
            progress_interval=progress_interval,
            include_result=include_result,
            selection={"workflow_id": self.workflow_id},
        )
        return self._calls.watch((), options, timeout)

    async def wait(self, timeout: timedelta | None = None) -> Workflow:
        """As WorkflowHandle.wait."""
        deadline = Deadline(timeout, SystemClock())
        found = await self._look(deadline)
        while not found.done:
            await self._watch_all(deadline)
            try:
                found = await self._look(deadline)
            except PortariaError as error:
                if not is_outage(error):
                    raise
                continue  # the watch has more patience
            if not found.done:
                await asyncio.sleep(deadline.shorten(PAUSE).total_seconds())
        return found

    async def cancel(self, reason: str = "", *, force: bool = False) -> int:
        """As WorkflowHandle.cancel."""
        requests = cancel_workflow_requests(self.workflow_id, reason=reason, force=force)
        pages = self._calls.pages(lambda stub: stub.CancelJobs, requests)
        return sum([each.count async for each in pages])

    async def retry(self, *, request_id: str | None = None) -> AsyncWorkflowHandle:
        """As WorkflowHandle.retry."""
        request = retry_workflow_request(self.workflow_id, request_id)
        answer = await self._calls.unary(
            lambda stub: stub.RetryWorkflow, request, at_least=TIME_TO_RETRY
        )
        retried = answer.workflow
        return AsyncWorkflowHandle(self._calls, retried.workflow_id, submitted=retried)

    async def job(self, node: str) -> AsyncHandle[Message]:
        """As WorkflowHandle.job."""
        if node not in self._jobs:
            self._jobs = jobs_by_node((await self.get(nodes=True)).nodes)
        if node not in self._jobs:
            raise no_such_node(self.workflow_id, node)
        return AsyncHandle(self._calls, self._jobs[node], workflow_id=self.workflow_id)

    async def _look(self, deadline: Deadline) -> Workflow:
        request = get_workflow_request(self.workflow_id)
        with in_time(deadline, self.workflow_id):
            answer = await self._calls.unary(
                lambda stub: stub.GetWorkflow, request, within=deadline.left()
            )
        return answer.workflow

    async def _watch_all(self, deadline: Deadline) -> None:
        with in_time(deadline, self.workflow_id):
            async for _ in self.watch(timeout=deadline.left()):
                pass

    def __repr__(self) -> str:
        return f"AsyncWorkflowHandle({self.workflow_id!r})"
