"""Hands in jobs that are done again: a copy of each, with an id and an envelope of its own."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from portaria.core.clock import milliseconds
from portaria.core.errors import (
    AlreadyExists,
    InvalidRequest,
    NotFound,
    NotRetryable,
    PortariaError,
    RequestIdReused,
)
from portaria.core.ids import new_job_id
from portaria.core.job_type import HOOKS
from portaria.core.seal import SealBroken
from portaria.core.states import TERMINAL, State
from portaria.frontdoor.convert import Converter
from portaria.frontdoor.ownership import ours
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.reports import timestamp
from portaria.frontdoor.selection import Found
from portaria.frontdoor.status import status_of
from portaria.intake.admission import Admission, Prepared
from portaria.intake.terms import terms
from portaria.internal.v1.envelope_pb2 import Envelope
from portaria.logs import logger
from portaria.store import JobRecord, Submission, calls
from portaria.store.calls import Submitted
from portaria.v1.job_pb2 import Priority, SubmitOptions
from portaria.v1.job_type_pb2 import EFFECT_AT_MOST_ONCE
from portaria.v1.jobs_service_pb2 import RetryResult

_AT_ONCE = 50
"""Envelopes are large: so many are in memory together."""
_SHORTEST_LIMIT_MS = 60_000
_LIMITS: tuple[Literal["start_before_time", "deadline"], ...] = ("start_before_time", "deadline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    """What one call asks for."""

    request_id: str
    priority: Priority.ValueType
    now_ms: int
    is_explicit: bool
    """Ids were given: each has a result, whatever became of it."""
    with_succeeded: bool


class Copyist:
    """Copies jobs, each at most once, whoever asks: then it is the copy that may be copied."""

    def __init__(
        self, *, admission: Admission, store: PromptStore, converter: Converter, namespace: str
    ) -> None:
        self._admission = admission
        self._store = store
        self._converter = converter
        self._namespace = namespace

    async def copy(self, found: Sequence[Found], copying: Copying) -> list[RetryResult]:
        """A result for each; with a selector, none for those that are not to be copied."""
        wanted = [each for each in found if copying.is_explicit or _is_retryable(each, copying)]
        results: list[RetryResult] = []
        for start in range(0, len(wanted), _AT_ONCE):
            ids = [job_id for job_id, _ in wanted[start : start + _AT_ONCE]]
            records = await self._store.get_many(ids)
            pairs = zip(ids, records, strict=True)
            made = await asyncio.gather(*(self._one(*each, copying) for each in pairs))
            results += [each for each in made if each is not None]
        return results

    async def _one(
        self, job_id: str, record: JobRecord | None, copying: Copying
    ) -> RetryResult | None:
        try:
            submission = self._submission(record, copying)
            submitted = await self._store.run(calls.submit(submission))
            if submitted.retried and not copying.is_explicit:
                return None
            return RetryResult(job_id=job_id, new_job_id=_id_of(submitted))
        except (NotFound, NotRetryable, AlreadyExists, InvalidRequest) as error:
            return RetryResult(job_id=job_id, error=status_of(error))

    def _submission(self, found: JobRecord | None, copying: Copying) -> Submission:
        record = ours(found, self._namespace)
        if record.state not in TERMINAL:
            text = f"the job is {record.state}: only one that is done can be handed in again"
            raise NotRetryable(text, metadata={"state": record.state})
        if record.link and " kid " not in record.link:
            text = "it is a job of a workflow, which is handed in again as a whole: RetryWorkflow"
            raise NotRetryable(text, metadata={"workflow_id": record.tag.workflow_id})
        envelope = self._envelope(record)
        prepared = self._prepared(envelope, record, copying)
        job_id = new_job_id()
        parent = envelope.parent_job_id
        # A blank parts the words, since no caller's own request_id has one. The content is that of
        # the old job, however its limits were moved.
        content = f"{record.job_id} {copying.priority}".encode()
        return Submission(
            namespace=self._namespace,
            request_id=f"retry {copying.request_id} {record.job_id}",
            content_hash=hashlib.blake2b(content, digest_size=16).hexdigest(),
            job_id=job_id,
            envelope=self._admission.envelope(prepared, job_id, parent_job_id=parent),
            hooks=self._admission.hooks(prepared, job_id),
            retried_from=record.job_id,
            **terms(prepared.spec.options, prepared.job_type),
        )

    def _prepared(self, envelope: Envelope, record: JobRecord, copying: Copying) -> Prepared:
        spec, options = envelope.spec, envelope.spec.options
        move_limits(options, record.created_ms, copying.now_ms)
        if copying.priority:
            options.priority = copying.priority
        if envelope.effect == EFFECT_AT_MOST_ONCE:
            options.ClearField("retry")  # the type's own, which no submission may set
        prepared = self._admission.admit_spec(spec)
        if isinstance(prepared, Prepared):
            return prepared
        raise InvalidRequest(prepared)

    def _envelope(self, record: JobRecord) -> Envelope:
        try:
            return self._converter.envelope_of(record)
        except SealBroken as error:
            logger().error("retry refused", job_id=record.job_id, why=str(error))
            raise NotRetryable("its spec was not written by a known door") from None


def _is_retryable(found: Found, copying: Copying) -> bool:
    brief = found[1]
    if brief is None or brief.state not in TERMINAL:
        return False
    return copying.with_succeeded or brief.state is not State.SUCCEEDED


def _id_of(submitted: Submitted) -> str:
    other = {"job_id": submitted.job_id}
    error: PortariaError | None = None
    if submitted.reused:
        error = RequestIdReused("the request_id stands for another priority", metadata=other)
    elif submitted.retried:
        error = NotRetryable("the job was handed in again already", metadata=other)
    elif submitted.held:
        error = AlreadyExists("another open job holds the unique_key", metadata=other)
    if error is not None:
        raise error
    return submitted.job_id


def move_limits(options: SubmitOptions, created_ms: int, now_ms: int) -> None:
    """A copy runs now. Limits that passed are as far ahead as they were of the first moment."""
    first_ms = created_ms + milliseconds(options.delay)
    if options.HasField("run_time"):
        first_ms = max(created_ms, milliseconds(options.run_time))
    options.ClearField("run_time")
    options.ClearField("delay")
    _move(options, first_ms, now_ms)
    for name in HOOKS:
        if options.HasField(name):
            # When they are submitted nobody knows yet.
            _move(getattr(options, name).options, first_ms, now_ms)


def _move(options: SubmitOptions, first_ms: int, now_ms: int) -> None:
    for name in _LIMITS:
        limit_ms = milliseconds(getattr(options, name))
        if options.HasField(name) and limit_ms <= now_ms:
            span = max(limit_ms - first_ms, _SHORTEST_LIMIT_MS)
            getattr(options, name).CopyFrom(timestamp(now_ms + span))
