"""From the end of a job to what its handler returned, or to the error that says why not."""

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message

from portaria.client.errors import JobCancelled, JobExpired, JobFailed, ResultUnavailable
from portaria.v1 import job_type_pb2
from portaria.v1.job_pb2 import (
    JOB_STATE_CANCELLED,
    JOB_STATE_EXPIRED,
    JOB_STATE_SUCCEEDED,
    Job,
)


def lacks_result(job: Job) -> bool:
    """Whether a succeeded job was answered without its result: it may be too large for BASIC."""
    return (
        job.state == JOB_STATE_SUCCEEDED
        and not job.HasField("result")
        and result_type_of(job.type) != ""
    )


def result_of(job: Job) -> Message:
    """The typed result of a job that is done; Empty where its type has none.

    Raises JobFailed, JobCancelled, JobExpired, or ResultUnavailable.
    """
    if job.state == JOB_STATE_CANCELLED:
        raise JobCancelled(job)
    if job.state == JOB_STATE_EXPIRED:
        raise JobExpired(job)
    if job.state != JOB_STATE_SUCCEEDED:
        raise JobFailed(job)
    if job.HasField("result"):
        return _unpack(job, job.result)
    if result_type_of(job.type) == "":
        return Empty()
    raise ResultUnavailable(job, "its result is not kept any more")


def result_type_of(job_type: str) -> str | None:
    """The full name of a type's result, "" where it has none; None for an unknown type."""
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(job_type)
    except KeyError:
        return None
    return descriptor.GetOptions().Extensions[job_type_pb2.job_type].result_type


def _unpack(job: Job, packed: AnyMessage) -> Message:
    name = packed.TypeName()
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        why = f"its result is a {name}, whose generated module is not imported here"
        raise ResultUnavailable(job, why) from None
    message = message_factory.GetMessageClass(descriptor)()
    try:
        packed.Unpack(message)
    except DecodeError:
        raise ResultUnavailable(job, f"its result does not parse as {name}") from None
    return message
