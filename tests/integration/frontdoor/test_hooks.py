"""Hooks over a socket: admitted with their job, sealed with it, submitted by its end or retry."""

from __future__ import annotations

import uuid
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from redis import Redis

from acme_jobs.lab.v1.lab_pb2 import Charge, Echo, Noop
from integration.frontdoor.playing import Door, Worker, email, keyspace, refused, submission
from integration.frontdoor.scheduling import Schedules, refusal, schedule
from portaria.core.ids import is_member
from portaria.v1.job_pb2 import (
    JOB_STATE_FAILED,
    JOB_STATE_SCHEDULED,
    JOB_STATE_SUCCEEDED,
    JOB_VIEW_FULL,
    PRIORITY_LOW,
    Job,
    JobSpec,
    SubmitOptions,
)
from portaria.v1.jobs_service_pb2 import (
    BatchSubmitJobsRequest,
    JobSelector,
    ListJobsRequest,
    RetryJobsRequest,
)
from portaria_workers.mail.v1.mail_service_pb2 import SendEmailRequest
from portaria_workers.mail.v1.mail_service_pb2_grpc import MailServiceStub

LAB = ("lab:critical", "lab:high", "lab:default", "lab:low")


def spec(payload: Message, **options: Any) -> JobSpec:
    """A job that is no request."""
    return submission(payload, **options).spec


def echo(text: str, **options: Any) -> JobSpec:
    """A hook that can be told from others."""
    return spec(Echo(text=text), **options)


def submitted(door: Door) -> list[Job]:
    """The hooks that became jobs."""
    request = ListJobsRequest(selector=JobSelector(domains=["lab"]), view=JOB_VIEW_FULL)
    return list(door.jobs.ListJobs(request).jobs)


def texts(door: Door) -> list[str]:
    """What they say."""
    return sorted(Echo.FromString(each.spec.payload.value).text for each in submitted(door))


def test_the_end_of_a_job_submits_its_hook(door: Door, worker: Worker) -> None:
    """By its own type's defaults and its own options; it names the job that it is for."""
    hook = echo("s", priority=PRIORITY_LOW, labels={"a": "1"}, headers={"tenant": "t"})
    job = door.submit(on_success=hook, on_failure=echo("f"))

    worker.succeed(worker.claim())

    claim = worker.claim(*LAB)
    envelope, shown = worker.envelope(claim), door.get(claim.job_id, view=JOB_VIEW_FULL)
    assert claim.queue == "lab:low"
    assert (envelope.parent_job_id, envelope.job_id) == (job.job_id, claim.job_id)
    assert envelope.spec.options.timeout.seconds == 30 * 60
    assert dict(envelope.spec.options.headers) == {"tenant": "t"}
    assert (shown.parent_job_id, dict(shown.labels)) == (job.job_id, {"a": "1"})
    assert (shown.spec, list(shown.warnings)) == (envelope.spec, [])
    assert (shown.workflow_id, shown.unique_key, shown.created_by) == ("", "", "anonymous")
    assert texts(door) == ["s"]


def test_a_job_shows_its_hooks_as_they_were_given(door: Door, worker: Worker) -> None:
    """What the hook's type says is not written into it."""
    job = door.submit(on_failure=echo("f", timeout=Duration(seconds=9)))

    worker.fail(worker.claim())

    shown = door.get(job.job_id, view=JOB_VIEW_FULL)
    assert shown.spec.options.on_failure == echo("f", timeout=Duration(seconds=9))
    assert (shown.state, texts(door)) == (JOB_STATE_FAILED, ["f"])


def test_each_retry_submits_one(door: Door, worker: Worker) -> None:
    """Under ids that follow from one that was sealed; each can be read."""
    door.submit(on_retry=echo("r"), on_success=echo("s"))
    for _ in range(2):
        worker.fail(worker.claim(), retry_ms=0)
        worker.promote()
    worker.succeed(worker.claim())

    claims = [worker.claim(*LAB) for _ in range(3)]
    families = [worker.envelope(each).job_id for each in claims if worker.envelope(each).is_family]

    assert texts(door) == ["r", "r", "s"]
    assert len(set(families)) == 1
    assert len(families) == 2
    assert all(is_member(families[0], claim.job_id) for claim in claims[:2])
    assert [list(door.get(each.job_id).warnings) for each in claims] == [[]] * 3


def test_a_hook_may_wait_and_have_limits(door: Door, worker: Worker) -> None:
    """Its delay counts from its submission, not from that of its job."""
    limit = Timestamp(seconds=4_000_000_000)
    door.submit(on_success=echo("s", delay=Duration(seconds=3_600), deadline=limit))
    worker.succeed(worker.claim())

    (job,) = submitted(door)

    assert job.state == JOB_STATE_SCHEDULED
    assert job.run_time.seconds - job.create_time.seconds == 3_600
    assert job.deadline == limit


def test_hooks_that_run_at_most_once_have_one_attempt(door: Door, worker: Worker) -> None:
    """As at any submission."""
    door.submit(on_success=spec(Charge(gate="/", log="/")))
    worker.succeed(worker.claim())

    claim = worker.claim(*LAB)

    assert claim.at_most_once
    assert door.get(claim.job_id).max_attempts == 1


