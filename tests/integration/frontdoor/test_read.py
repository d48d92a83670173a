"""Reading jobs and waiting for them, over a socket."""

from __future__ import annotations

import threading
import time
import uuid

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from redis import Redis

from acme_jobs.lab.v1.lab_pb2 import EchoResult
from integration.frontdoor.conftest import OpenDoor
from integration.frontdoor.playing import Door, Worker, email, refused, write_job
from portaria.frontdoor.convert import BASIC_RESULT_LIMIT
from portaria.settings import Settings
from portaria.store import keys
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import JOB_VIEW_FULL
from portaria.v1.jobs_service_pb2 import GetJobRequest, WaitJobRequest
from portaria_workers.mail.v1.mail_pb2 import SendEmailResult


def test_a_finished_job_shows_its_course_and_its_result(door: Door, worker: Worker) -> None:
    """State, counts, moments in order, worker, progress with its percentage, and the result."""
    job_id = door.submit().job_id
    claim = worker.claim()
    worker.report(claim, 1, 4)
    worker.succeed(claim, SendEmailResult(message_id="<1@x>"))

    job = door.get(job_id)

    result = SendEmailResult()
    assert (job.state, job.done) == (job_pb2.JOB_STATE_SUCCEEDED, True)
    assert (job.attempt, job.failures, job.worker) == (1, 0, "played")
    assert job.result.Unpack(result)
    assert result.message_id == "<1@x>"
    moments = [job.create_time, job.start_time, job.end_time, job.purge_time]
    assert moments == sorted(moments, key=lambda moment: moment.ToNanoseconds())
    assert job.update_time == job.end_time
    assert job.purge_time.seconds - job.end_time.seconds == 86_400
    assert not job.pending_reason


def test_a_failed_job_shows_its_failure_and_the_traceback_only_in_full(
    door: Door, worker: Worker
) -> None:
    """BASIC has reason and message."""
    job_id = door.submit().job_id
    worker.fail(worker.claim())

    basic, full = door.get(job_id), door.get(job_id, view=JOB_VIEW_FULL)

    assert (
        basic.last_failure.reason,
        basic.last_failure.message,
        basic.last_failure.traceback,
    ) == ("SMTP_DOWN", "no", "")
    assert full.last_failure.traceback == "line 1"
    assert not basic.HasField("spec")
    assert "ana@example.com" in str(full.spec)


def test_a_retrying_job_says_when(door: Door, worker: Worker) -> None:
    """RETRYING, NOT_DUE, with the moment of the next attempt."""
    job_id = door.submit().job_id
    worker.fail(worker.claim(), retry_ms=60_000)

    job = door.get(job_id)

    assert (
        job.state,
        job.pending_reason,
        job.failures,
    ) == (job_pb2.JOB_STATE_RETRYING, job_pb2.PENDING_REASON_NOT_DUE, 1)
    assert job.next_attempt_time.seconds - job.update_time.seconds == 60


def test_a_large_result_is_shown_only_in_full(door: Door, worker: Worker) -> None:
    """BASIC leaves out what is over 64 KiB."""
    job_id = door.submit().job_id
    worker.succeed(worker.claim(), EchoResult(text="x" * (BASIC_RESULT_LIMIT + 1)))

    assert not door.get(job_id).HasField("result")
    assert len(door.get(job_id, view=JOB_VIEW_FULL).result.value) > BASIC_RESULT_LIMIT


@pytest.mark.parametrize("forgery", ["other bytes", "another job's"])
def test_a_result_that_no_worker_of_ours_wrote_is_withheld(
    forgery: str, door: Door, worker: Worker, redis: Redis
) -> None:
    """Whoever can write to Redis still cannot make a result; the job says that there is one."""
    job_id = door.submit().job_id
    claim = worker.claim()
    if forgery == "another job's":
        worker.succeed(claim, SendEmailResult(message_id="x"), as_job=str(uuid.uuid4()))
    else:
        worker.succeed(claim, SendEmailResult(message_id="x"))
        redis.hset(keys.job(job_id), "output", b"\x01" * 60)

    job = door.get(job_id)

    assert not job.HasField("result")
    assert list(job.warnings) == ["the result is withheld: it was not written by a known worker"]


