"""The jobs of a workflow as the store takes them, with what each waits for and tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from google.protobuf.any_pb2 import Any as AnyMessage

from portaria.admission.hooks import Hook
from portaria.core.clock import milliseconds
from portaria.core.ids import member_id
from portaria.core.states import State
from portaria.frontdoor.batch_writing import Members
from portaria.intake.admission import Admission, Prepared
from portaria.internal.v1.envelope_pb2 import Inputs, Place, Plan, WorkflowHead
from portaria.store.batch import Batch, Slice
from portaria.store.calls import HOOK_FIELDS, Argument, packed
from portaria.v1.job_pb2 import Failure
from portaria.workflows.binding import Bindings
from portaria.workflows.plan import Plans, inputs_of
from portaria.workflows.shape import Shape


@dataclass(frozen=True, slots=True)
class Reused:
    """A job that an earlier run of the workflow is done with."""

    job_id: str
    state: State
    result: AnyMessage | None = None
    failure: Failure = field(default_factory=Failure)
    cause: int | None = None
    """The number of the job whose failure it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A workflow in which nothing is wrong."""

    shape: Shape
    specs: Sequence[Prepared]
    bindings: Bindings
    plan: Plan
    head: WorkflowHead
    hooks: Sequence[Hook]
    reused: Mapping[int, Reused]
    asked: str = ""
    """The call that hands it in again."""


@dataclass(slots=True)
class Slices:
    """Makes each slice when it is written, since the ids follow from the workflow's."""

    admission: Admission
    plans: Plans
    accepted: Accepted
    _inputs: dict[int, list[Inputs]] = field(default_factory=dict)

    def __call__(self, batch: Batch, start: int, stop: int) -> Slice:
        found = Members(self.admission, batch)
        for number in range(start, stop):
            place = self._place(batch.batch_id, number)
            link = self._link(batch.batch_id, number, member_id(batch.batch_id, number))
            is_reused = number in self.accepted.reused
            found.add(number, self.accepted.specs[number], place, link, is_over=is_reused)
        return found.slice(start, stop, dict(self._fields(batch, start, stop)))

    def _place(self, workflow_id: str, number: int) -> Place:
        leaf = self.accepted.shape.leaves[number]
        node = self.accepted.shape.nodes[leaf.node]
        return Place(
            workflow_id=workflow_id,
            node_id=node.node_id,
            number=number,
            inputs=self._inputs_of(leaf.waits),
            bindings=self.accepted.bindings.bound(node),
        )

    def _inputs_of(self, join: int) -> list[Inputs]:
        if not join:
            return []
        if join not in self._inputs:
            self._inputs[join] = inputs_of(self.accepted.shape.joins[join].exits)
        return self._inputs[join]

    def _link(self, workflow_id: str, number: int, job_id: str) -> bytes:
        leaf = self.accepted.shape.leaves[number]
        waits = leaf.waits > 0 and not self._is_open(leaf.waits)
        link = leaf.link(waits=waits).encode()
        reused = self.accepted.reused.get(number)
        if reused is None:
            return link
        if reused.cause is not None:
            reused.failure.cause_job_id = member_id(workflow_id, reused.cause)
        told = reused.failure.SerializeToString()
        if reused.state is State.SUCCEEDED:
            told = self.admission.outcome(job_id, reused.result)
        return b"%s|%s|%s|%s" % (link, reused.job_id.encode(), reused.state.encode(), told)

    def _is_open(self, join: int) -> bool:
        """Whether all that tells it is over already."""
        reused = self.accepted.reused
        return bool(reused) and all(
            number in reused for number, _ in self.accepted.shape.joins[join].exits
        )

    def _fields(self, batch: Batch, start: int, stop: int) -> Iterator[tuple[str, Argument]]:
        """The joins stand with the first job after them; the rest with the first slice."""
        joins = self.accepted.shape.joins
        for number in range(start, stop):
            if number in joins:
                yield f"j{number}", joins[number].words()
        if start == 0:
            ttls = [milliseconds(each.spec.options.result_ttl) for each in self.accepted.specs]
            yield "plan", self.plans.seal(self.accepted.plan, batch.batch_id)
            yield "head", self.plans.seal(self.accepted.head, batch.batch_id)
            yield "keep", max(ttls)
            if self.accepted.asked:
                yield "asked", self.accepted.asked
            for hook in self.accepted.hooks:
                name = HOOK_FIELDS[hook.name]
                yield name, packed(self.admission.hook(hook, parent_workflow_id=batch.batch_id))
