"""Options that the contract has and this door does not serve yet: refused, never ignored."""

from __future__ import annotations

from collections.abc import Iterator

from portaria.core.errors import Violation
from portaria.core.job_type import JobType
from portaria.v1.job_pb2 import CONFLICT_POLICY_REPLACE, SubmitOptions


def unsupported_options(options: SubmitOptions, job_type: JobType | None) -> Iterator[Violation]:
    """What of the options cannot be honoured."""
    if options.on_conflict == CONFLICT_POLICY_REPLACE:
        text = "REPLACE is not supported yet"
        yield Violation("spec.options.on_conflict", "NOT_SUPPORTED", text)
    if options.on_conflict and not options.unique_key:
        text = "says nothing without a unique_key"
        yield Violation("spec.options.on_conflict", "NOT_ALLOWED", text)
    if job_type is not None and job_type.at_most_once and options.HasField("retry"):
        text = "is not supported for a type that runs at most once"
        yield Violation("spec.options.retry", "NOT_SUPPORTED", text)