@pytest.mark.parametrize("broken", ["other", "seal"])
def test_a_spec_that_no_door_wrote_for_the_job_is_withheld(
    door: Door, redis: Redis, broken: str
) -> None:
    """The envelope of another job, or one that was changed; all else of the job is shown."""
    job, other = door.submit(labels={"a": "1"}), door.submit(email("eva@canary.example.com"))
    env = redis.hget(keys.job(other.job_id if broken == "other" else job.job_id), "env")
    redis.hset(keys.job(job.job_id), "env", env if broken == "other" else env[:-1] + b"x")

    shown = door.get(job.job_id, view=JOB_VIEW_FULL)

    assert not shown.HasField("spec")
    assert list(shown.warnings) == ["the spec is withheld: it was not written by a known door"]
    assert (shown.state, dict(shown.labels)) == (job.state, {"a": "1"})


def test_an_unknown_id_is_not_found(door: Door) -> None:
    """Nor is one that only RQ knows, or one of another namespace."""
    refusal = refused(door.jobs.GetJob, GetJobRequest(job_id=str(uuid.uuid4())))

    assert refusal.code == grpc.StatusCode.NOT_FOUND
    assert refusal.reason == "JOB_NOT_FOUND"


def test_what_is_not_ours_is_not_found(door: Door, worker: Worker, redis: Redis) -> None:
    """A job of another namespace does not exist for a caller; nor does one that RQ made."""
    foreign, rq = str(uuid.uuid4()), str(uuid.uuid4())
    write_job(worker.store, worker.keys, job_id=foreign, namespace="other")
    redis.hset(keys.job(rq), mapping={"status": "queued", "origin": "mail:high"})

    for job_id in (foreign, rq):
        for call, request in (
            (door.jobs.GetJob, GetJobRequest(job_id=job_id)),
            (door.jobs.WaitJob, WaitJobRequest(job_id=job_id)),
        ):
            assert refused(call, request).code == grpc.StatusCode.NOT_FOUND


def test_a_fault_of_ours_shows_an_id_and_no_text(
    door: Door, redis: Redis, capfd: pytest.CaptureFixture[str]
) -> None:
    """INTERNAL with an error_id that is in the log; what broke stays there."""
    job_id = door.submit().job_id
    redis.delete(keys.job(job_id))
    redis.set(keys.job(job_id), "no hash")

    refusal = refused(door.jobs.WaitJob, WaitJobRequest(job_id=job_id))

    assert refusal.code == grpc.StatusCode.INTERNAL
    assert refusal.reason == "INTERNAL"
    assert "WRONGTYPE" not in str(refusal.status)
    error_id = refusal.message.rpartition(" ")[2]
    logged = "".join(capfd.readouterr())
    assert error_id in logged
    assert "WRONGTYPE" in logged


def test_what_is_no_hash_is_no_job(door: Door, redis: Redis) -> None:
    """Others put it there."""
    job_id = door.submit().job_id
    redis.delete(keys.job(job_id))
    redis.set(keys.job(job_id), "no hash")

    assert refused(door.jobs.GetJob, GetJobRequest(job_id=job_id)).reason == "JOB_NOT_FOUND"


def test_a_hash_that_is_not_as_we_write_it_is_no_job(door: Door, redis: Redis) -> None:
    """Somebody wrote into it: to the door, as to the scripts, there is no such job."""
    job_id = door.submit().job_id
    redis.hset(keys.job(job_id), "state", "WAITING")

    assert refused(door.jobs.GetJob, GetJobRequest(job_id=job_id)).reason == "JOB_NOT_FOUND"


