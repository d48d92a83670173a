"""Hands a workflow in again: what was done keeps its result, the rest runs."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from portaria.core.clock import milliseconds
from portaria.core.errors import NotRetryable
from portaria.core.seal import SealBroken
from portaria.core.states import TERMINAL, State
from portaria.frontdoor.convert import Converter
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.reports import failure_to_proto, timestamp
from portaria.frontdoor.retrying import move_limits
from portaria.frontdoor.workflows_reading import WorkflowsReading
from portaria.frontdoor.workflows_slices import Reused
from portaria.frontdoor.workflows_submitting import WorkflowSubmitter
from portaria.frontdoor.workflows_to_proto import ids_of
from portaria.internal.v1.envelope_pb2 import PlanNode
from portaria.logs import logger
from portaria.store import JobRecord
from portaria.store.workflows import (
    WorkflowRecord,
    anote_retry,
    aread_asked,
    aread_plan,
    aread_workflows,
)
from portaria.v1.job_pb2 import JobSpec, SubmitOptions
from portaria.v1.job_type_pb2 import EFFECT_AT_MOST_ONCE
from portaria.v1.workflows_pb2 import (
    RetryWorkflowRequest,
    Step,
    SubmitWorkflowRequest,
    Workflow,
)
from portaria.workflows.flatten import flatten
from portaria.workflows.plan import Plans
from portaria.workflows.shape import Shape

_AT_ONCE = 50
"""Envelopes that are opened without a pause for other calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRetrying:
    """Copies workflows, each at most once: then it is the copy that may be copied."""

    submitter: WorkflowSubmitter
    reading: WorkflowsReading
    plans: Plans
    converter: Converter
    store: PromptStore
    namespace: str

    async def retry(self, request: RetryWorkflowRequest) -> str:
        """The id of the new one. Raises WorkflowNotFound, NotRetryable, InvalidRequest where a
        type has changed since, StoreUnavailable, StoreFull.
        """
        record = await self.reading.record(request.workflow_id)
        if record.retried_as and await self._is_kept(record.retried_as):
            return await self._answer(record.retried_as, request.request_id)
        if record.retried_as:
            raise _copied(record.retried_as)
        if record.state not in TERMINAL or record.state is State.SUCCEEDED or record.is_batch:
            raise NotRetryable(_why_not(record), metadata={"workflow_id": record.workflow_id})
        try:
            order, reused = await self._order(record)
        except SealBroken as error:
            logger().error("retry refused", workflow_id=record.workflow_id, why=str(error))
            raise NotRetryable("it was not written by a known door") from None
        # Whoever asks goes on with the same copy, where a call before broke off. A blank parts the
        # words, since no caller's own request_id has one.
        submitted = await self.submitter.write(
            order,
            request_id=f"retry {record.workflow_id}",
            content_hash=_digest(record.workflow_id),
            retried_from=record.workflow_id,
            asked=_digest(request.request_id),
            reused=reused,
        )
        await self.store.read(
            lambda store: anote_retry(store.redis, record.workflow_id, submitted.workflow_id)
        )
        return await self._answer(submitted.workflow_id, request.request_id)

    async def _is_kept(self, workflow_id: str) -> bool:
        found = await self.store.read(lambda store: aread_workflows(store.redis, [workflow_id]))
        return found[0] is not None

    async def _answer(self, workflow_id: str, request_id: str) -> str:
        """The copy, to the call that asked for it."""
        asked = await self.store.read(lambda store: aread_asked(store.redis, workflow_id))
        if asked != _digest(request_id):
            raise _copied(workflow_id)
        return workflow_id

    async def _order(
        self, record: WorkflowRecord
    ) -> tuple[SubmitWorkflowRequest, Mapping[int, Reused]]:
        """The same workflow as its caller handed it in, and what is done of it."""
        head = self.plans.head(record.head, record.workflow_id)
        sealed = await self.store.read(lambda store: aread_plan(store.redis, record.workflow_id))
        plan = self.plans.plan(sealed or b"", record.workflow_id)
        records = await self.store.get_many(ids_of(record))
        now_ms = (await self.store.look(())).now_ms
        specs = []
        for number, each in enumerate(records):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            specs.append(self._spec(each, now_ms))
        failed_below = await self._parents_of_failed(record, records)
        order = SubmitWorkflowRequest(
            root=_step(iter(plan.nodes), iter(specs)),
            labels=head.labels,
        )
        if head.HasField("on_success"):
            order.on_success.CopyFrom(head.on_success)
        if head.HasField("on_failure"):
            order.on_failure.CopyFrom(head.on_failure)
        if head.HasField("deadline"):
            order.deadline.CopyFrom(_moved(head.deadline, record.created_ms, now_ms))
        shape, _ = await asyncio.to_thread(flatten, order.root)
        reused = dict(self._kept(shape, records, failed_below))
        if len(reused) == record.size:
            raise NotRetryable("all of its jobs are done: there is nothing to run again")
        return order, reused

    async def _parents_of_failed(
        self, record: WorkflowRecord, records: Sequence[JobRecord | None]
    ) -> set[int]:
        """Numbers of jobs of which one that they submitted did not succeed."""
        numbers = {each.job_id: number for number, each in enumerate(records) if each is not None}
        known = await self.store.workflow_members(self.namespace, record.workflow_id)
        children = await self.store.get_many([each for each in known if each not in numbers])
        parents: dict[str, str] = {}
        failed: list[str] = []
        for child in children:
            if child is not None:
                parents[child.job_id] = self.converter.envelope_of(child).parent_job_id
                if child.state is not State.SUCCEEDED:
                    failed.append(child.job_id)
        found = set()
        for each in failed:
            above = each
            while above in parents:
                above = parents[above]
            if above in numbers:
                found.add(numbers[above])
        return found

    def _spec(self, record: JobRecord | None, now_ms: int) -> JobSpec:
        if record is None:
            raise NotRetryable("some of its jobs were deleted")
        envelope = self.converter.envelope_of(record)
        spec = envelope.spec
        asked = SubmitOptions()
        for name in ("run_time", "delay"):
            if spec.options.HasField(name):
                getattr(asked, name).CopyFrom(getattr(spec.options, name))
        if record.attempt == 0:
            # Its time has not come yet: its limits are as far ahead of now as they were at first.
            spec.options.ClearField("run_time")
            spec.options.ClearField("delay")
        move_limits(spec.options, record.created_ms, now_ms)
        if record.attempt == 0:
            spec.options.MergeFrom(asked)
        if envelope.effect == EFFECT_AT_MOST_ONCE:
            spec.options.ClearField("retry")  # the type's own, which no submission may set
        return spec

    def _kept(
        self, shape: Shape, records: Sequence[JobRecord | None], failed_below: Collection[int]
    ) -> Iterator[tuple[int, Reused]]:
        """A job runs again where it failed, or one that it submitted, which it submits anew; but
        not where what follows it began.
        """
        passed = _passed(shape, records)
        numbers = {each.job_id: number for number, each in enumerate(records) if each is not None}
        for number, record in enumerate(records):
            assert record is not None  # _spec looked
            is_passed = passed[shape.leaves[number].join]
            if not is_passed and (record.state is not State.SUCCEEDED or number in failed_below):
                continue
            if record.state is State.SUCCEEDED:
                result = self.converter.result_of(record)
                yield number, Reused(record.job_id, record.state, result=result)
            else:
                failure = failure_to_proto(record.failure, full=True)
                cause = numbers.get(failure.cause_job_id)
                yield number, Reused(record.job_id, record.state, failure=failure, cause=cause)


