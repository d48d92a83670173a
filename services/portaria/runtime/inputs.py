"""What a job gets of those before it: read from Redis, believed where it is sealed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message

from portaria.core.bindings import fill
from portaria.core.errors import InvalidRequest, Violation
from portaria.core.ids import member_id
from portaria.core.seal import KeyRing, SealBroken
from portaria.core.states import State
from portaria.internal.v1.envelope_pb2 import Bound, Envelope, Inputs, Plan
from portaria.jobs import PermanentError
from portaria.jobs.errors import InvalidInput
from portaria.jobs.inputs import Before, Ending, Parent
from portaria.runtime.foreign import ForeignTypes
from portaria.runtime.places import Places
from portaria.store import ended
from portaria.store.calls import MOST_AT_ONCE
from portaria.store.wire import Wire
from portaria.v1 import workflows_pb2 as pb
from portaria.v1.job_pb2 import Failure
from portaria.workflows.plan import Plans

_MOST_NAMED = 5
_END_REASONS = {State.CANCELLED: "it was cancelled", State.EXPIRED: "it expired"}


class InputReader:
    """Reads for the jobs of one child, one after another."""

    def __init__(self, wire: Wire, ring: KeyRing) -> None:
        self._wire = wire
        self._ring = ring
        self._foreign = ForeignTypes(wire, ring)
        self._places: tuple[str, Places] | None = None
        self._check: Callable[[Message], list[Violation]] | None = None

    def fill(self, envelope: Envelope, payload: Message) -> None:
        """Fills what is bound, and checks the whole by its rules.

        Raises PermanentError: INPUT_MISSING, SEAL_BROKEN or INVALID_INPUT.
        """
        place, wrong = envelope.place, []
        numbers = sorted({bound.number for bound in place.bindings})
        spans = [Inputs(start=number, stop=number + 1) for number in numbers]
        found = dict(zip(numbers, self._endings(envelope, spans), strict=True))
        for bound in place.bindings:
            result = found[bound.number].result
            if result is None:
                # Its failure does not count, or it would have ended this job, too.
                continue
            try:
                source = self._foreign.message(result, bound.from_field)
                fill(source, bound.from_field, payload, bound.to_field)
            except InvalidRequest as error:
                wrong += [_of_binding(bound, each) for each in error.violations]
        wrong = wrong or self._faults(payload)
        if wrong:
            raise InvalidInput(_named(wrong))

    def before(self, envelope: Envelope, node: str | None) -> Before:
        """See Hold."""
        place = envelope.place
        spans: Sequence[Inputs] = place.inputs
        if node is not None:
            if not place.workflow_id:
                raise ValueError("the job is of no workflow")
            spans = self._plan(envelope).before(node, place.node_id)
        count = sum(len(_numbers(span)) for span in spans)
        return Before(count, self._endings(envelope, spans))

    def parent(self, envelope: Envelope) -> Parent | None:
        """See Hold."""
        job_id, workflow_id = envelope.parent_job_id, envelope.parent_workflow_id
        if job_id:
            return Parent(lambda: self._job(envelope.namespace, job_id), job_id=job_id)
        if workflow_id:
            return Parent(
                lambda: self._workflow(envelope.namespace, workflow_id), workflow_id=workflow_id
            )
        return None

    def _endings(self, envelope: Envelope, spans: Iterable[Inputs]) -> Iterator[Ending]:
        """Of each job of the spans, in order; 200 are read at a time."""
        workflow_id = envelope.place.workflow_id
        numbers = ((number, span.on_failure) for span in spans for number in _numbers(span))
        while some := list(islice(numbers, MOST_AT_ONCE)):
            ids = [member_id(workflow_id, number) for number, _ in some]
            endings = self._wire.run(ended.read_endings(ids))
            for (number, policy), job_id, ending in zip(some, ids, endings, strict=True):
                if ending is None or not ending.state.is_terminal:
                    what = "is gone" if ending is None else f"is not done: it is {ending.state}"
                    text = f"job {job_id}, number {number} of the workflow, {what}"
                    raise PermanentError("INPUT_MISSING", text)
                yield self._ending(
                    envelope.namespace, job_id, ending, spared=policy == pb.FAILURE_POLICY_ALLOW
                )

    def _job(self, namespace: str, job_id: str) -> Ending:
        found = self._wire.run(ended.read_endings([job_id]))[0]
        if found is None:
            raise PermanentError("INPUT_MISSING", f"job {job_id} is gone")
        return self._ending(namespace, job_id, found)

    def _workflow(self, namespace: str, workflow_id: str) -> Ending:
        found = self._wire.run(ended.read_end(workflow_id))
        if found is None:
            raise PermanentError("INPUT_MISSING", f"workflow {workflow_id} is gone")
        state, cause = found
        failure = self._job(namespace, cause).failure if cause else None
        # Its hook may be faster than what says so.
        known = State(state) if state else State.FAILED if failure else State.SUCCEEDED
        return Ending(job_id=workflow_id, state=known, failure=failure)

    def _ending(
        self, namespace: str, job_id: str, found: ended.Ending, *, spared: bool = False
    ) -> Ending:
        if found.state is State.SUCCEEDED:
            result = self._outcome(namespace, job_id, found.output)
            return Ending(job_id=job_id, state=found.state, result=result)
        failure = _failure(found)
        return Ending(job_id=job_id, state=found.state, failure=failure, is_spared=spared)

    def _outcome(self, namespace: str, job_id: str, output: bytes) -> AnyMessage | None:
        try:
            return ended.unseal_outcome(self._ring, namespace, job_id, output)
        except SealBroken as error:
            text = f"what job {job_id} returned is not believed: {error}"
            raise PermanentError("SEAL_BROKEN", text) from None

    def _plan(self, envelope: Envelope) -> Places:
        """That of the last workflow is kept: its other jobs may be next."""
        workflow_id = envelope.place.workflow_id
        if self._places is None or self._places[0] != workflow_id:
            self._places = (workflow_id, Places(self._read_plan(envelope.namespace, workflow_id)))
        return self._places[1]

    def _read_plan(self, namespace: str, workflow_id: str) -> Plan:
        sealed = self._wire.run(ended.read_plan(workflow_id))
        if not sealed:
            raise PermanentError("INPUT_MISSING", f"workflow {workflow_id} is gone")
        try:
            return Plans(self._ring, namespace).plan(sealed, workflow_id)
        except SealBroken as error:
            text = f"the plan of workflow {workflow_id} is not believed: {error}"
            raise PermanentError("SEAL_BROKEN", text) from None

    def _faults(self, payload: Message) -> list[Violation]:
        if self._check is None:
            # Here, since few jobs are bound, and it takes a tenth of a second.
            from portaria.admission.rules import Rules

            self._check = Rules().check
        return self._check(payload)


def _of_binding(bound: Bound, wrong: Violation) -> Violation:
    text = wrong.description
    if wrong.field != "to_field":
        text = f"is filled from {bound.from_field}, which {text}"
    return Violation(bound.to_field, wrong.reason, text)


def _numbers(span: Inputs) -> range:
    return range(span.start, span.stop, span.stride or 1)


def _failure(found: ended.Ending) -> Failure | None:
    """Of a job that did not succeed; None where it goes on and has not failed yet."""
    if found.failure:
        try:
            return Failure.FromString(found.failure)
        except DecodeError:
            return Failure(reason=found.state, message="its failure cannot be read")
    if not found.state.is_terminal:
        return None
    return Failure(reason=found.state, message=_END_REASONS.get(found.state, ""))


def _named(wrong: Sequence[Violation]) -> str:
    """The fields and what is wrong with them; never a value."""
    words = [f"{each.field or 'the payload'} {each.description}" for each in wrong[:_MOST_NAMED]]
    more = f" (and {len(wrong) - _MOST_NAMED} more)" if len(wrong) > _MOST_NAMED else ""
    return f"the payload as filled from results: {'; '.join(words)}{more}"
