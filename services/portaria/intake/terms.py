"""What of a submission follows from its type and its options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

from portaria.core.clock import milliseconds
from portaria.core.job_type import JobType, priority_name
from portaria.core.states import queue_name
from portaria.v1.job_pb2 import CONFLICT_POLICY_USE_EXISTING, SubmitOptions

INDEXED_LABELS = 4
_Moment = Literal["run_time", "start_before_time", "deadline"]


class Terms(TypedDict):
    """Fields of a store.Submission."""

    queue: str
    type: str
    timeout_s: int
    delay_ms: int
    run_at_ms: int
    ttl_ms: int
    max_attempts: int
    at_most_once: bool
    before_ms: int
    deadline_ms: int
    unique_key: str
    use_existing: bool
    labels: Sequence[tuple[str, str]]


def terms(options: SubmitOptions, job_type: JobType) -> Terms:
    """Reads options in which nothing is left to the type any more."""
    return Terms(
        queue=queue_name(job_type.domain, priority_name(options.priority)),
        type=job_type.name,
        timeout_s=options.timeout.seconds + bool(options.timeout.nanos),
        delay_ms=milliseconds(options.delay),
        run_at_ms=_moment(options, "run_time"),
        ttl_ms=milliseconds(options.result_ttl),
        max_attempts=options.retry.max_attempts,
        at_most_once=job_type.at_most_once,
        before_ms=_moment(options, "start_before_time"),
        deadline_ms=_moment(options, "deadline"),
        unique_key=options.unique_key,
        use_existing=options.on_conflict == CONFLICT_POLICY_USE_EXISTING,
        labels=sorted(options.labels.items())[:INDEXED_LABELS] if options.labels else (),
    )


def _moment(options: SubmitOptions, name: _Moment) -> int:
    """0 where no moment was given; any moment in the past is as good as the first."""
    if not options.HasField(name):
        return 0
    return max(1, milliseconds(getattr(options, name)))
