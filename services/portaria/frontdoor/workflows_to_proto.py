"""From what the store holds of a workflow to messages of the contract. Pure but for seals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from portaria.core.ids import member_id
from portaria.core.seal import SealBroken
from portaria.core.states import TERMINAL, State
from portaria.frontdoor.convert import state_to_proto
from portaria.frontdoor.cursor import Cursor
from portaria.frontdoor.reports import failure_to_proto, timestamp
from portaria.internal.v1.envelope_pb2 import Plan, PlanNode, WorkflowHead
from portaria.logs import logger
from portaria.store.workflows import MemberState, WorkflowRecord
from portaria.v1.job_pb2 import Failure
from portaria.v1.workflows_pb2 import Workflow
from portaria.workflows.plan import Plans
from portaria.workflows.shape import SPARING

_UNBEGUN = frozenset({State.BLOCKED, State.PENDING, State.SCHEDULED})


class WorkflowConverter:
    """Makes messages from records, believing only what is sealed with our keys."""

    def __init__(self, plans: Plans) -> None:
        self._plans = plans

    def workflow_to_proto(
        self, record: WorkflowRecord, counts: Mapping[State, int], cursor: Cursor
    ) -> Workflow:
        """All but the nodes. `counts` are of all jobs that are known, by their states."""
        is_ending = counts.get(State.CANCELLING, 0) > 0
        state = record.state or (State.CANCELLING if is_ending else State.RUNNING)
        workflow = Workflow(
            workflow_id=record.workflow_id,
            state=state_to_proto(state),
            done=state in TERMINAL,
            create_time=timestamp(record.created_ms),
            cursor=str(cursor),
            retried_as=record.retried_as,
            cause_job_id=record.cause,
            batch=record.is_batch,
        )
        if record.ended_ms:
            workflow.end_time.CopyFrom(timestamp(record.ended_ms))
        done = sum(count for each, count in counts.items() if each in TERMINAL)
        known = sum(counts.values())
        # Some of a batch may have been refused, or stand for others.
        self.set_progress(workflow, done, known if record.is_batch else max(known, record.size))
        for each in State:
            if counts.get(each):
                workflow.counts.add(state=state_to_proto(each), count=counts[each])
        self._set_head(workflow, record)
        return workflow

    @staticmethod
    def set_progress(workflow: Workflow, done: int, total: int) -> None:
        """How many of its jobs have ended."""
        workflow.progress.current, workflow.progress.total = done, total
        workflow.progress.percent = 100.0 * done / total if total else 100.0

    def has_labels(self, record: WorkflowRecord, labels: Mapping[str, str]) -> bool:
        """Whether all of them are its own."""
        if not labels:
            return True
        try:
            own = self.head(record).labels if record.head else {}
        except SealBroken:
            return False
        return all(own.get(key) == value for key, value in labels.items())

    def head(self, record: WorkflowRecord) -> WorkflowHead:
        """Raises SealBroken."""
        return self._plans.head(record.head, record.workflow_id)

    def _set_head(self, workflow: Workflow, record: WorkflowRecord) -> None:
        if not record.head:
            return
        try:
            head = self.head(record)
        except SealBroken as error:
            logger().error("head withheld", workflow_id=record.workflow_id, why=str(error))
            return
        workflow.labels.update(head.labels)
        workflow.created_by = head.created_by
        workflow.retried_from = head.retried_from
        if head.HasField("deadline"):
            workflow.deadline.CopyFrom(head.deadline)


def concluded(record: WorkflowRecord, members: Sequence[MemberState]) -> WorkflowRecord:
    """A batch has ended when its jobs have; that is noted in its hash a little later."""
    present = [each for each in members if each.state is not None]
    if record.state or not record.is_batch or not present:
        return record
    if any(each.state not in TERMINAL for each in present):
        return record
    bad = [each for each in present if each.state is not State.SUCCEEDED]
    first = min(bad, key=lambda each: each.ended_ms, default=None)
    return replace(
        record,
        state=State.FAILED if bad else State.SUCCEEDED,
        ended_ms=max(each.ended_ms for each in present),
        cause=first.job_id if first is not None else "",
    )


def nodes_of_batch(workflow: Workflow, members: Sequence[MemberState]) -> None:
    """A group with its jobs, as if it had been handed in so."""
    workflow.nodes.add(node_id="0", kind=Workflow.KIND_GROUP, state=workflow.state)
    for number, member in enumerate(members):
        if member.state is not None:
            _add_job(workflow, member, f"0.{number}", "0")


def nodes_of_plan(
    workflow: Workflow,
    plan: Plan,
    members: Sequence[MemberState],
    children: Mapping[str, MemberState],
) -> None:
    """Each step of the plan with its state; `members` are its jobs by their numbers, `children`
    those that these submitted, by their ids.
    """
    _Tree(workflow, plan, members, _failed_below(children)).add("", "")


def _failed_below(children: Mapping[str, MemberState]) -> dict[str, State]:
    """Jobs of which some that they submitted did not succeed: FAILED, or CANCELLED where all of
    those were.
    """
    found: dict[str, State] = {}
    for child in children.values():
        if child.state in TERMINAL and child.state is not State.SUCCEEDED:
            above = child.parent
            while above in children:
                above = children[above].parent
            was_cancelled = child.state is State.CANCELLED
            if not was_cancelled or above not in found:
                found[above] = State.CANCELLED if was_cancelled else State.FAILED
    return found


def make_fit(workflow: Workflow, most: int) -> None:
    """Where very many failed, their reasons stay and their words are left to GetJob; where that is
    not enough, no nodes are told.
    """
    if workflow.ByteSize() > most:
        for node in workflow.nodes:
            if node.HasField("failure"):
                kept = Failure(
                    kind=node.failure.kind,
                    reason=node.failure.reason,
                    cause_job_id=node.failure.cause_job_id,
                )
                node.failure.CopyFrom(kept)
    if workflow.ByteSize() > most:
        del workflow.nodes[:]


class _Tree:
    """Walks a plan, which holds each step before its children."""

    def __init__(
        self,
        workflow: Workflow,
        plan: Plan,
        members: Sequence[MemberState],
        failed_below: Mapping[str, State],
    ) -> None:
        self._workflow = workflow
        self._steps = iter(plan.nodes)
        self._members = iter(members)
        self._failed_below = failed_below

    def add(self, parent: str, before: str) -> _Told:
        """The next step with all that it holds."""
        step = next(self._steps)
        counts = step.on_failure not in SPARING
        if step.kind == Workflow.KIND_JOB:
            member = next(self._members)
            node = _add_job(self._workflow, member, step.node_id, parent)
            node.type = step.type
            is_passed = node.failure.kind == Failure.KIND_DEPENDENCY
            state = member.state or State.SUCCEEDED
            if state is State.SUCCEEDED:
                # What holds it did not succeed, though itself it did.
                state = self._failed_below.get(member.job_id, state)
            told = _Told(state, counts, is_passed)
        else:
            node = self._workflow.nodes.add(node_id=step.node_id, kind=step.kind, parent=parent)
            state, is_passed = self._children(step)
            node.state = state_to_proto(state)
            told = _Told(state, counts, is_passed)
        node.on_failure = step.on_failure
        if not parent and self._workflow.done and step.kind != Workflow.KIND_JOB and counts:
            node.state = self._workflow.state  # its first failure may be none of a step's
        if before:
            node.after.append(before)
        return told

    def _children(self, step: PlanNode) -> tuple[State, bool]:
        children, before = [], ""
        for _ in range(step.children):
            where = len(self._workflow.nodes)
            children.append(self.add(step.node_id, before))
            if step.kind != Workflow.KIND_GROUP:
                before = self._workflow.nodes[where].node_id
        is_passed = all(each.is_passed for each in children)
        return State.CANCELLED if is_passed else _state_of(children), is_passed


@dataclass(frozen=True, slots=True)
class _Told:
    """What a step's state depends on, of those that it holds."""

    state: State
    counts: bool
    """Whether its failure does."""
    is_passed: bool
    """It was not let go, since another one failed."""


