"""A status becomes the error that the door raised, whatever else was sent with it."""

from datetime import timedelta

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from portaria.client import DoorUnavailable, RpcError
from portaria.client.statuses import ERROR_DOMAIN, error_of, error_of_item
from portaria.core import errors
from portaria.core.errors import Violation
from portaria.frontdoor.status import code_of, status_of
from portaria.v1.jobs_service_pb2 import SubmitJobRequest

ADDRESS = "door.example:50051"


class Failed:
    """A call that failed, as grpc raises it."""

    def __init__(
        self,
        code: grpc.StatusCode,
        words: str | None,
        *details: Message,
        raw: bytes | None = None,
        domain: str = ERROR_DOMAIN,
        reason: str = "",
        metadata: dict[str, str] | None = None,
    ) -> None:
        self._code, self._words = code, words
        status = status_pb2.Status(code=code.value[0], message=words or "")
        if reason:
            info = error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata)
            details = (*details, info)
        for each in details:
            packed = Any()
            packed.Pack(each)
            status.details.append(packed)
        plain = raw is None and not details
        value = raw if raw is not None else status.SerializeToString()
        self._trailers = () if plain else (("grpc-status-details-bin", value),)

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str | None:
        return self._words

    def trailing_metadata(self) -> object:
        return self._trailers


