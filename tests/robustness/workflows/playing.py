"""Hands workflows in, does to them what their cases say, and brings back all that was told."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import grpc

from portaria.client import AsyncClient
from portaria.v1.job_pb2 import Job, JobView
from portaria.v1.jobs_service_pb2 import (
    CancelJobsRequest,
    JobSelector,
    ListJobsRequest,
)
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub
from portaria.v1.workflows_pb2 import (
    GetWorkflowRequest,
    RetryWorkflowRequest,
    Step,
    SubmitWorkflowRequest,
    Workflow,
)
from robustness.watched import Watch, sight_of
from robustness.workflows.diary import Line, read
from robustness.workflows.growing import Cancel, Case
from robustness.workflows.model import places

_PASSING = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
)
"""What a door may answer while parts of the system are away; the call is repeated."""
_CALL = 5.0
_PAUSE = 0.05


@dataclass(slots=True)
class Run:
    """One run of a workflow: the first one, or a retry."""

    workflow: Workflow
    """As it was answered to whoever handed it in; in the end with all of its nodes."""
    watch: Watch
    cursor: str = ""
    """Of the first answer."""
    looks: list[Workflow] = field(default_factory=list)
    """Taken while it ran."""
    jobs: dict[str, Job] = field(default_factory=dict)
    """id -> in the end."""
    seconds: float = 0.0
    """Until its last job was told to have ended."""


@dataclass(slots=True)
class Played:
    """One case, and what became of it."""

    case: Case
    runs: list[Run] = field(default_factory=list)
    retry_refused: str = ""
    """The reason, where it was."""
    error: str = ""
    """What broke it off."""

    @property
    def lines(self) -> list[Line]:
        """What its jobs have written by now."""
        return read(Path(self.case.diary))


class Player:
    """Plays cases against some doors. A context; of one event loop."""

    def __init__(self, doors: Sequence[str], *, patience: float) -> None:
        self._patience = patience
        target, options = f"ipv4:{','.join(doors)}", [("grpc.lb_policy_name", "round_robin")]
        self._channel = grpc.aio.insecure_channel(target, options=options)
        self._stub: Any = JobsServiceStub(self._channel)
        self._client = AsyncClient(",".join(doors))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()
        await self._channel.close()

    async def play(self, case: Case) -> Played:
        """From the submission to the last look."""
        played = Played(case)
        try:
            async with asyncio.timeout(self._patience):
                await self._play(played)
        except TimeoutError:
            played.error = f"not over after {self._patience:g} s"
        except grpc.aio.AioRpcError as error:
            played.error = f"{error.code().name}: {error.details()}"
        return played

    async def _play(self, played: Played) -> None:
        case, request = played.case, type(played.case.request)()
        request.CopyFrom(case.request)
        answer = await self._submit(request, case.limit)
        await self._follow(played, answer.workflow, case.cancel)
        if not case.is_retried:
            return
        again = RetryWorkflowRequest(
            workflow_id=answer.workflow.workflow_id, request_id=f"{request.request_id}/again"
        )
        try:
            answer = await self._call("RetryWorkflow", again)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                raise
            played.retry_refused = error.details() or "refused"
            return
        await self._follow(played, answer.workflow, None)

    async def _submit(self, request: SubmitWorkflowRequest, limit: timedelta | None) -> Any:
        while limit is not None:
            request.deadline.FromDatetime(datetime.now(UTC) + limit)
            try:
                return await self._call("SubmitWorkflow", request)
            except grpc.aio.AioRpcError as error:
                # It may have taken too long until it was looked at.
                if not (error.details() or "").startswith("deadline: must be greater than now"):
                    raise
        return await self._call("SubmitWorkflow", request)

    async def _follow(self, played: Played, workflow: Workflow, cancel: Cancel | None) -> None:
        cursor = workflow.cursor if played.case.from_cursor else ""
        watch = Watch(played.case.request.request_id, (), cursor=cursor)
        run = Run(workflow, watch, cursor=workflow.cursor)
        played.runs.append(run)
        ended: set[str] = set()
        begun = time.monotonic()
        if cancel is not None and cancel.after == 0:
            await self._cancel(played.case.root, run, cancel)
            cancel = None
        async with contextlib.aclosing(self._watch(workflow.workflow_id, cursor)) as events:
            async for event in events:
                if event.WhichOneof("event") == "workflow_change":
                    continue
                run.watch.seen.append(sight_of(event))
                if event.done:
                    ended.add(event.job_id)
                if cancel is not None and len(ended) >= cancel.after:
                    await self._cancel(played.case.root, run, cancel)
                    cancel = None
                if len(run.looks) < 2 and len(ended) > len(run.looks):
                    run.looks.append(await self._get(workflow.workflow_id))
        run.watch.is_over = True
        run.seconds = time.monotonic() - begun
        run.workflow = await self._get(workflow.workflow_id)
        await self._list(run)

    async def _list(self, run: Run) -> None:
        """All of its jobs, those included that its jobs have handed in."""
        selector = JobSelector(workflow_id=run.workflow.workflow_id)
        request = ListJobsRequest(
            selector=selector, page_size=1_000, view=JobView.JOB_VIEW_FULL, oldest_first=True
        )
        while True:
            answer = await self._call("ListJobs", request)
            run.jobs |= {job.job_id: job for job in answer.jobs}
            request.page_token = answer.next_page_token
            if not answer.next_page_token:
                break
        run.watch.job_ids = list(run.jobs)

    def _watch(self, workflow_id: str, cursor: str) -> Any:
        return self._client.watch(workflow_id=workflow_id, cursor=cursor)

    async def _cancel(self, root: Step, run: Run, cancel: Cancel) -> None:
        selector = JobSelector(workflow_id=run.workflow.workflow_id)
        if cancel.leaf:
            nodes = (await self._get(run.workflow.workflow_id)).nodes
            names = [place.name for place in places(root)]
            selector = JobSelector(job_ids=[nodes[names.index(cancel.leaf)].job_id])
        request = CancelJobsRequest(
            selector=selector, force=cancel.force, reason="as its case says"
        )
        answer = await self._call("CancelJobs", request)
        while answer.remaining:
            request.page_token = answer.next_page_token
            answer = await self._call("CancelJobs", request)

    async def _get(self, workflow_id: str) -> Workflow:
        request = GetWorkflowRequest(workflow_id=workflow_id, view=JobView.JOB_VIEW_FULL)
        answer = await self._call("GetWorkflow", request)
        found: Workflow = answer.workflow
        return found

    async def _call(self, method: str, request: Any) -> Any:
        while True:
            try:
                return await getattr(self._stub, method)(request, timeout=_CALL)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _PASSING:
                    raise
            await asyncio.sleep(_PAUSE)