def _state_of(children: Sequence[_Told]) -> State:
    states = [each.state for each in children]
    if all(state in TERMINAL for state in states):
        failed = [
            each.state for each in children if each.counts and each.state is not State.SUCCEEDED
        ]
        if not failed:
            return State.SUCCEEDED
        # What was cancelled since another one failed is no cause.
        others = [state for state in failed if state is not State.CANCELLED]
        return State.FAILED if others else State.CANCELLED
    if all(state in _UNBEGUN for state in states):
        return State.BLOCKED if all(state is State.BLOCKED for state in states) else State.PENDING
    return State.RUNNING


def _add_job(workflow: Workflow, member: MemberState, node_id: str, parent: str) -> Workflow.Node:
    node = workflow.nodes.add(
        node_id=node_id,
        job_id=member.job_id,
        kind=Workflow.KIND_JOB,
        parent=parent,
        type=member.type,
    )
    if member.state is not None:
        node.state = state_to_proto(member.state)
    if member.failure and member.state is not State.SUCCEEDED:
        node.failure.CopyFrom(failure_to_proto(member.failure))
    return node


def counted(states: Sequence[State | None]) -> Counter[State]:
    """How many are in each state, purged ones left out."""
    return Counter(each for each in states if each is not None)


def ids_of(record: WorkflowRecord) -> list[str]:
    """Of the jobs that were handed in together, by their numbers."""
    return [member_id(record.workflow_id, number) for number in range(record.size)]
