"""Hands in a workflow: checked as a whole, written in slices, let go when all of it is there."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from portaria.admission.hooks import Hook
from portaria.admission.names import Names
from portaria.admission.rules import Rules
from portaria.core.errors import AlreadyExists, InvalidRequest, Violation
from portaria.core.ids import new_workflow_id
from portaria.core.job_type import JobType
from portaria.frontdoor.batch_writing import Writing
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.workflows_slices import Accepted, Reused, Slices
from portaria.intake.admission import ANONYMOUS, Admission, Prepared
from portaria.internal.v1.envelope_pb2 import WorkflowHead
from portaria.store.batch import Batch, Held
from portaria.v1.job_pb2 import CONFLICT_POLICY_USE_EXISTING, SubmitOptions
from portaria.v1.workflows_pb2 import SubmitWorkflowRequest
from portaria.workflows.binding import Bindings
from portaria.workflows.flatten import flatten
from portaria.workflows.plan import Plans, plan_of
from portaria.workflows.shape import Leaf, Shape
from portaria.workflows.sharing import share

_AT_ONCE = 50
"""Jobs that are checked without a pause for other calls."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of it."""

    workflow_id: str
    """Empty where it was only checked."""
    is_known: bool
    """An earlier call had handed it in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowSubmitter:
    """From a tree of steps to acknowledged jobs."""

    admission: Admission
    rules: Rules
    plans: Plans
    store: PromptStore
    namespace: str

    async def submit(self, request: SubmitWorkflowRequest) -> Submitted:
        """Takes the request over. Raises InvalidRequest, RequestIdReused, AlreadyExists,
        StoreUnavailable, StoreFull.
        """
        wrong = self._check_head(request)
        accepted = await self._accept(request, wrong, retried_from="", reused={})
        if request.validate_only:
            return Submitted("", is_known=False)
        return await self._write(accepted, request.request_id, _content_hash(request, accepted))

    async def write(
        self,
        request: SubmitWorkflowRequest,
        *,
        request_id: str,
        content_hash: str,
        retried_from: str,
        asked: str,
        reused: Mapping[int, Reused],
    ) -> Submitted:
        """As `submit`, for one that was handed in before: `reused` are the jobs that an earlier run
        is done with, by their numbers; `asked` names the call.
        """
        accepted = await self._accept(request, [], retried_from=retried_from, reused=reused)
        return await self._write(replace(accepted, asked=asked), request_id, content_hash)

    async def _accept(
        self,
        request: SubmitWorkflowRequest,
        wrong: list[Violation],
        *,
        retried_from: str,
        reused: Mapping[int, Reused],
    ) -> Accepted:
        shape, more = await asyncio.to_thread(flatten, request.root)
        if more and not request.HasField("root"):
            more = []  # said already
        # Labels and a deadline that are wrong are wrong once, not in each job.
        shared = SubmitWorkflowRequest() if wrong else request
        specs = await self._specs(shared, shape)
        wrong += more
        hooks, more = self._hooks(request)
        wrong += more
        wrong += [each for spec in specs if isinstance(spec, list) for each in spec]
        wrong += _keys_twice(shape, specs)
        bindings = Bindings(shape, [_type_of(spec) for spec in specs])
        wrong += bindings.faults()
        if wrong:
            raise InvalidRequest(wrong)
        prepared = [spec for spec in specs if isinstance(spec, Prepared)]
        return Accepted(
            shape=shape,
            specs=prepared,
            bindings=bindings,
            plan=plan_of(shape, [each.job_type.name for each in prepared]),
            head=_head(request, retried_from),
            hooks=hooks,
            reused=reused,
        )

    async def _write(self, accepted: Accepted, request_id: str, content_hash: str) -> Submitted:
        batch = Batch(
            namespace=self.namespace,
            request_id=request_id,
            content_hash=content_hash,
            batch_id=new_workflow_id(),
            size=len(accepted.specs),
        )
        writing = Writing(self.store, batch, Slices(self.admission, self.plans, accepted), _held)
        await writing.run()
        return Submitted(writing.batch.batch_id, writing.is_known)

    def _check_head(self, request: SubmitWorkflowRequest) -> list[Violation]:
        """All but the steps."""
        head = SubmitWorkflowRequest(request_id=request.request_id, labels=request.labels)
        if request.HasField("deadline"):
            head.deadline.CopyFrom(request.deadline)
        wrong = self.rules.check(head)
        if not request.HasField("root"):
            wrong.append(Violation("root", "REQUIRED", "is required"))
        return wrong

    def _hooks(self, request: SubmitWorkflowRequest) -> tuple[list[Hook], list[Violation]]:
        options = SubmitOptions()
        for name in ("on_success", "on_failure"):
            if request.HasField(name):
                getattr(options, name).CopyFrom(getattr(request, name))
        hooks, wrong = self.admission.admit_hooks(options)
        prefix = "spec.options."
        return hooks, [replace(each, field=each.field.removeprefix(prefix)) for each in wrong]

    async def _specs(
        self, shared: SubmitWorkflowRequest, shape: Shape
    ) -> list[Prepared | list[Violation]]:
        specs: list[Prepared | list[Violation]] = []
        for number, leaf in enumerate(shape.leaves):
            if number and number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            specs.append(self._spec(shared, shape, leaf))
        return specs

    def _spec(
        self, shared: SubmitWorkflowRequest, shape: Shape, leaf: Leaf
    ) -> Prepared | list[Violation]:
        spec, node = leaf.spec, shape.nodes[leaf.node]
        if shared.labels or shared.HasField("deadline"):
            share(spec.options, shared)
        filled = [each.to_field for each in node.step.bindings] if node.step is not None else ()
        found = self.admission.admit_spec(spec, filled=filled)
        wrong = found if isinstance(found, list) else []
        if spec.options.on_conflict == CONFLICT_POLICY_USE_EXISTING:
            text = "USE_EXISTING is not allowed in a workflow: other jobs wait for this very one"
            wrong = [*wrong, Violation("spec.options.on_conflict", "NOT_ALLOWED", text)]
        if not wrong:
            return found
        names = Names(payload=f"{node.path}.job.payload", options=f"{node.path}.job.options")
        return [names.translate(each) for each in wrong]


def _keys_twice(shape: Shape, specs: Sequence[Prepared | list[Violation]]) -> Iterator[Violation]:
    """One job of a type has a key at a time: two of them could never be handed in."""
    known: set[tuple[str, str]] = set()
    for leaf, spec in zip(shape.leaves, specs, strict=True):
        if isinstance(spec, Prepared) and spec.spec.options.unique_key:
            key = (spec.job_type.name, spec.spec.options.unique_key)
            if key in known:
                path = f"{shape.nodes[leaf.node].path}.job.options.unique_key"
                yield Violation(path, "DUPLICATE", "is that of another job of the workflow")
            known.add(key)


def _type_of(spec: Prepared | list[Violation]) -> JobType | None:
    return spec.job_type if isinstance(spec, Prepared) else None


def _head(request: SubmitWorkflowRequest, retried_from: str) -> WorkflowHead:
    head = WorkflowHead(labels=request.labels, created_by=ANONYMOUS, retried_from=retried_from)
    for name in ("deadline", "on_success", "on_failure"):
        if request.HasField(name):
            getattr(head, name).CopyFrom(getattr(request, name))
    return head


def _content_hash(request: SubmitWorkflowRequest, accepted: Accepted) -> str:
    """Equal for the same jobs in the same places."""
    digest = hashlib.blake2b(b"workflow", digest_size=16)
    digest.update(accepted.plan.SerializeToString(deterministic=True))
    digest.update(accepted.head.SerializeToString(deterministic=True))
    for spec in accepted.specs:
        digest.update(spec.content_hash.encode())
    return digest.hexdigest()


def _held(number: int, held: Held) -> AlreadyExists:
    return AlreadyExists(
        f"another open job holds the unique_key of the workflow's job {number}",
        metadata={"job_id": held.job_id},
    )