def _passed(shape: Shape, records: Sequence[JobRecord | None]) -> Mapping[int, bool]:
    """Of each join, whether what follows it began: then a failure before it did not count, and
    nobody waits for another outcome.
    """
    began = [
        record is not None
        and (record.state is State.SUCCEEDED or record.attempt > 0 or bool(record.retried_from))
        for record in records
    ]
    passed = {0: False}
    # Those that are told by others come after them, or are the end.
    for number in sorted(shape.joins, reverse=True):
        if number:
            join = shape.joins[number]
            step = range(number, join.upto)
            # What follows it, or what follows that, where all of it was over before its turn.
            goes_on = any(began[each] or passed[shape.leaves[each].join] for each in step)
            passed[number] = goes_on or passed[join.tells]
    return passed


def _step(nodes: Iterator[PlanNode], specs: Iterator[JobSpec]) -> Step:
    """Of the next node, with all that it holds."""
    node = next(nodes)
    step = Step(on_failure=node.on_failure, bindings=node.bindings)
    if node.node_id[:1].isalpha():
        step.node_id = node.node_id  # others follow from the place
    match node.kind:
        case Workflow.KIND_JOB:
            step.job.CopyFrom(next(specs))
        case Workflow.KIND_CHAIN:
            step.chain.steps.extend(_step(nodes, specs) for _ in range(node.children))
        case Workflow.KIND_GROUP:
            step.group.steps.extend(_step(nodes, specs) for _ in range(node.children))
        case _:
            header = next(nodes)
            step.chord.header.steps.extend(_step(nodes, specs) for _ in range(header.children))
            step.chord.body.CopyFrom(_step(nodes, specs))
    return step


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _moved(limit: Timestamp, created_ms: int, now_ms: int) -> Timestamp:
    """One that has passed is as far ahead as it was at first."""
    limit_ms = milliseconds(limit)
    return limit if limit_ms > now_ms else timestamp(now_ms + max(limit_ms - created_ms, 60_000))


def _copied(workflow_id: str) -> NotRetryable:
    return NotRetryable(
        "the workflow was handed in again already", metadata={"workflow_id": workflow_id}
    )


def _why_not(record: WorkflowRecord) -> str:
    if record.is_batch:
        return "it is a batch: hand its jobs in again with RetryJobs and its id"
    if record.state is State.SUCCEEDED:
        return "it succeeded: there is nothing to run again"
    return "it is not done yet"
