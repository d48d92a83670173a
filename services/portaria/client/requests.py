"""Requests from what callers say. Raises InvalidRequest for what the wire could not even carry."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from portaria.core.errors import InvalidRequest, Violation
from portaria.core.ids import new_request_id
from portaria.v1.job_pb2 import (
    JOB_VIEW_BASIC,
    JOB_VIEW_FULL,
    JobSpec,
    Priority,
    SubmitOptions,
)
from portaria.v1.jobs_service_pb2 import GetJobRequest, SubmitJobRequest
from portaria.v1.workflows_pb2 import Step

PriorityName = Literal["critical", "high", "default", "low"]


def submit_request(
    message: Message,
    *,
    options: SubmitOptions | None = None,
    request_id: str | None = None,
    priority: PriorityName | None = None,
    delay: timedelta | None = None,
    run_time: datetime | None = None,
    labels: Mapping[str, str] | None = None,
    on_success: Message | None = None,
    on_failure: Message | None = None,
    on_retry: Message | None = None,
) -> SubmitJobRequest:
    """A submit, with a request_id in any case. The named arguments win over `options`."""
    merged = options_of(options, priority=priority, delay=delay, run_time=run_time, labels=labels)
    if on_success is not None:
        merged.on_success.CopyFrom(hook_of(on_success))
    if on_failure is not None:
        merged.on_failure.CopyFrom(hook_of(on_failure))
    if on_retry is not None:
        merged.on_retry.CopyFrom(hook_of(on_retry))
    return SubmitJobRequest(
        spec=spec_of(message, merged),
        request_id=new_request_id() if request_id is None else request_id,
    )


def options_of(
    options: SubmitOptions | None,
    *,
    priority: PriorityName | None,
    delay: timedelta | None,
    run_time: datetime | None,
    labels: Mapping[str, str] | None,
    path: str = "spec.options",
) -> SubmitOptions:
    """A copy of `options`, over which the named arguments win; faults are told of at `path`."""
    merged = SubmitOptions()
    if options is not None:
        merged.CopyFrom(options)
    if priority is not None:
        merged.priority = priority_of(priority, f"{path}.priority")
    _start(merged, delay, run_time, f"{path}.run_time")
    merged.labels.update(checked_labels(labels))
    return merged


def checked_labels(labels: Mapping[str, str] | None) -> Mapping[str, str]:
    """The labels, if any. Raises TypeError for one that is no str, and names it."""
    for key, value in (labels or {}).items():
        for each in (key, value):
            if not isinstance(each, str):
                raise TypeError(f"labels[{key!r}]: expected a str; got {type(each).__name__}")
    return labels or {}


def hook_of(hook: Message) -> JobSpec:
    """A job that the end or a retry of another submits: its payload, or all of it as a JobSpec."""
    return hook if isinstance(hook, JobSpec) else spec_of(hook)


def spec_of(message: Message, options: SubmitOptions | None = None) -> JobSpec:
    """A job as the contract has it. Raises TypeError for what is no message of a job type."""
    _require_message(message)
    payload = AnyMessage()
    payload.Pack(message, deterministic=True)
    return JobSpec(payload=payload, options=options)


def _require_message(value: object) -> None:
    if isinstance(value, Message) and not isinstance(value, Step):
        return
    got = type(value).__name__
    if isinstance(value, Step):
        got = "a Step, which is a part of a workflow: only submit_workflow takes it"
    if isinstance(value, type) and issubclass(value, Message):
        got = f"the class {value.__name__}: call it"
    raise TypeError(f"expected the message of a job type, e.g. SendEmail(to=...); got {got}")


def get_request(job_id: str, *, full: bool) -> GetJobRequest:
    """A read; `full` adds payload, attempts and tracebacks."""
    return GetJobRequest(job_id=job_id, view=JOB_VIEW_FULL if full else JOB_VIEW_BASIC)


def a_length(value: object) -> timedelta:
    """The value itself. Raises TypeError for a number, which would leave open of what."""
    if not isinstance(value, timedelta):
        kind = type(value).__name__
        raise TypeError(f"a time is a timedelta, e.g. timedelta(seconds=15), and no {kind}")
    return value


def duration(value: timedelta) -> Duration:
    """The message of a timedelta. Raises TypeError for anything else."""
    message = Duration()
    message.FromTimedelta(a_length(value))
    return message


def timestamp(moment: datetime, field: str) -> Timestamp:
    """The message of an aware datetime. Raises InvalidRequest for one without a zone."""
    if moment.tzinfo is None:
        raise InvalidRequest([Violation(field, "TIMEZONE_REQUIRED", "needs a time zone")])
    message = Timestamp()
    try:
        message.FromDatetime(moment)
    except (OverflowError, ValueError):
        text = "is not a moment between the years 1 and 9999"
        raise InvalidRequest([Violation(field, "OUT_OF_RANGE", text)]) from None
    return message


def priority_of(name: str, field: str) -> Priority.ValueType:
    """The contract's word. Raises InvalidRequest."""
    try:
        return Priority.Value(f"PRIORITY_{name.upper()}")
    except ValueError:
        text = "is one of critical, high, default, low"
        raise InvalidRequest([Violation(field, "UNKNOWN", text)]) from None


def _start(
    options: SubmitOptions, delay: timedelta | None, run_time: datetime | None, field: str
) -> None:
    if delay is not None and run_time is not None:
        text = "excludes a delay: give one of them"
        raise InvalidRequest([Violation(field, "CONFLICT", text)])
    if delay is not None:
        options.delay.CopyFrom(duration(delay))
    if run_time is not None:
        options.run_time.CopyFrom(timestamp(run_time, field))