def test_a_repeat_with_other_hooks_is_other_content(door: Door, worker: Worker) -> None:
    """Another text; headers of a hook may differ, as those of a job may."""
    first = submission(request_id="r1", on_success=echo("s", headers={"a": "1"}))
    other = submission(request_id="r1", on_success=echo("s", headers={"a": "2"}))
    job = door.jobs.SubmitJob(first).job

    assert door.jobs.SubmitJob(other).job.job_id == job.job_id
    for options in ({"on_success": echo("t")}, {"on_failure": echo("s")}, {}):
        again = refused(door.jobs.SubmitJob, submission(request_id="r1", **options))
        assert again.reason == "REQUEST_ID_REUSED"
    worker.succeed(worker.claim())
    assert worker.envelope(worker.claim(*LAB)).spec.options.headers["a"] == "1"


def test_a_facade_takes_hooks(door: Door, worker: Worker) -> None:
    """In its options."""
    request = SendEmailRequest(
        job=email(), options=SubmitOptions(on_success=echo("s")), request_id="r1"
    )
    MailServiceStub(door.channel).SendEmail(request)

    worker.succeed(worker.claim())

    assert texts(door) == ["s"]


def test_jobs_of_a_batch_have_their_own(door: Door, worker: Worker) -> None:
    """In several slices, beside plain ones; bad ones are named by their place."""
    count = 410
    specs = [
        spec(email(), on_success=echo(f"{number:03}")) if number % 100 == 7 else spec(email())
        for number in range(count)
    ]
    request = BatchSubmitJobsRequest(specs=specs, request_id="r1")
    bad = BatchSubmitJobsRequest(specs=[specs[0], spec(email(), on_retry=spec(email("x")))])
    bad.request_id = "r2"

    answer = door.jobs.BatchSubmitJobs(request)
    again = door.jobs.BatchSubmitJobs(request)
    wrong = refused(door.jobs.BatchSubmitJobs, bad)
    for _ in range(count):
        worker.succeed(worker.claim())

    assert again.deduplicated
    assert [each.job_id for each in again.results] == [each.job_id for each in answer.results]
    assert texts(door) == ["007", "107", "207", "307", "407"]
    assert wrong.fields == {"specs[1].options.on_retry.payload.to": "EMAIL_FORMAT"}


def test_a_copy_carries_the_hooks(door: Door, worker: Worker) -> None:
    """Sealed anew, for the copy; limits that passed are moved with those of the job."""
    past = Timestamp(seconds=1)
    once = spec(Charge(gate="/", log="/"))
    job = door.submit(on_failure=echo("f"), on_success=once, on_retry=echo("r", deadline=past))
    worker.fail(worker.claim())
    (result,) = door.jobs.RetryJobs(
        RetryJobsRequest(request_id="r1", selector=JobSelector(job_ids=[job.job_id]))
    ).results

    worker.fail(worker.claim(), retry_ms=0)
    worker.promote()
    worker.fail(worker.claim())

    claims = [worker.claim(*LAB) for _ in range(3)]
    parents = [worker.envelope(claim).parent_job_id for claim in claims]
    assert parents == [job.job_id, result.new_job_id, result.new_job_id]
    assert texts(door) == ["f", "f", "r"]
    assert claims[1].left_ms > 0


def test_a_copy_of_a_hook_is_for_the_same_job(door: Door, worker: Worker) -> None:
    """Whoever hands it in again."""
    job = door.submit(on_retry=echo("r"))
    worker.fail(worker.claim(), retry_ms=60_000)
    hook = worker.claim(*LAB)
    worker.fail(hook)

    selector = JobSelector(job_ids=[hook.job_id])
    (result,) = door.jobs.RetryJobs(RetryJobsRequest(request_id="r1", selector=selector)).results

    assert door.get(result.new_job_id).parent_job_id == job.job_id
    envelope = worker.envelope(worker.claim(*LAB))
    assert (envelope.job_id, envelope.is_family) == (result.new_job_id, False)


def test_jobs_of_a_schedule_have_hooks(door: Door, worker: Worker) -> None:
    """Each run its own; moments of one job are refused there as for the job itself."""
    schedules = Schedules(door)
    made = schedule(spec=spec(email(), on_success=echo("s", delay=Duration(seconds=1))))
    moment = Timestamp(seconds=4_000_000_000)
    hooks = {
        "on_failure": echo("f", deadline=moment),
        "on_retry": echo("r", start_before_time=moment),
    }
    schedules.create(made)

    for _ in range(2):
        schedules.trigger()
        worker.succeed(worker.claim())

    wrong = refusal(schedules.create, schedule("wrong", spec=spec(email(), **hooks)))
    assert texts(door) == ["s", "s"]
    assert [each.state for each in submitted(door)] == [JOB_STATE_SCHEDULED] * 2
    assert wrong.fields == {
        "schedule.spec.options.on_failure.options.deadline": "NOT_SUPPORTED",
        "schedule.spec.options.on_retry.options.start_before_time": "NOT_SUPPORTED",
    }


def test_a_check_alone_writes_nothing(door: Door, redis: Redis) -> None:
    """Of a job with hooks as of any."""
    before = keyspace(redis)
    request = submission(on_success=echo("s"))
    request.validate_only = True

    assert not door.jobs.SubmitJob(request).job.job_id
    assert keyspace(redis) == before


def test_a_plain_job_costs_nothing_more(door: Door, redis: Redis) -> None:
    """No field of its hash knows of hooks."""
    job = door.submit(Noop(), request_id=uuid.uuid4().hex)

    fields: Any = redis.hkeys(f"rq:job:{job.job_id}")
    assert not [name for name in fields if b"hook" in name]
    assert job.state != JOB_STATE_SUCCEEDED
