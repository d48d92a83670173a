"""What a job type says where a submission does not."""

from __future__ import annotations

from portaria.core.job_type import JobType
from portaria.core.retry import retry_from_proto, retry_to_proto
from portaria.v1.job_pb2 import Priority, SubmitOptions


def defaults_of(job_type: JobType) -> SubmitOptions:
    """The options of a submission that has none."""
    options = SubmitOptions(
        priority=Priority.Value(f"PRIORITY_{job_type.priority.upper()}"),
        retry=retry_to_proto(job_type.retry),
    )
    options.timeout.FromTimedelta(job_type.timeout)
    options.result_ttl.FromTimedelta(job_type.result_ttl)
    return options


def fill(options: SubmitOptions, defaults: SubmitOptions) -> None:
    """Sets what the submission left to its type."""
    if not options.priority:
        options.priority = defaults.priority
    if not options.HasField("timeout"):
        options.timeout.CopyFrom(defaults.timeout)
    if not options.HasField("result_ttl"):
        options.result_ttl.CopyFrom(defaults.result_ttl)
    if options.HasField("retry"):
        options.retry.CopyFrom(retry_to_proto(retry_from_proto(options.retry, defaults.retry)))
    else:
        options.retry.CopyFrom(defaults.retry)
