"""Hands in many jobs under one request_id.

They are checked and written in slices, so that neither the loop nor Redis is held up by one call,
and run when the last slice is in. Their ids follow from the batch's, which a repeat of the call
learns from the store: it makes the same jobs, and goes on where an earlier call broke off.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from google.rpc.status_pb2 import Status

from portaria.admission.names import Names
from portaria.admission.rules import Rules
from portaria.core.errors import (
    AlreadyExists,
    InvalidRequest,
    Violation,
)
from portaria.core.ids import member_id, new_workflow_id
from portaria.frontdoor.batch_writing import Members, Writing
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.status import status_of
from portaria.intake.admission import ANONYMOUS, Admission, Prepared
from portaria.internal.v1.envelope_pb2 import WorkflowHead
from portaria.store.batch import Batch, Held, Slice
from portaria.store.calls import Argument
from portaria.v1.job_pb2 import SubmitOptions
from portaria.v1.jobs_service_pb2 import (
    BatchSubmitJobsRequest,
    BatchSubmitJobsResponse,
    BatchSubmitResult,
)
from portaria.workflows.plan import Plans

MOST_JOBS = 1_000
MOST_BYTES = 3 * 1024 * 1024
_CHECKED_AT_ONCE = 100

Spec = Prepared | list[Violation]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSubmitter:
    """From a batch of specs to acknowledged jobs."""

    admission: Admission
    rules: Rules
    plans: Plans
    store: PromptStore
    namespace: str

    async def submit(self, request: BatchSubmitJobsRequest) -> BatchSubmitJobsResponse:
        """Takes the request over. Raises InvalidRequest, RequestIdReused, AlreadyExists,
        StoreUnavailable, StoreFull.
        """
        self._check(request)
        specs = await self._specs(request)
        wrong = [each for spec in specs if isinstance(spec, list) for each in spec]
        if wrong and not request.allow_partial:
            raise InvalidRequest(wrong)
        if request.validate_only or all(isinstance(spec, list) for spec in specs):
            return BatchSubmitJobsResponse(results=map(_unwritten, specs))
        batch = Batch(
            namespace=self.namespace,
            request_id=request.request_id,
            content_hash=_content_hash(request, specs),
            batch_id=new_workflow_id(),
            size=len(specs),
            partial=request.allow_partial,
        )
        slices = _Slices(self.admission, self.plans, specs, dict(request.labels))
        writing = Writing(self.store, batch, slices, _held)
        await writing.run()
        return BatchSubmitJobsResponse(
            workflow_id=writing.batch.batch_id,
            results=_results(specs, writing),
            deduplicated=writing.is_known,
        )

    def _check(self, request: BatchSubmitJobsRequest) -> None:
        """All but the specs themselves."""
        head = BatchSubmitJobsRequest(request_id=request.request_id)
        wrong = [each for each in self.rules.check(head) if each.field != "specs"]
        wrong += self._wrong_labels(request)
        count = len(request.specs)
        if not count:
            wrong.append(Violation("specs", "TOO_FEW", "must have at least 1 item"))
        elif count > MOST_JOBS:
            wrong.append(Violation("specs", "TOO_MANY", f"must have at most {MOST_JOBS:,} items"))
        elif request.ByteSize() > MOST_BYTES:
            text = "are larger than 3 MiB: hand them in as several batches"
            wrong.append(Violation("specs", "TOO_LARGE", text))
        if wrong:
            raise InvalidRequest(wrong)

    def _wrong_labels(self, request: BatchSubmitJobsRequest) -> list[Violation]:
        if not request.labels:
            return []
        return self.rules.check(SubmitOptions(labels=request.labels))

    async def _specs(self, request: BatchSubmitJobsRequest) -> list[Spec]:
        specs: list[Spec] = []
        labels = dict(request.labels)
        for number, spec in enumerate(request.specs):
            if number and number % _CHECKED_AT_ONCE == 0:
                await asyncio.sleep(0)
            is_plain = not spec.HasField("options")
            if labels:
                # What a spec says itself wins.
                spec.options.labels.update({**labels, **spec.options.labels})
            read = self.admission.admit_spec(spec)
            if isinstance(read, list):
                read = [_names(number).translate(each) for each in read]
            elif labels and is_plain:
                read = replace(read, is_plain=True)
            specs.append(read)
        return specs


@dataclass(frozen=True, slots=True)
class _Slices:
    """The jobs of a batch, as the store takes them."""

    admission: Admission
    plans: Plans
    specs: Sequence[Spec]
    labels: Mapping[str, str]

    def __call__(self, batch: Batch, start: int, stop: int) -> Slice:
        found = Members(self.admission, batch)
        for number in range(start, stop):
            spec = self.specs[number]
            if isinstance(spec, Prepared):
                found.add(number, spec)
        fields: dict[str, Argument] = {}
        if start == 0 and self.labels:
            head = WorkflowHead(labels=self.labels, created_by=ANONYMOUS)
            fields["head"] = self.plans.seal(head, batch.batch_id)
        return found.slice(start, stop, fields)


def _results(specs: Sequence[Spec], writing: Writing) -> list[BatchSubmitResult]:
    """One a spec, in order."""
    found = []
    for number, spec in enumerate(specs):
        other = writing.held.get(number)
        if isinstance(spec, list):
            found.append(BatchSubmitResult(error=_status(spec)))
        elif other is None:
            found.append(BatchSubmitResult(job_id=member_id(writing.batch.batch_id, number)))
        elif other.is_answer:
            found.append(BatchSubmitResult(job_id=other.job_id))
        else:
            found.append(BatchSubmitResult(error=status_of(_held(number, other))))
    return found


def _names(number: int) -> Names:
    """What the caller calls the parts of a spec."""
    return Names(payload=f"specs[{number}].payload", options=f"specs[{number}].options")


def _content_hash(request: BatchSubmitJobsRequest, specs: Sequence[Spec]) -> str:
    """Equal for equal jobs in equal order; the labels of the batch are in each of them."""
    digest = hashlib.blake2b(b"batch %d" % request.allow_partial, digest_size=16)
    for number, spec in enumerate(specs):
        if isinstance(spec, Prepared):
            digest.update(spec.content_hash.encode())
        else:
            bad = request.specs[number].SerializeToString(deterministic=True)
            digest.update(b"%d " % len(bad) + bad)
    return digest.hexdigest()


def _unwritten(spec: Spec) -> BatchSubmitResult:
    """Neither id nor error where it would have been accepted."""
    return BatchSubmitResult(error=_status(spec)) if isinstance(spec, list) else BatchSubmitResult()


def _status(wrong: list[Violation]) -> Status:
    return status_of(InvalidRequest(wrong))


def _held(number: int, held: Held) -> AlreadyExists:
    return AlreadyExists(
        f"another open job holds the unique_key of specs[{number}]",
        metadata={"job_id": held.job_id},
    )
