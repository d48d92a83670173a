"""From a gRPC status back to the error that the door raised."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from portaria.client.errors import DoorUnavailable, RpcError
from portaria.core.errors import (
    AlreadyBegun,
    AlreadyExists,
    CursorExpired,
    DeadlineExceeded,
    EtagMismatch,
    InvalidRequest,
    MalformedMessage,
    NewerRelease,
    NotFound,
    NotRetryable,
    ParentNotRunning,
    PortariaError,
    QueueNotFound,
    RequestIdReused,
    RunOpen,
    ScheduleBroken,
    ScheduleDeclared,
    ScheduleExists,
    ScheduleNotFound,
    ShuttingDown,
    SlowWatcher,
    StoreFull,
    StoreUnavailable,
    Violation,
    WorkflowNotFound,
)
from portaria.v1.jobs_service_pb2 import SubmitJobRequest

ERROR_DOMAIN = "portaria.v1"
# gRPC's own words, here and at the door, for a request above 8 MiB; not for such an answer.
_OVERSIZED = ("CLIENT: Sent message larger than", "SERVER: Received message larger than")
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


class FailedCall(Protocol):
    """What gRPC raises, sync and async alike, is also the call that failed."""

    def code(self) -> grpc.StatusCode:
        """The status."""
        ...

    def details(self) -> str | None:
        """Its words."""
        ...

    def trailing_metadata(self) -> Any:
        """Pairs of key and value."""
        ...


def error_of(call: FailedCall, address: str, request: object = None) -> PortariaError:
    """The error of a failed call. What the door did not explain becomes an RpcError, but for a
    `request` that is larger than a message may be: no repeat would mend that.
    """
    status = _rich_status(call)
    info = _detail(status, error_details_pb2.ErrorInfo) if status else None
    if status is not None and info is not None and info.domain == ERROR_DOMAIN:
        return _explained(status, info, call.code().name)
    words = call.details() or ""
    if call.code() is grpc.StatusCode.UNAVAILABLE:
        return DoorUnavailable(address, words)
    if call.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(f"no answer from {address} in time")
    if call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and words.startswith(_OVERSIZED):
        field = "spec.payload" if isinstance(request, SubmitJobRequest) else "request"
        return InvalidRequest(
            [Violation(field, "TOO_LARGE", "is larger than a call may be: 8 MiB")]
        )
    return RpcError(call.code().name, words)


def error_of_item(status: status_pb2.Status) -> PortariaError:
    """The error of one item of an answer."""
    code = _CODES.get(status.code, "UNKNOWN")
    info = _detail(status, error_details_pb2.ErrorInfo)
    if info is not None and info.domain == ERROR_DOMAIN:
        return _explained(status, info, code)
    return RpcError(code, status.message)


_Details = TypeVar("_Details", bound=Message)
_Kind = Callable[[str], PortariaError]

_KINDS: dict[str, _Kind] = {
    "JOB_NOT_FOUND": NotFound,
    "QUEUE_NOT_FOUND": QueueNotFound,
    "SCHEDULE_NOT_FOUND": ScheduleNotFound,
    "WORKFLOW_NOT_FOUND": WorkflowNotFound,
    "SCHEDULE_EXISTS": ScheduleExists,
    "SCHEDULE_DECLARED": ScheduleDeclared,
    "ETAG_MISMATCH": EtagMismatch,
    "SCHEDULE_BROKEN": ScheduleBroken,
    "PARENT_NOT_RUNNING": ParentNotRunning,
    "RUN_OPEN": RunOpen,
    "NEWER_RELEASE": NewerRelease,
    "RESULT_EXPIRED": NotFound,
    "REQUEST_ID_REUSED": RequestIdReused,
    "UNIQUE_KEY_HELD": AlreadyExists,
    "ALREADY_BEGUN": AlreadyBegun,
    "NOT_RETRYABLE": NotRetryable,
    "CURSOR_EXPIRED": CursorExpired,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "SHUTTING_DOWN": ShuttingDown,
    "SLOW_WATCHER": SlowWatcher,
}


def _explained(
    status: status_pb2.Status, info: error_details_pb2.ErrorInfo, code: str
) -> PortariaError:
    error = _of_reason(status, info.reason, code)
    error.reason = info.reason
    error.metadata.update(info.metadata)
    return error


def _of_reason(status: status_pb2.Status, reason: str, code: str) -> PortariaError:
    if code == "INVALID_ARGUMENT":
        kind = MalformedMessage if reason == MalformedMessage.reason else InvalidRequest
        return kind(_violations(status), reason=reason)
    if reason == StoreUnavailable.reason:
        return StoreUnavailable(status.message, retry_after=_retry_after(status))
    if reason in (StoreFull.reason, "STORAGE_FULL"):
        return StoreFull(status.message, retry_after=_retry_after(status))
    kind_of = _KINDS.get(reason)
    return kind_of(status.message) if kind_of else RpcError(code, status.message)


def _violations(status: status_pb2.Status) -> list[Violation]:
    bad = _detail(status, error_details_pb2.BadRequest)
    found = [
        Violation(each.field, each.reason, each.description)
        for each in (bad.field_violations if bad else ())
    ]
    return found or [Violation("request", "INVALID", status.message or "is not valid")]


def _retry_after(status: status_pb2.Status) -> timedelta | None:
    info = _detail(status, error_details_pb2.RetryInfo)
    if info is None or not info.HasField("retry_delay"):
        return None
    delay: timedelta = info.retry_delay.ToTimedelta()
    return delay


def _rich_status(call: FailedCall) -> status_pb2.Status | None:
    try:
        return rpc_status.from_call(call)
    except (ValueError, DecodeError):
        # Details that are broken, or of another status, explain nothing.
        return None


def _detail(status: status_pb2.Status, kind: type[_Details]) -> _Details | None:
    for packed in status.details:
        found = kind()
        try:
            if packed.Unpack(found):
                return found
        except DecodeError:
            continue
    return None
