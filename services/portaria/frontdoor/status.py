"""From our kinds of error to gRPC statuses with their details. The only table of codes."""

from __future__ import annotations

from datetime import timedelta

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from portaria.core import errors

ERROR_DOMAIN = "portaria.v1"
DETAILS_KEY = "grpc-status-details-bin"
_MOST_VIOLATIONS = 20
_LONGEST_MESSAGE = 500
# Clients refuse metadata beyond 8 KiB; base64 takes a third.
_MOST_VIOLATION_BYTES = 4_500

CODES: dict[type[errors.PortariaError], grpc.StatusCode] = {
    errors.PortariaError: grpc.StatusCode.INTERNAL,
    errors.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.MalformedMessage: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.QueueNotFound: grpc.StatusCode.NOT_FOUND,
    errors.ScheduleNotFound: grpc.StatusCode.NOT_FOUND,
    errors.WorkflowNotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.RequestIdReused: grpc.StatusCode.ALREADY_EXISTS,
    errors.ScheduleExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.EtagMismatch: grpc.StatusCode.ABORTED,
    errors.ScheduleDeclared: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ScheduleBroken: grpc.StatusCode.FAILED_PRECONDITION,
    errors.RunOpen: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NewerRelease: grpc.StatusCode.FAILED_PRECONDITION,
    errors.AlreadyBegun: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NotRetryable: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ParentNotRunning: grpc.StatusCode.FAILED_PRECONDITION,
    errors.CursorExpired: grpc.StatusCode.OUT_OF_RANGE,
    errors.StoreUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.StoreFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.ShuttingDown: grpc.StatusCode.UNAVAILABLE,
    errors.SlowWatcher: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.ConfigurationError: grpc.StatusCode.INTERNAL,
}
_RETRY_AFTER = {
    errors.ShuttingDown: timedelta(seconds=1),
    errors.SlowWatcher: timedelta(seconds=1),
}


def code_of(error: errors.PortariaError) -> grpc.StatusCode:
    """The code of the nearest kind that has one."""
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def status_of(error: errors.PortariaError) -> status_pb2.Status:
    """The whole answer: code, message, ErrorInfo, and what else the kind carries."""
    info = error_details_pb2.ErrorInfo(
        reason=error.reason, domain=ERROR_DOMAIN, metadata=error.metadata
    )
    status = status_pb2.Status(
        code=code_of(error).value[0], message=error.message[:_LONGEST_MESSAGE]
    )
    _add(status, info)
    if isinstance(error, errors.InvalidRequest):
        _add(status, _bad_request(error))
    delay = getattr(error, "retry_after", None) or _RETRY_AFTER.get(type(error))
    if delay is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromTimedelta(delay)
        _add(status, retry)
    return status


def _bad_request(error: errors.InvalidRequest) -> error_details_pb2.BadRequest:
    """As many violations as metadata can carry; the message counts all of them."""
    bad = error_details_pb2.BadRequest()
    for each in error.violations[:_MOST_VIOLATIONS]:
        bad.field_violations.add(field=each.field, reason=each.reason, description=each.description)
        if bad.ByteSize() > _MOST_VIOLATION_BYTES and len(bad.field_violations) > 1:
            del bad.field_violations[-1]
            break
    return bad


def _add(status: status_pb2.Status, detail: Message) -> None:
    packed = AnyMessage()
    packed.Pack(detail)
    status.details.append(packed)
