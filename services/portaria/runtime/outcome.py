"""From what a run did to what the store is told: verdict, wait, failure, sealed result."""

from __future__ import annotations

import json
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from google.protobuf.message import Message

from portaria.core.job_type import TYPE_URL_PREFIX
from portaria.core.retry import DeadLetter, next_retry, retry_from_proto
from portaria.core.seal import KeyRing
from portaria.internal.v1.envelope_pb2 import Outcome
from portaria.jobs.errors import (
    DeadlineReached,
    JobCancelled,
    JobError,
    OutcomeUnknown,
    PermanentError,
    RetryLater,
    SoftTimeout,
    reason_of,
)
from portaria.store import Finished, Verdict
from portaria.v1.job_pb2 import Failure, RetryPolicy

LARGEST_RESULT = 256 * 1024
_LONGEST_MESSAGE = 1_000
_LONGEST_TRACEBACK = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What stays the same while one attempt runs, and what its end needs."""

    namespace: str
    job_id: str
    token: str
    failures: int
    """Before this attempt."""
    retry: RetryPolicy
    """As the door resolved it; read only where the attempt fails."""


def succeeded(
    run: Run, ring: KeyRing, result: Message | None, *, progress: bytes, warnings: Sequence[str]
) -> Finished:
    """The run returned. Raises PermanentError where its result is too large to keep."""
    outcome = Outcome(namespace=run.namespace, job_id=run.job_id)
    if result is not None:
        outcome.result.type_url = TYPE_URL_PREFIX + result.DESCRIPTOR.full_name
        outcome.result.value = result.SerializeToString()
        if len(outcome.result.value) > LARGEST_RESULT:
            raise PermanentError(
                "RESULT_TOO_LARGE",
                f"the result has {len(outcome.result.value)} bytes, at most {LARGEST_RESULT} fit",
            )
    return Finished(
        job_id=run.job_id,
        token=run.token,
        verdict=Verdict.SUCCEEDED,
        output=ring.seal(f"namespace/{run.namespace}", outcome.SerializeToString()),
        progress=progress,
        warnings=json.dumps(list(warnings)).encode() if warnings else b"",
    )


def failed(
    run: Run,
    error: BaseException,
    *,
    rng: Random,
    progress: bytes = b"",
    warnings: Sequence[str] = (),
) -> Finished:
    """The run raised: retried, or a dead letter, as the policy says."""
    failure = failure_of(error)
    later = error.delay if isinstance(error, RetryLater) else None
    decision = next_retry(
        retry_from_proto(run.retry),
        failures=run.failures + 1,
        reason=failure.reason,
        rng=rng,
        permanent=isinstance(error, (PermanentError, OutcomeUnknown)),
        retry_later=later,
    )
    if isinstance(decision, DeadLetter):
        verdict, wait = Verdict.FAILED, timedelta()
    else:
        verdict = Verdict.RETRY if later is None else Verdict.LATER
        wait = decision.wait
    return Finished(
        job_id=run.job_id,
        token=run.token,
        verdict=verdict,
        wait_ms=int(wait.total_seconds() * 1000),
        failure=failure.SerializeToString(),
        progress=progress,
        warnings=json.dumps(list(warnings)).encode() if warnings else b"",
    )


def failure_of(error: BaseException) -> Failure:
    """The message of what a handler raised. Its text is the handler's: it may reach callers."""
    kind = Failure.KIND_ERROR
    if isinstance(error, DeadlineReached):
        kind = Failure.KIND_DEADLINE
    elif isinstance(error, PermanentError):
        kind = Failure.KIND_PERMANENT
    elif isinstance(error, SoftTimeout):
        kind = Failure.KIND_TIMEOUT
    elif isinstance(error, OutcomeUnknown):
        kind = Failure.KIND_OUTCOME_UNKNOWN
    reason = error.reason if isinstance(error, JobError) else reason_of(type(error))
    if isinstance(error, SoftTimeout):
        reason = "TIMEOUT"
    if isinstance(error, JobCancelled):
        reason = "CANCELLED"
    lines = traceback.format_exception(error)
    return Failure(
        kind=kind,
        reason=reason,
        message=str(error)[:_LONGEST_MESSAGE],
        exception_type=f"{type(error).__module__}.{type(error).__qualname__}",
        traceback="".join(lines)[-_LONGEST_TRACEBACK:],
    )


def crash_failure(message: str = "the process that ran it died, three times") -> bytes:
    """For a job whose crash budget is used up."""
    return Failure(kind=Failure.KIND_CRASHED, reason="CRASHED", message=message).SerializeToString()


def loss_failure() -> bytes:
    """For a job whose workers were lost too often."""
    return Failure(
        kind=Failure.KIND_WORKER_LOST,
        reason="WORKER_LOST",
        message="the workers that ran it were lost, ten times",
    ).SerializeToString()


def doubt_failure() -> bytes:
    """For an AT_MOST_ONCE job whose worker was lost after it began."""
    return Failure(
        kind=Failure.KIND_OUTCOME_UNKNOWN,
        reason="OUTCOME_UNKNOWN",
        message="its worker was lost after it began; it will not run again",
    ).SerializeToString()
