"""What is wrong with a request is said, all of it, over a socket; nothing is written."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from redis import Redis

from acme_jobs.lab.v1.lab_pb2 import Charge, Echo
from integration.frontdoor.playing import Door, email, keyspace, refused, submission
from integration.frontdoor.wire import varint
from portaria.v1.job_pb2 import JobSpec, RetryPolicy, SubmitOptions
from portaria.v1.jobs_service_pb2 import (
    GetJobRequest,
    SubmitJobRequest,
    WaitJobRequest,
    WatchJobsRequest,
)
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail
from portaria_workers.mail.v1.mail_service_pb2 import SendEmailRequest
from portaria_workers.mail.v1.mail_service_pb2_grpc import MailServiceStub

CANARY = "canary-7f3a"


def _with_type(name: str) -> SubmitJobRequest:
    request = submission(request_id="r1")
    request.spec.payload.type_url = name
    return request


def _with_bytes(value: bytes) -> SubmitJobRequest:
    request = submission(request_id="r1")
    request.spec.payload.value = value
    return request


def _with_id(request_id: str) -> SubmitJobRequest:
    request = submission()
    request.request_id = request_id
    return request


def _bulk(*addresses: str) -> SendBulkEmail:
    recipients = [SendBulkEmail.Recipient(address=each) for each in addresses]
    return SendBulkEmail(template="welcome", recipients=recipients, variables={"name": "Ana"})


def _hook(payload: Message | None = None, **options: Any) -> SubmitJobRequest:
    return submission(on_failure=submission(payload, **options).spec)


def _retry(**given: Any) -> SubmitJobRequest:
    return submission(retry=RetryPolicy(**given))


BAD = {
    "nothing": (SubmitJobRequest(), {"spec": "REQUIRED", "request_id": "REQUIRED"}),
    "no payload": (
        SubmitJobRequest(request_id="r1", spec=JobSpec(options=SubmitOptions())),
        {"spec.payload": "REQUIRED"},
    ),
    "unnamed type": (_with_type(""), {"spec.payload": "REQUIRED"}),
    "unknown type": (_with_type(f"x/a.{CANARY}"), {"spec.payload": "UNKNOWN_JOB_TYPE"}),
    "a message that is no job type": (
        _with_type("type.googleapis.com/portaria.v1.Job"),
        {"spec.payload": "UNKNOWN_JOB_TYPE"},
    ),
    "bytes that do not parse": (_with_bytes(b"\x0a\xff"), {"spec.payload": "MALFORMED_MESSAGE"}),
    "text that is not UTF-8": (_with_bytes(b"\x0a\x01\xff"), {"spec.payload": "MALFORMED_MESSAGE"}),
    "empty payload": (
        _with_bytes(b""),
        {"spec.payload.to": "REQUIRED", "spec.payload.template": "REQUIRED"},
    ),
    "two addresses in one field": (
        submission(email(f"a@b.cd, {CANARY}@d.ef")),
        {"spec.payload.to": "EMAIL_FORMAT"},
    ),
    "a second header in an address": (
        submission(email(f"a@b.cd\r\nBcc: {CANARY}@d.ef")),
        {"spec.payload.to": "EMAIL_FORMAT"},
    ),
    "an address that is too long": (
        submission(email("a" * 60 + "@" + "b" * 190 + ".example")),
        {"spec.payload.to": "TOO_LONG EMAIL_FORMAT"},
    ),
    "a second line in a subject": (
        submission(email(subject=f"hello\r\nX-Evil: {CANARY}")),
        {"spec.payload.subject": "FORMAT"},
    ),
    "unknown template": (
        submission(email(template=f"../../{CANARY}")),
        {"spec.payload.template": "UNKNOWN"},
    ),
    "unknown locale": (submission(email(locale=CANARY)), {"spec.payload.locale": "UNKNOWN"}),
    "a key that is no identifier": (
        submission(email(variables={"a b": CANARY, "name": CANARY})),
        {'spec.payload.variables["a b"]': "UNKNOWN FORMAT"},
    ),
    "one bad recipient of several": (
        submission(_bulk("a@b.cd", "c@d.ef", f"{CANARY}@", "g@h.ij")),
        {"spec.payload.recipients[2].address": "EMAIL_FORMAT"},
    ),
    "a hook of an unknown type": (
        submission(on_retry=_with_type(f"x/a.{CANARY}").spec),
        {"spec.options.on_retry.payload": "UNKNOWN_JOB_TYPE"},
    ),
    "a hook of nothing": (
        submission(on_success=JobSpec()),
        {"spec.options.on_success.payload": "REQUIRED"},
    ),
    "a hook whose bytes do not parse": (
        submission(on_success=_with_bytes(b"\x0a\xff").spec),
        {"spec.options.on_success.payload": "MALFORMED_MESSAGE"},
    ),
    "a hook that breaks rules": (
        _hook(email(subject=f"hello\r\nX-Evil: {CANARY}"), timeout=Duration()),
        {
            "spec.options.on_failure.payload.subject": "FORMAT",
            "spec.options.on_failure.options.timeout": "OUT_OF_RANGE",
        },
    ),
    "a hook with hooks and a key": (
        _hook(on_failure=submission().spec, unique_key=CANARY),
        {
            "spec.options.on_failure.options.on_failure": "NOT_ALLOWED",
            "spec.options.on_failure.options.unique_key": "NOT_ALLOWED",
        },
    ),
    "a hook that cannot be retried so": (
        _hook(Charge(gate="/", log="/"), retry=RetryPolicy(max_attempts=2)),
        {"spec.options.on_failure.options.retry": "NOT_SUPPORTED"},
    ),
    "no recipients": (submission(_bulk()), {"spec.payload.recipients": "REQUIRED"}),
    # Row 50 of the bad inputs.
    "a variable that is missing and one too many": (
        submission(email(variables={"nome": CANARY})),
        {
            'spec.payload.variables["name"]': "REQUIRED",
            'spec.payload.variables["nome"]': "UNKNOWN",
        },
    ),
    "empty request_id": (_with_id(""), {"request_id": "REQUIRED"}),
    "long request_id": (_with_id("x" * 129), {"request_id": "TOO_LONG"}),
    "request_id with a space": (_with_id(f"{CANARY} x"), {"request_id": "FORMAT"}),
    "request_id beyond ASCII": (_with_id("é"), {"request_id": "FORMAT"}),
    "no timeout at all": (
        submission(timeout=Duration()),
        {"spec.options.timeout": "OUT_OF_RANGE"},
    ),
    "a timeout of two days": (
        submission(timeout=Duration(seconds=172_800)),
        {"spec.options.timeout": "OUT_OF_RANGE"},
    ),
    "a delay into the past": (
        submission(delay=Duration(seconds=-1)),
        {"spec.options.delay": "OUT_OF_RANGE"},
    ),
    "run_time in two years": (
        submission(run_time=Timestamp(seconds=4_000_000_000)),
        {"spec.options.run_time": "OUT_OF_RANGE"},
    ),
    "no attempts": (_retry(max_attempts=0), {"spec.options.retry.max_attempts": "OUT_OF_RANGE"}),
    "a jitter of two": (_retry(jitter=2), {"spec.options.retry.jitter": "OUT_OF_RANGE"}),
    "a jitter that is no number": (
        _retry(jitter=float("nan")),
        {"spec.options.retry.jitter": "OUT_OF_RANGE NOT_FINITE"},
    ),
    "the longest wait shorter than the first": (
        _retry(initial_backoff=Duration(seconds=9), max_backoff=Duration(seconds=8)),
        {"spec.options.retry": "MAX_BACKOFF"},
    ),
    "an unknown priority": (submission(priority=77), {"spec.options.priority": "UNKNOWN"}),
    "too many labels": (
        submission(labels={f"k{number}": "" for number in range(17)}),
        {"spec.options.labels": "TOO_MANY"},
    ),
    "a label too long": (
        submission(labels={"k": CANARY * 20}),
        {'spec.options.labels["k"]': "TOO_LONG"},
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_each_field_that_is_wrong_is_named(name: str, door: Door, redis: Redis) -> None:
    """INVALID_ARGUMENT with the path and reason of each violation; never the value."""
    request, expected = BAD[name]
    before = keyspace(redis)

    refusal = refused(door.jobs.SubmitJob, request)

    found: dict[str, list[str]] = {}
    for each in refusal.violations:
        found.setdefault(each.field, []).append(each.reason)
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert expected == {field: " ".join(reasons) for field, reasons in found.items()}
    assert CANARY not in str(refusal.status)
    assert before == keyspace(redis)


def test_everything_wrong_is_said_at_once(door: Door) -> None:
    """The request, its options and its payload, in one answer."""
    request = submission(
        email("nobody", template="none", subject="two\nlines"),
        timeout=Duration(seconds=0),
        on_conflict=1,
    )
    request.request_id = ""

    refusal = refused(door.jobs.SubmitJob, request)

    assert refusal.reason == "INVALID_REQUEST"
    assert {
        "request_id",
        "spec.options.timeout",
        "spec.options.on_conflict",
        "spec.payload.to",
        "spec.payload.template",
        "spec.payload.subject",
    } == refusal.fields.keys()


def test_an_unknown_type_lists_the_known_ones(door: Door) -> None:
    """The ErrorInfo says so, too."""
    refusal = refused(door.jobs.SubmitJob, _with_type("x/a.B"))

    assert refusal.reason == "UNKNOWN_JOB_TYPE"
    assert "acme_jobs.lab.v1.Noop" in refusal.violations[0].description


def test_an_unknown_value_lists_the_allowed_ones(door: Door) -> None:
    """So that the caller need not look them up."""
    refusal = refused(door.jobs.SubmitJob, submission(email(template="x")))

    assert "is not one of activation, message" in refusal.violations[0].description


def test_a_thousand_violations_are_counted_and_twenty_told(door: Door) -> None:
    """As many as fit into the metadata of an answer; the message says how many there are."""
    refusal = refused(door.jobs.SubmitJob, submission(_bulk(*["x"] * 1000)))

    assert "(and 999 more)" in refusal.message
    assert len(refusal.violations) == 20


def test_long_violations_do_not_break_the_answer(door: Door) -> None:
    """Metadata beyond 8 KiB would be refused by the caller's own gRPC."""
    keys = {"A" * 60 + f" {number}": "" for number in range(64)}

    refusal = refused(door.jobs.SubmitJob, submission(email(variables=keys)))

    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert len(refusal.trailers["grpc-status-details-bin"]) < 6_500
    assert refusal.violations


