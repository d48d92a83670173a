"""The reading RPCs of workflows: one with its steps, and pages of all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from portaria.admission.rules import Rules
from portaria.core.errors import InvalidRequest, Violation, WorkflowNotFound
from portaria.core.seal import SealBroken
from portaria.core.states import TERMINAL
from portaria.frontdoor.cursor import Cursor
from portaria.frontdoor.finding import LARGEST_ANSWER
from portaria.frontdoor.pages import Place, place_from
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.workflows_to_proto import (
    WorkflowConverter,
    concluded,
    counted,
    ids_of,
    make_fit,
    nodes_of_batch,
    nodes_of_plan,
)
from portaria.logs import logger
from portaria.store.batch import settle
from portaria.store.workflows import (
    MemberState,
    WorkflowRecord,
    aread_ended,
    aread_ids,
    aread_members,
    aread_plan,
    aread_workflows,
)
from portaria.v1.job_pb2 import JOB_VIEW_FULL, JobView
from portaria.v1.workflows_pb2 import ListWorkflowsRequest, ListWorkflowsResponse, Workflow
from portaria.workflows.plan import Plans

MOST_NODES = 10_000
_DEFAULT_PAGE, _LARGEST_PAGE = 50, 200
_AT_ONCE = 1_000
_BUDGET = 2_000
"""Workflows that one page looks at."""
_DIGEST = 8
_MOST_SLICES = 10
"""Of a sweep, for one caller."""


class WorkflowsReading:
    """Workflows and batches as callers see them; those of other namespaces do not exist."""

    def __init__(self, *, rules: Rules, store: PromptStore, plans: Plans, namespace: str) -> None:
        self._rules = rules
        self._store = store
        self._plans = plans
        self._converter = WorkflowConverter(plans)
        self._namespace = namespace

    async def get(self, workflow_id: str, view: JobView.ValueType) -> Workflow:
        """One workflow. Raises WorkflowNotFound."""
        cursor = await self._cursor()
        stored = await self.record(workflow_id)
        # Those that jobs of it submitted are among them.
        known = await self._store.workflow_members(self._namespace, stored.workflow_id)
        members = {each.job_id: each for each in await self.members(known)}
        counts = counted([each.state for each in members.values()])
        if stored.state is None and not stored.is_batch and counts.keys() <= TERMINAL:
            stored = await self._ended(stored)
        record = concluded(stored, list(members.values()))
        workflow = self._converter.workflow_to_proto(record, counts, cursor)
        if view == JOB_VIEW_FULL:
            await self._add_nodes(workflow, record, members)
        return workflow

    async def _ended(self, record: WorkflowRecord) -> WorkflowRecord:
        """A workflow whose jobs are all done: what a wide step has left to sweeps is done now, so
        that it is not told to run when nothing of it does.
        """
        for _ in range(_MOST_SLICES):
            await self._store.run(settle())
            record = await self.record(record.workflow_id)
            if record.state is not None:
                break
        return record

    async def record(self, workflow_id: str) -> WorkflowRecord:
        """What the store holds of it. Raises WorkflowNotFound."""
        wanted = workflow_id.lower()
        (record,) = await self._store.read(lambda store: aread_workflows(store.redis, [wanted]))
        if record is None or record.namespace != self._namespace:
            raise WorkflowNotFound
        return record

    async def members(self, job_ids: Sequence[str]) -> list[MemberState]:
        """Of any number of jobs, in order."""
        found: list[MemberState] = []
        for start in range(0, len(job_ids), _AT_ONCE):
            part = job_ids[start : start + _AT_ONCE]
            found += await self._read_members(part)
        return found

    async def page(self, request: ListWorkflowsRequest) -> ListWorkflowsResponse:
        """One page, the newest first. Raises InvalidRequest."""
        listed = self._listed(request)
        place = place_from(request.page_token, listed)
        wrong = self._rules.check(request)
        if isinstance(place, Violation) or wrong:
            more = [place] if isinstance(place, Violation) and not wrong else []
            raise InvalidRequest([*wrong, *more])
        cursor = place.cursor or str(await self._cursor())
        most = min(request.page_size or _DEFAULT_PAGE, _LARGEST_PAGE)
        answer = ListWorkflowsResponse(cursor=cursor)
        after = await self._fill(answer, request, place.after, most)
        answer.next_page_token = Place(after, cursor).token(listed) if after else ""
        return answer

    async def _fill(
        self, answer: ListWorkflowsResponse, request: ListWorkflowsRequest, after: str, most: int
    ) -> str:
        """Puts a page into `answer`; the id after which the next one begins, "" at the end."""
        cursor = await self._cursor()
        width = max(most, _DEFAULT_PAGE)
        for _ in range(0, _BUDGET, width):
            ids = await self._ids(after, width)
            for record in await self._records(ids):
                if not self._converter.has_labels(record, request.labels):
                    after = record.workflow_id
                    continue
                workflow = await self._listed_workflow(record, cursor)
                if not (request.only_open and workflow.done):
                    answer.workflows.append(workflow)
                after = record.workflow_id
                if len(answer.workflows) == most:
                    return after
            if len(ids) < width:
                return ""
            after = ids[-1]
        return after

    async def _ids(self, before: str, most: int) -> list[str]:
        return await self._store.read(
            lambda store: aread_ids(store.redis, self._namespace, before=before, most=most)
        )

    async def _records(self, ids: Sequence[str]) -> list[WorkflowRecord]:
        found = await self._store.read(lambda store: aread_workflows(store.redis, ids))
        return [each for each in found if each is not None]

    async def _listed_workflow(self, record: WorkflowRecord, cursor: Cursor) -> Workflow:
        """Without counts; of an open workflow, how many have ended is known without them."""
        if record.state is None and record.is_batch:
            known = await self._store.workflow_members(self._namespace, record.workflow_id)
            members = await self.members(known)
            counts = counted([each.state for each in members])
            record = concluded(record, members)
            workflow = self._converter.workflow_to_proto(record, counts, cursor)
            del workflow.counts[:]
            return workflow
        workflow = self._converter.workflow_to_proto(record, {}, cursor)
        done = record.size
        if record.state is None:
            (done,) = await self._store.read(
                lambda store: aread_ended(store.redis, [record.workflow_id])
            )
        self._converter.set_progress(workflow, done, record.size)
        return workflow

    async def _add_nodes(
        self, workflow: Workflow, record: WorkflowRecord, known: dict[str, MemberState]
    ) -> None:
        members = [known.pop(each, MemberState(each, None)) for each in ids_of(record)]
        sealed = await self._store.read(lambda store: aread_plan(store.redis, record.workflow_id))
        if sealed is None:
            nodes_of_batch(workflow, members)
            make_fit(workflow, LARGEST_ANSWER)
            return
        try:
            plan = self._plans.plan(sealed, record.workflow_id)
        except SealBroken as error:
            logger().error("plan withheld", workflow_id=record.workflow_id, why=str(error))
            return
        if len(plan.nodes) <= MOST_NODES:
            nodes_of_plan(workflow, plan, members, known)
            make_fit(workflow, LARGEST_ANSWER)

    async def _read_members(self, job_ids: Sequence[str]) -> list[MemberState]:
        return await self._store.read(lambda store: aread_members(store.redis, job_ids))

    async def _cursor(self) -> Cursor:
        look = await self._store.look(())
        return Cursor(look.generation, look.tail, look.now_ms)

    def _listed(self, request: ListWorkflowsRequest) -> bytes:
        asked = ListWorkflowsRequest(labels=request.labels, only_open=request.only_open)
        words = f"{self._namespace} ".encode() + asked.SerializeToString(deterministic=True)
        return hashlib.blake2b(words, digest_size=_DIGEST).digest()
