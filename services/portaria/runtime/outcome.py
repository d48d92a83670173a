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
    InvalidInput,
    JobCancelled,
    JobError,
    OutcomeUnknown,
    PermanentError,
    RetryLater,
    SoftTimeout,
    is_reason,
    reason_of,
)
from portaria.store import Finished, Verdict
from portaria.v1.job_pb2 import Failure, RetryPolicy

LARGEST_RESULT = 256 * 1024
_LONGEST_MESSAGE = 1_000
_LONGEST_TRACEBACK = 8_000
_MOST_WARNINGS = 100
_LONGEST_WAIT = timedelta(days=3660)


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
        warnings=_kept(warnings),
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
    later = _delay(error) if isinstance(error, RetryLater) else None
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
        warnings=_kept(warnings),
    )


def failure_of(error: BaseException) -> Failure:
    """The message of what a handler raised. Its text is the handler's: it may reach callers.

    Never raises, whatever a handler's own exceptions do when they are asked for their text.
    """
    kind = Failure.KIND_ERROR
    if isinstance(error, DeadlineReached):
        kind = Failure.KIND_DEADLINE
    elif isinstance(error, InvalidInput):
        kind = Failure.KIND_INVALID_PAYLOAD
    elif isinstance(error, PermanentError):
        kind = Failure.KIND_PERMANENT
    elif isinstance(error, SoftTimeout):
        kind = Failure.KIND_TIMEOUT
    elif isinstance(error, OutcomeUnknown):
        kind = Failure.KIND_OUTCOME_UNKNOWN
    reason = reason_of(type(error))
    if isinstance(error, JobError) and is_reason(getattr(error, "reason", None)):
        reason = error.reason
    if isinstance(error, SoftTimeout):
        reason = "TIMEOUT"
    if isinstance(error, JobCancelled):
        reason = "CANCELLED"
    return Failure(
        kind=kind,
        reason=reason,
        message=_text(error),
        exception_type=_sendable(f"{type(error).__module__}.{type(error).__qualname__}"),
        traceback=_traceback(error),
    )


def _text(error: BaseException) -> str:
    try:
        return _sendable(str(error)[:_LONGEST_MESSAGE])
    except BaseException:
        return f"{type(error).__qualname__}, which has no text"


def _traceback(error: BaseException) -> str:
    try:
        # Each part cut by itself: a message of megabytes would push out where it was raised.
        parts = [part[:_LONGEST_MESSAGE] for part in traceback.format_exception(error)]
        return _sendable("".join(parts)[-_LONGEST_TRACEBACK:])
    except BaseException:
        return ""


def _sendable(text: str) -> str:
    """Lone surrogates fit into no message."""
    return text.encode("utf-8", "backslashreplace").decode()


def _delay(error: RetryLater) -> timedelta:
    """A moment that a Timestamp can name, whatever was asked for."""
    asked = getattr(error, "delay", None)
    return min(asked, _LONGEST_WAIT) if isinstance(asked, timedelta) else timedelta()


def _kept(warnings: Sequence[str]) -> bytes:
    if not warnings:
        return b""
    return json.dumps([_sendable(text) for text in warnings[:_MOST_WARNINGS]]).encode()


def crash_failure(how: str = "") -> bytes:
    """For a job whose crash budget is used up; `how` its process ended the last time."""
    message = "the process that ran it died, three times" + (f"; last: {how}" if how else "")
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