def test_a_payload_over_its_types_limit_is_too_large(door: Door) -> None:
    """256 KiB where the type does not say more."""
    refusal = refused(door.jobs.SubmitJob, submission(Echo(text="x" * 262_200)))

    assert refusal.fields == {"spec.payload": "TOO_LARGE"}


def test_a_facade_names_the_fields_of_its_own_request(door: Door) -> None:
    """`job.to` and `options.timeout`, as its caller knows them."""
    mail = MailServiceStub(door.channel)
    options = SubmitOptions(
        timeout=Duration(seconds=0), on_conflict=1, on_retry=submission(email("x")).spec
    )

    wrong = refused(mail.SendEmail, SendEmailRequest(job=email("x"), options=options))
    empty = refused(mail.SendEmail, SendEmailRequest(request_id="r1"))

    assert wrong.fields == {
        "job.to": "EMAIL_FORMAT",
        "options.timeout": "OUT_OF_RANGE",
        "options.on_conflict": "NOT_ALLOWED",
        "options.on_retry.payload.to": "EMAIL_FORMAT",
        "request_id": "REQUIRED",
    }
    assert empty.fields == {"job": "REQUIRED"}


def _nested(depth: int) -> bytes:
    """JobSpec.options = 2, SubmitOptions.on_success = 13, by hand: no message can be so deep."""
    raw = b""
    for number in range(depth):
        tag = b"\x12" if number % 2 else b"\x6a"
        raw = tag + varint(len(raw)) + raw
    return b"\x0a" + varint(len(raw)) + raw


