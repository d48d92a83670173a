"""Handing in jobs, over a socket."""

from __future__ import annotations

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from redis import Redis

from integration.frontdoor.playing import (
    Door,
    Worker,
    email,
    keyspace,
    refused,
    submission,
)
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import (
    CONFLICT_POLICY_USE_EXISTING,
    JOB_STATE_PENDING,
    JOB_STATE_SCHEDULED,
    RetryPolicy,
)
from portaria.v1.jobs_service_pb2 import GetJobRequest
from portaria_workers.mail.v1.mail_pb2 import SendEmail
from portaria_workers.mail.v1.mail_service_pb2 import SendEmailRequest
from portaria_workers.mail.v1.mail_service_pb2_grpc import MailServiceStub


def test_what_a_worker_claims_is_what_was_submitted_with_the_defaults_of_its_type(
    door: Door, worker: Worker
) -> None:
    """The envelope opens with the domain's key; unset options are the type's, set ones the call's.

    A retry policy is merged field by field.
    """
    job = door.submit(
        email(variables={"name": "Ana"}),
        timeout=Duration(seconds=90),
        retry=RetryPolicy(max_attempts=2),
        headers={"tenant": "t1"},
    )

    claim = worker.claim("mail:high")

    envelope = worker.envelope(claim)
    payload = SendEmail()
    assert claim.job_id == job.job_id == envelope.job_id
    assert envelope.spec.payload.Unpack(payload)
    assert email(variables={"name": "Ana"}) == payload
    options = envelope.spec.options
    assert options.timeout.seconds == 90
    assert (options.retry.max_attempts, options.retry.max_backoff.seconds) == (2, 600)
    assert (options.priority, options.result_ttl.seconds) == (job_pb2.PRIORITY_HIGH, 86_400)
    assert (envelope.caller, envelope.namespace) == ("anonymous", "default")
    assert dict(options.headers) == {"tenant": "t1"}


def test_the_answer_is_the_job_as_get_job_shows_it(door: Door) -> None:
    """SubmitJob asks Redis only once; what it answers from its own knowledge is the truth."""
    answered = door.submit(labels={"customer": "7"}, priority=job_pb2.PRIORITY_LOW)

    stored = door.get(answered.job_id)

    for moment in ("create_time", "update_time"):
        skew = getattr(stored, moment).ToDatetime() - getattr(answered, moment).ToDatetime()
        assert abs(skew.total_seconds()) < 1
    # Why it waits is looked up for readers only: here, that nobody would run it.
    for differs in ("create_time", "update_time", "cursor", "pending_reason"):
        stored.ClearField(differs)
        answered.ClearField(differs)
    assert stored == answered
    assert stored.queue == "mail:low"


def test_the_same_request_again_is_the_same_job(door: Door) -> None:
    """However maps are ordered, and whatever headers say; even while it runs."""
    first = door.jobs.SubmitJob(
        submission(
            email(template="newsletter", variables={"title": "1", "body": "2"}),
            request_id="r1",
            labels={"x": "1", "y": "2"},
            headers={"traceparent": "1"},
        )
    )
    again = door.jobs.SubmitJob(
        submission(
            email(template="newsletter", variables={"body": "2", "title": "1"}),
            request_id="r1",
            labels={"y": "2", "x": "1"},
            headers={"traceparent": "2"},
        )
    )

    assert not first.deduplicated
    assert again.deduplicated
    assert first.job.job_id == again.job.job_id


def test_a_request_id_with_other_content_is_refused(door: Door, redis: Redis) -> None:
    """Other payload or other options: ALREADY_EXISTS, and nothing is written."""
    job = door.submit(request_id="r1")
    before = keyspace(redis)

    other_payload = refused(door.jobs.SubmitJob, submission(email("b@c.de"), request_id="r1"))
    other_options = refused(
        door.jobs.SubmitJob, submission(request_id="r1", delay=Duration(seconds=1))
    )

    for refusal in (other_payload, other_options):
        assert refusal.code == grpc.StatusCode.ALREADY_EXISTS
        assert refusal.reason == "REQUEST_ID_REUSED"
        assert job.job_id not in refusal.message
    assert before == keyspace(redis)


