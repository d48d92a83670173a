"""Hands in many jobs under one request_id.

They are checked and written in slices, so that neither the loop nor Redis is held up by one call,
and run when the last slice is in. Their ids follow from the batch's, which a repeat of the call
learns from the store: it makes the same jobs, and goes on where an earlier call broke off.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from google.rpc.status_pb2 import Status

from portaria.admission.names import Names
from portaria.admission.rules import Rules
from portaria.core.errors import (
    AlreadyExists,
    InvalidRequest,
    PortariaError,
    RequestIdReused,
    StoreUnavailable,
    Violation,
)
from portaria.core.ids import member_id, new_workflow_id
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.status import status_of
from portaria.intake.admission import Admission, Prepared
from portaria.intake.terms import terms
from portaria.store import Submission
from portaria.store.batch import (
    Batch,
    Held,
    Kind,
    Slice,
    Stage,
    kind_of,
    times_of,
    unique_of,
    write_slice,
)
from portaria.store.calls import MOST_AT_ONCE
from portaria.v1.job_pb2 import SubmitOptions
from portaria.v1.jobs_service_pb2 import (
    BatchSubmitJobsRequest,
    BatchSubmitJobsResponse,
    BatchSubmitResult,
)

MOST_JOBS = 1_000
MOST_BYTES = 3 * 1024 * 1024
_CHECKED_AT_ONCE = 100
_MOST_STEPS = 40
"""Calls that a batch may take; a tenth of them are enough unless somebody is in the way."""

Spec = Prepared | list[Violation]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSubmitter:
    """From a batch of specs to acknowledged jobs."""

    admission: Admission
    rules: Rules
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
        writing = _Writing(self.admission, self.store, batch, specs)
        await writing.run()
        return BatchSubmitJobsResponse(
            workflow_id=writing.batch.batch_id,
            results=writing.results(),
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


@dataclass(slots=True)
class _Writing:
    """One batch on its way into the store."""

    admission: Admission
    store: PromptStore
    batch: Batch
    specs: Sequence[Spec]
    is_known: bool = False
    """An earlier call had handed it in, or begun to."""
    held: dict[int, Held] = field(default_factory=dict)

    async def run(self) -> None:
        """Writes what is missing, and has it placed."""
        at, stage = 0, Stage.OPEN
        for _ in range(_MOST_STEPS):
            stop = min(at + MOST_AT_ONCE, self.batch.size)
            answer = await self.store.run(write_slice(self.batch, self._slice(at, stop)))
            match answer.word:
                case "reused":
                    raise RequestIdReused(
                        "the request_id stands for other content",
                        metadata={"job_id": answer.batch_id},
                    )
                case "held":
                    raise _held(*next(iter(answer.held.items())))
                case "gone":
                    at, self.is_known, stage = 0, False, Stage.OPEN
                    self.batch = replace(self.batch, batch_id=new_workflow_id())
                    self.held.clear()
                    continue
                case "known":
                    self.is_known = self.is_known or answer.batch_id != self.batch.batch_id
                    self.batch = replace(self.batch, batch_id=answer.batch_id)
                    at, stage = answer.written, answer.stage
                case _:
                    at, stage = stop, answer.stage
            self.held.update(answer.held)
            if stage is Stage.PLACED:
                return
        raise StoreUnavailable

    def results(self) -> list[BatchSubmitResult]:
        """One a spec, in order."""
        found = []
        for number, spec in enumerate(self.specs):
            other = self.held.get(number)
            if isinstance(spec, list):
                found.append(BatchSubmitResult(error=_status(spec)))
            elif other is None:
                found.append(BatchSubmitResult(job_id=member_id(self.batch.batch_id, number)))
            elif other.is_answer:
                found.append(BatchSubmitResult(job_id=other.job_id))
            else:
                found.append(BatchSubmitResult(error=status_of(_held(number, other))))
        return found

    def _slice(self, start: int, stop: int) -> Slice:
        kinds: dict[Kind, int] = {}
        plain: dict[str, int] = {}
        members = []
        for number in range(start, stop):
            spec = self.specs[number]
            if isinstance(spec, list):
                continue
            job_id = member_id(self.batch.batch_id, number)
            envelope = self.admission.envelope(spec, job_id)
            name = spec.job_type.name
            if spec.is_plain and name in plain:
                members.append((number, plain[name], envelope, "", ""))
                continue
            job = self._submission(spec, job_id)
            kind = kinds.setdefault(kind_of(job), len(kinds) + 1)
            if spec.is_plain:
                plain[name] = kind
            members.append((number, kind, envelope, unique_of(job), times_of(job)))
        return Slice(start, stop, list(kinds), members)

    def _submission(self, spec: Prepared, job_id: str) -> Submission:
        return Submission(
            namespace=self.batch.namespace,
            request_id="",
            content_hash="",
            job_id=job_id,
            envelope=b"",
            workflow_id=self.batch.batch_id,
            **terms(spec.spec.options, spec.job_type),
        )


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


def _held(number: int, held: Held) -> PortariaError:
    return AlreadyExists(
        f"another open job holds the unique_key of specs[{number}]",
        metadata={"job_id": held.job_id},
    )