METHODS = ("SubmitJob", "GetJob", "WaitJob", "WatchJobs")
MALFORMED = {
    "nested too deeply": ("SubmitJob", _nested(150)),
    **{f"not a message, {method}": (method, b"\xff\xff\xff\xff") for method in METHODS},
    # the first field of each is text or holds text
    **{f"not UTF-8, {method}": (method, b"\x0a\x03\x0a\x01\xff") for method in METHODS},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_bytes_that_are_no_request_are_refused(name: str, door: Door) -> None:
    """INVALID_ARGUMENT / MALFORMED_MESSAGE, and the door goes on."""
    method, raw = MALFORMED[name]
    stream = method == "WatchJobs"
    make = door.channel.unary_stream if stream else door.channel.unary_unary

    refusal = refused(make(f"/portaria.v1.JobsService/{method}"), raw)

    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "MALFORMED_MESSAGE"
    assert door.submit().job_id


def test_a_message_over_8_mib_is_refused_by_the_transport(door: Door) -> None:
    """RESOURCE_EXHAUSTED, before anything reads it."""
    call = door.channel.unary_unary("/portaria.v1.JobsService/SubmitJob")

    assert refused(call, b"x" * (9 << 20)).code == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_ids_have_a_form(door: Door) -> None:
    """A UUID, else INVALID_ARGUMENT."""
    for method, request in (
        (door.jobs.GetJob, GetJobRequest(job_id="../1")),
        (door.jobs.WaitJob, WaitJobRequest(job_id="../1")),
    ):
        assert refused(method, request).fields == {"job_id": "FORMAT"}
    assert refused(door.jobs.GetJob, GetJobRequest()).fields == {"job_id": "REQUIRED"}


def test_a_wait_is_at_most_a_minute(door: Door) -> None:
    """Longer ones are refused, not shortened."""
    request = WaitJobRequest(
        job_id="01a1fbdb-8e98-767f-9bde-5f0bd1943ee8", timeout=Duration(seconds=61)
    )

    assert refused(door.jobs.WaitJob, request).fields == {"timeout": "OUT_OF_RANGE"}


WATCHES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "no selector": ({}, {"selector": "REQUIRED"}),
    "empty selector": ({"selector": {}}, {"selector": "REQUIRED"}),
    "states": (
        {"selector": {"states": [3], "domains": ["mail"]}},
        {"selector.states": "NOT_SUPPORTED"},
    ),
    "times": (
        {"selector": {"created_after": Timestamp(seconds=1)}},
        {"selector.created_after": "NOT_SUPPORTED"},
    ),
    "an id that is none": (
        {"selector": {"job_ids": ["x"]}},
        {"selector.job_ids[0]": "FORMAT"},
    ),
    "a cursor that is none": (
        {"selector": {"domains": ["mail"]}, "cursor": "x"},
        {"cursor": "FORMAT"},
    ),
    "an end without ids": (
        {"selector": {"domains": ["mail"]}, "until": 1},
        {"until": "NOT_SUPPORTED"},
    ),
    "an interval too short": (
        {"selector": {"domains": ["mail"]}, "progress_interval": Duration(nanos=1)},
        {"progress_interval": "OUT_OF_RANGE"},
    ),
}


@pytest.mark.parametrize("name", WATCHES)
def test_a_watch_selects_by_what_never_changes(name: str, door: Door) -> None:
    """Anything else is refused, as is a watch of nothing."""
    given, expected = WATCHES[name]

    refusal = refused(door.jobs.WatchJobs, WatchJobsRequest(**given))

    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert expected == refusal.fields