def test_validate_only_writes_nothing(door: Door, redis: Redis) -> None:
    """It answers the job that would be, without an id; faults are found as ever."""
    request = submission(delay=Duration(seconds=60))
    request.validate_only = True
    before = keyspace(redis)

    job = door.jobs.SubmitJob(request).job

    assert job.job_id == ""
    assert job.state == JOB_STATE_SCHEDULED
    assert before == keyspace(redis)
    wrong = submission(email("nobody"))
    wrong.validate_only = True
    assert refused(door.jobs.SubmitJob, wrong).fields == {"spec.payload.to": "EMAIL_FORMAT"}


def test_a_delayed_job_waits(door: Door) -> None:
    """It is SCHEDULED with its moment; a moment in the past means now."""
    delayed = door.submit(delay=Duration(seconds=3600))
    past = door.submit(run_time=Timestamp(seconds=1))

    waiting, ready = door.get(delayed.job_id), door.get(past.job_id)

    assert (
        waiting.state,
        waiting.pending_reason,
    ) == (JOB_STATE_SCHEDULED, job_pb2.PENDING_REASON_NOT_DUE)
    wait = waiting.run_time.ToDatetime() - waiting.create_time.ToDatetime()
    assert wait.total_seconds() == 3600
    assert (
        ready.state,
        ready.pending_reason,
    ) == (JOB_STATE_PENDING, job_pb2.PENDING_REASON_NO_WORKER)


def test_only_the_first_four_labels_are_indexed_and_all_are_shown(door: Door) -> None:
    """The tag of events carries four; GetJob has all of them."""
    labels = {name: "1" for name in "fedcba"}

    job = door.submit(labels=labels)

    assert labels == dict(door.get(job.job_id).labels)


def test_a_facade_submits_what_its_message_says(door: Door, worker: Worker) -> None:
    """MailService.SendEmail is SubmitJob with a payload that the compiler checked."""
    mail = MailServiceStub(door.channel)

    answer = mail.SendEmail(SendEmailRequest(job=email(), request_id="r1"))
    again = door.jobs.SubmitJob(submission(email(), request_id="r1"))

    assert answer.job.job_id == again.job.job_id
    assert again.deduplicated
    payload = SendEmail()
    assert worker.envelope(worker.claim("mail:high")).spec.payload.Unpack(payload)
    assert email() == payload


def test_unknown_fields_of_a_payload_are_not_kept(door: Door, worker: Worker) -> None:
    """A field that the type does not have neither changes the content nor reaches a worker."""
    plain, strange = submission(request_id="r1"), submission(request_id="r1")
    strange.spec.payload.value += b"\xa2\x06\x04evil"

    door.jobs.SubmitJob(plain)
    again = door.jobs.SubmitJob(strange)

    assert again.deduplicated
    assert b"evil" not in worker.claim("mail:high").envelope


def test_limits_reach_the_kernel_and_the_answer(door: Door) -> None:
    """A start that must come in time, and a deadline."""
    limits = {
        "start_before_time": Timestamp(seconds=4_000_000_000),
        "deadline": Timestamp(seconds=4_000_000_500, nanos=250_000_000),
    }

    job_id = door.jobs.SubmitJob(submission(**limits)).job.job_id
    job = door.jobs.GetJob(GetJobRequest(job_id=job_id)).job

    assert job.start_before_time == limits["start_before_time"]
    assert job.deadline == limits["deadline"]


def test_a_unique_key_is_held_by_one_open_job(door: Door) -> None:
    """Refused with the holder's id, or answered with the holder, as asked."""
    first = door.jobs.SubmitJob(submission(request_id="u1", unique_key="k")).job

    refusal = refused(door.jobs.SubmitJob, submission(request_id="u2", unique_key="k"))
    existing = door.jobs.SubmitJob(
        submission(request_id="u3", unique_key="k", on_conflict=CONFLICT_POLICY_USE_EXISTING)
    )

    assert refusal.code == grpc.StatusCode.ALREADY_EXISTS
    assert refusal.reason == "UNIQUE_KEY_HELD"
    assert refusal.detail(error_details_pb2.ErrorInfo).metadata["job_id"] == first.job_id
    assert (existing.job.job_id, existing.deduplicated) == (first.job_id, True)
    assert existing.job.unique_key == "k"