def test_a_request_id_of_the_caller_comes_back(door: Door) -> None:
    """x-request-id, in the trailing metadata of answers and of refusals."""
    metadata = (("x-request-id", "trace-1"),)
    job_id = door.submit().job_id

    _, call = door.jobs.GetJob.with_call(GetJobRequest(job_id=job_id), metadata=metadata)
    refusal = refused(door.jobs.GetJob, GetJobRequest(), metadata=metadata)

    assert dict(call.trailing_metadata())["x-request-id"] == "trace-1"
    assert refusal.trailers["x-request-id"] == "trace-1"


def test_a_wait_ends_with_the_job(door: Door, worker: Worker) -> None:
    """Long before its timeout; a job that is done already is answered at once."""
    job_id = door.submit().job_id
    waiting = door.jobs.WaitJob.future(WaitJobRequest(job_id=job_id), timeout=20)
    claim = worker.claim()
    worker.succeed(claim)

    job = waiting.result(timeout=10).job
    again = door.jobs.WaitJob(WaitJobRequest(job_id=job_id), timeout=5).job

    assert job_pb2.JOB_STATE_SUCCEEDED == job.state == again.state


def test_a_wait_answers_at_its_timeout(door: Door) -> None:
    """With the state then; also shortly before the caller's own deadline."""
    job_id = door.submit().job_id
    soon = WaitJobRequest(job_id=job_id, timeout=Duration(nanos=50_000_000))

    by_timeout = door.jobs.WaitJob(soon, timeout=10).job
    by_deadline = door.jobs.WaitJob(WaitJobRequest(job_id=job_id), timeout=0.8).job

    for job in (by_timeout, by_deadline):
        assert (job.state, job.done) == (job_pb2.JOB_STATE_PENDING, False)


def test_waits_without_a_deadline_are_bounded_by_their_timeout(door: Door) -> None:
    """A caller that sets no deadline is served, too."""
    job_id = door.submit().job_id
    begun = time.monotonic()

    door.jobs.WaitJob(WaitJobRequest(job_id=job_id, timeout=Duration()))

    assert time.monotonic() - begun < 5


def test_a_draining_door_finishes_calls_and_refuses_new_ones(
    open_door: OpenDoor, worker: Worker
) -> None:
    """SHUTTING_DOWN with RetryInfo for waits and new calls; health says NOT_SERVING."""
    door = open_door()
    job_id = door.submit().job_id
    waiting = door.jobs.WaitJob.future(WaitJobRequest(job_id=job_id), timeout=20)
    door.get(job_id)

    draining = threading.Thread(target=door.drain)
    draining.start()
    ended = refused(waiting.result)
    draining.join()
    late = refused(door.jobs.GetJob, GetJobRequest(job_id=job_id))

    for refusal in (ended, late):
        assert refusal.code == grpc.StatusCode.UNAVAILABLE
        assert refusal.reason == "SHUTTING_DOWN"
    assert not door.is_serving()


def test_health_is_told_for_each_service(door: Door) -> None:
    """The server's own, the core's, and each façade's."""
    names = ("", "portaria.v1.JobsService", "portaria_workers.mail.v1.MailService")

    assert {1} == {door.health(name) for name in names}


@pytest.mark.parametrize("reflection", [True, False])
def test_reflection_is_as_the_settings_say(
    reflection: bool, settings: Settings, open_door: OpenDoor
) -> None:
    """On, it lists core, façades of all packages, and health; off, it is not there."""
    door = open_door(settings.model_copy(update={"reflection": reflection}))
    stub = reflection_pb2_grpc.ServerReflectionStub(door.channel)
    ask = reflection_pb2.ServerReflectionRequest(list_services="")

    if not reflection:
        assert refused(stub.ServerReflectionInfo, iter([ask])).code == grpc.StatusCode.UNIMPLEMENTED
        return
    (answer,) = stub.ServerReflectionInfo(iter([ask]), timeout=5)

    names = {each.name for each in answer.list_services_response.service}
    assert {
        "portaria.v1.JobsService",
        "portaria_workers.mail.v1.MailService",
        "acme_jobs.lab.v1.LabService",
        "grpc.health.v1.Health",
    } <= names