CASES = [
    (grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND", errors.NotFound),
    (grpc.StatusCode.NOT_FOUND, "RESULT_EXPIRED", errors.NotFound),
    (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED", errors.RequestIdReused),
    (grpc.StatusCode.ALREADY_EXISTS, "UNIQUE_KEY_HELD", errors.AlreadyExists),
    (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED", errors.CursorExpired),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", errors.StoreFull),
    (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", errors.StoreUnavailable),
    (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", errors.DeadlineExceeded),
    (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", errors.ShuttingDown),
    (grpc.StatusCode.ABORTED, "SLOW_WATCHER", errors.SlowWatcher),
    (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", errors.InvalidRequest),
    (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE", errors.MalformedMessage),
    (grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_JOB_TYPE", errors.InvalidRequest),
    (grpc.StatusCode.INTERNAL, "INTERNAL", RpcError),
    (grpc.StatusCode.PERMISSION_DENIED, "JOB_TYPE_NOT_ALLOWED", RpcError),
]


@pytest.mark.parametrize(("code", "reason", "kind"), CASES)
def test_each_reason_becomes_its_kind(code, reason, kind):
    """The kind, the reason, the words and the metadata of an explained status are kept."""
    call = Failed(code, "as the door said it", reason=reason, metadata={"job_id": "j1"})

    error = error_of(call, ADDRESS)

    assert type(error) is kind
    assert error.reason == reason
    assert error.metadata == {"job_id": "j1"}
    assert "as the door said it" in error.message


@pytest.mark.parametrize(
    ("request_", "field"), [(SubmitJobRequest(), "spec.payload"), (None, "request")]
)
@pytest.mark.parametrize("who", ["CLIENT: Sent", "SERVER: Received"])
def test_a_request_above_the_size_of_a_message_is_invalid(who, request_, field):
    """gRPC refuses it without a word of the door's, here or there; no repeat would mend it."""
    words = f"{who} message larger than max (9000033 vs. 8388608)"

    error = error_of(Failed(grpc.StatusCode.RESOURCE_EXHAUSTED, words), ADDRESS, request_)

    assert isinstance(error, errors.InvalidRequest)
    assert [(each.field, each.reason) for each in error.violations] == [(field, "TOO_LARGE")]


def test_an_answer_above_the_size_of_a_message_is_no_fault_of_the_request():
    """It stays what gRPC says."""
    words = "CLIENT: Received message larger than max (9000033 vs. 8388608)"

    error = error_of(Failed(grpc.StatusCode.RESOURCE_EXHAUSTED, words), ADDRESS)

    assert isinstance(error, RpcError)


DOORS_OWN = [
    errors.InvalidRequest([Violation("a.b", "C", "is d"), Violation("e", "F", "is g")]),
    errors.MalformedMessage([Violation("request", "MALFORMED_MESSAGE", "is no message")]),
    errors.NotFound("no such job"),
    errors.QueueNotFound("no such queue"),
    errors.ScheduleNotFound(),
    errors.WorkflowNotFound(),
    errors.ScheduleExists("another schedule has the id"),
    errors.ScheduleDeclared("declared", metadata={"owner": "a.schedules"}),
    errors.EtagMismatch("changed since"),
    errors.ScheduleBroken("its definition is not believed"),
    errors.RunOpen("a run is open", metadata={"job_id": "j1"}),
    errors.NewerRelease("applied by a newer release", metadata={"release": "2"}),
    errors.AlreadyExists("held", metadata={"job_id": "j1"}),
    errors.RequestIdReused("the request_id stands for other content"),
    errors.AlreadyBegun("a worker holds the job", metadata={"state": "RUNNING"}),
    errors.NotRetryable("handed in again already", metadata={"job_id": "j1"}),
    errors.ParentNotRunning("the job that submits is over"),
    errors.CursorExpired("trimmed"),
    errors.StoreUnavailable(retry_after=timedelta(seconds=3)),
    errors.StoreFull("full", retry_after=timedelta(seconds=7)),
    errors.DeadlineExceeded("late"),
    errors.ShuttingDown("drains; ação"),
    errors.SlowWatcher("too slow"),
]


@pytest.mark.parametrize("raised", DOORS_OWN, ids=lambda each: type(each).__name__)
def test_what_the_door_raises_is_what_the_caller_catches(raised):
    """Through the door's own table of codes and back: kind, words, details."""
    status = status_of(raised)
    call = Failed(code_of(raised), status.message, raw=status.SerializeToString())

    caught = error_of(call, ADDRESS)

    assert type(caught) is type(raised)
    assert vars(caught) == vars(raised) | {"reason": raised.reason}


@pytest.mark.parametrize("raised", DOORS_OWN, ids=lambda each: type(each).__name__)
def test_an_item_of_an_answer_has_the_same_errors(raised):
    """They come as statuses inside a message."""
    caught = error_of_item(status_of(raised))

    assert type(caught) is type(raised)
    assert vars(caught) == vars(raised) | {"reason": raised.reason}


@pytest.mark.parametrize(("code", "name"), [(5, "NOT_FOUND"), (77, "UNKNOWN")])
def test_an_item_that_is_not_explained_has_its_code(code, name):
    """Of another release, or another service."""
    caught = error_of_item(status_pb2.Status(code=code, message="no"))

    assert (type(caught), caught.code, caught.message) == (RpcError, name, "no")


def test_no_kind_is_left_out_of_the_round_trip():
    """A new kind of error needs its way back; faults of the server have none on purpose."""
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    crossing = {kind for kind in kinds if issubclass(kind, errors.PortariaError)}

    faults = {errors.PortariaError, errors.ConfigurationError}
    assert {type(each) for each in DOORS_OWN} == crossing - faults


def test_all_violations_of_a_request_arrive():
    """An InvalidRequest has field, reason and description of every violation, in order."""
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="spec.payload.to", reason="EMAIL_FORMAT", description="is odd")
    bad.field_violations.add(field="request_id", reason="REQUIRED", description="is required")
    call = Failed(grpc.StatusCode.INVALID_ARGUMENT, "bad", bad, reason="INVALID_REQUEST")

    error = error_of(call, ADDRESS)

    assert isinstance(error, errors.InvalidRequest)
    assert error.violations == (
        Violation("spec.payload.to", "EMAIL_FORMAT", "is odd"),
        Violation("request_id", "REQUIRED", "is required"),
    )


def test_retry_info_says_how_long_the_store_is_away():
    """RetryInfo becomes retry_after."""
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromMilliseconds(2500)
    call = Failed(grpc.StatusCode.UNAVAILABLE, "gone", info, reason="STORE_UNAVAILABLE")

    error = error_of(call, ADDRESS)

    assert isinstance(error, errors.StoreUnavailable)
    assert error.retry_after == timedelta(seconds=2.5)


def test_a_refused_connection_names_the_address():
    """UNAVAILABLE that nobody explained: nobody is there."""
    error = error_of(Failed(grpc.StatusCode.UNAVAILABLE, "connection refused"), ADDRESS)

    assert isinstance(error, DoorUnavailable)
    assert error.message == f"cannot reach the door at {ADDRESS}"
    assert error.cause == "connection refused"


@pytest.mark.parametrize(
    "call",
    [
        Failed(grpc.StatusCode.NOT_FOUND, "what", raw=b"\xff\xff\xff"),
        Failed(grpc.StatusCode.NOT_FOUND, "what", raw=b""),
        Failed(
            grpc.StatusCode.NOT_FOUND,
            "what",
            raw=status_pb2.Status(code=3, message="another").SerializeToString(),
        ),
        Failed(
            grpc.StatusCode.NOT_FOUND,
            "what",
            raw=status_pb2.Status(
                code=5,
                message="what",
                details=[Any(type_url="x/google.rpc.ErrorInfo", value=b"\xff")],
            ).SerializeToString(),
        ),
        Failed(grpc.StatusCode.NOT_FOUND, "what", reason="JOB_NOT_FOUND", domain="other.example"),
        Failed(grpc.StatusCode.NOT_FOUND, "what"),
    ],
    ids=["no status", "empty", "of another status", "broken detail", "other domain", "no details"],
)
def test_what_is_not_explained_by_us_is_an_rpc_error(call):
    """Broken or foreign details never break the client, and never pass for ours."""
    error = error_of(call, ADDRESS)

    assert type(error) is RpcError
    assert error.code == "NOT_FOUND"
    assert error.message == "what"


def test_a_status_without_words_still_says_something():
    """No details at all: the code is the message."""
    error = error_of(Failed(grpc.StatusCode.UNAUTHENTICATED, None), ADDRESS)

    assert error.message == "UNAUTHENTICATED"
