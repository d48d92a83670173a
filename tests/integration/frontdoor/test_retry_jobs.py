"""RetryJobs over a socket: what is done is handed in again, once, as a job of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from redis import Redis

from acme_jobs.lab.v1.lab_pb2 import Charge
from integration.frontdoor.acting import (
    BADLY,
    DONE,
    HELD,
    WAITING,
    Make,
    cancelled,
    failed,
    name_of,
    pending,
    running,
    succeeded,
)
from integration.frontdoor.playing import Door, Worker, email, refused, write_job
from portaria.core.ids import new_job_id
from portaria.internal.v1.envelope_pb2 import Envelope
from portaria.store import Store, calls, keys
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import CONFLICT_POLICY_USE_EXISTING, JOB_STATE_PENDING, Job
from portaria.v1.jobs_service_pb2 import (
    DeleteJobsRequest,
    JobSelector,
    RetryJobsRequest,
    RetryJobsResponse,
    RetryResult,
)

FULL = job_pb2.JOB_VIEW_FULL
MAIL = JobSelector(domains=["mail"])


def retry(door: Door, *job_ids: str, **given: Any) -> list[RetryResult]:
    """Of explicit ids, or of a selector."""
    given.setdefault("request_id", uuid.uuid4().hex)
    given.setdefault("selector", JobSelector(job_ids=job_ids))
    answer = door.jobs.RetryJobs(RetryJobsRequest(**given), timeout=10)
    assert not answer.remaining
    return list(answer.results)


def reason(result: RetryResult) -> tuple[str, str]:
    """Of an item's error, with the job that it names."""
    assert result.WhichOneof("outcome") == "error"
    info = error_details_pb2.ErrorInfo()
    assert result.error.details[0].Unpack(info)
    return info.reason, info.metadata.get("job_id", "")


def end_all(door: Door, worker: Worker, *jobs: Job | str) -> None:
    """Cancels them."""
    ids = [each if isinstance(each, str) else each.job_id for each in jobs]
    worker.store.run(calls.cancel("default", ids))


@pytest.mark.parametrize("make", DONE, ids=name_of)
def test_what_is_done_is_handed_in_again(door: Door, worker: Worker, make: Make) -> None:
    """Both know of each other; the old one stays as it ended."""
    job_id = make(door, worker)
    before = door.get(job_id, view=FULL)

    (result,) = retry(door, job_id)

    old, new = door.get(job_id, view=FULL), door.get(result.new_job_id, view=FULL)
    assert (result.job_id, old.retried_as, new.retried_from) == (job_id, new.job_id, job_id)
    assert (new.state, new.attempt, new.queue) == (JOB_STATE_PENDING, 0, before.queue)
    assert new.spec.payload == before.spec.payload
    old.ClearField("retried_as")
    assert old == before


@pytest.mark.parametrize("make", [*WAITING, *HELD], ids=name_of)
def test_what_is_not_done_is_not(door: Door, worker: Worker, make: Make) -> None:
    """Named by its id it has an error; selected it is passed over."""
    job_id = make(door, worker)
    before = door.get(job_id, view=FULL)

    (result,) = retry(door, job_id)

    assert reason(result) == ("NOT_RETRYABLE", "")
    assert result.error.code == 9
    assert retry(door, selector=MAIL) == []
    assert door.get(job_id, view=FULL) == before


def test_a_worker_runs_the_copy_as_it_would_have_run_the_job(door: Door, worker: Worker) -> None:
    """Payload, options and labels; sealed for its own id."""
    job = door.submit(
        email(variables={"name": "Ana"}),
        labels={"team": "a"},
        headers={"tenant": "t"},
        timeout=Duration(seconds=77),
        delay=Duration(seconds=3_600),
    )
    end_all(door, worker, job)

    (result,) = retry(door, job.job_id, priority=job_pb2.PRIORITY_LOW)

    claim = worker.claim()
    envelope = worker.envelope(claim)
    options = envelope.spec.options
    assert claim.job_id == envelope.job_id == result.new_job_id
    assert (claim.queue, options.priority) == ("mail:low", job_pb2.PRIORITY_LOW)
    assert email(variables={"name": "Ana"}).SerializeToString() == envelope.spec.payload.value
    assert (dict(options.labels), dict(options.headers)) == ({"team": "a"}, {"tenant": "t"})
    assert (options.timeout.seconds, options.WhichOneof("start")) == (77, None)
    assert retry(door, selector=JobSelector(labels={"team": "a"})) == []


def test_a_repeat_makes_no_second_copy(door: Door, worker: Worker, redis: Redis) -> None:
    """The same call has the same answer; whatever the copy came to since."""
    jobs = [make(door, worker) for make in DONE]
    first = retry(door, *jobs, request_id="r1")
    copies = [each.new_job_id for each in first]
    count = len(redis.keys("rq:job:*"))

    again = retry(door, *jobs, request_id="r1")
    end_all(door, worker, *copies)
    late = retry(door, *jobs, request_id="r1")

    assert first == again == late
    assert len(redis.keys("rq:job:*")) == count == 8


def test_a_job_is_handed_in_again_once(door: Door, worker: Worker) -> None:
    """Two operators make one copy, whatever their request ids; the copy may be copied."""
    job_id = failed(door, worker)
    (first,) = retry(door, job_id)

    (second,) = retry(door, job_id)
    assert retry(door, selector=MAIL) == []
    end_all(door, worker, first.new_job_id)
    (third,) = retry(door, selector=MAIL)

    assert reason(second) == ("NOT_RETRYABLE", first.new_job_id)
    assert third.job_id == first.new_job_id


def test_a_copy_that_was_deleted_is_none(door: Door, worker: Worker) -> None:
    """The job may be handed in again."""
    job_id = failed(door, worker)
    (first,) = retry(door, job_id)
    end_all(door, worker, first.new_job_id)
    selector = JobSelector(job_ids=[first.new_job_id])
    assert door.jobs.DeleteJobs(DeleteJobsRequest(selector=selector)).count == 1

    (second,) = retry(door, job_id)

    assert second.new_job_id not in ("", first.new_job_id)


def test_the_same_request_with_another_priority_is_refused(door: Door, worker: Worker) -> None:
    """It stands for the first."""
    job_id = failed(door, worker)
    (first,) = retry(door, job_id, request_id="r1")

    (other,) = retry(door, job_id, request_id="r1", priority=job_pb2.PRIORITY_LOW)

    assert reason(other) == ("REQUEST_ID_REUSED", first.new_job_id)
    assert other.error.code == 6


def test_a_selector_spares_what_succeeded_unless_it_is_named(door: Door, worker: Worker) -> None:
    """So that nobody has a mail twice because somebody asked for too much."""
    done = {make: make(door, worker) for make in DONE}

    badly = retry(door, selector=MAIL)
    succeeded_only = JobSelector(states=[job_pb2.JOB_STATE_SUCCEEDED])
    well = retry(door, selector=succeeded_only)

    assert [each.job_id for each in badly] == [done[make] for make in BADLY]
    assert [each.job_id for each in well] == [done[succeeded]]


def test_each_id_has_a_result(door: Door, worker: Worker, redis: Redis) -> None:
    """In order; those of others are as if they were not there."""
    unknown, other = new_job_id(), new_job_id()
    write_job(Store(redis), worker.keys, namespace="another", job_id=other)
    end = calls.cancel("another", [other])
    worker.store.run(end)
    ids = [failed(door, worker), unknown, running(door, worker), other, cancelled(door, worker)]

    results = retry(door, *ids)

    assert [each.job_id for each in results] == ids
    assert [bool(each.new_job_id) for each in results] == [True, False, False, False, True]
    reasons = [reason(each)[0] for each in results if not each.new_job_id]
    assert reasons == ["JOB_NOT_FOUND", "NOT_RETRYABLE", "JOB_NOT_FOUND"]
    assert [results[1].error.code, results[3].error.code] == [5, 5]


def test_a_unique_key_that_is_held_is_an_error_of_its_job(door: Door, worker: Worker) -> None:
    """Others go on; with USE_EXISTING it is the job that holds the key."""
    keyed = door.submit(unique_key="k")
    easy = door.submit(email("eva@example.com"), unique_key="e",
                       on_conflict=CONFLICT_POLICY_USE_EXISTING)  # fmt: skip
    plain = door.submit()
    end_all(door, worker, keyed, easy, plain)
    holder = door.submit(email("rui@example.com"), unique_key="k")
    other = door.submit(email("rui@example.com"), unique_key="e")

    first, second, third = retry(door, keyed.job_id, easy.job_id, plain.job_id)

    assert reason(first) == ("UNIQUE_KEY_HELD", holder.job_id)
    assert second.new_job_id == other.job_id
    assert third.new_job_id
    end_all(door, worker, holder)
    (now,) = retry(door, keyed.job_id)
    assert door.get(now.new_job_id).unique_key == "k"


def test_limits_that_passed_are_moved(door: Door, worker: Worker, redis: Redis) -> None:
    """As far ahead as they were of the first moment, at least a minute; others stay."""
    created = door.submit().create_time.seconds
    far = Timestamp(seconds=created + 86_400)
    job = door.submit(deadline=far, start_before_time=Timestamp(seconds=created + 7_200))
    end_all(door, worker, job)
    _shift(redis, worker, job.job_id, hours=3)

    (result,) = retry(door, job.job_id)

    copy = door.get(result.new_job_id)
    ahead = copy.start_before_time.seconds - copy.create_time.seconds
    assert copy.deadline == Timestamp(seconds=far.seconds - 3 * 3_600)
    assert abs(ahead - 7_200) <= 2
    assert copy.state == JOB_STATE_PENDING


@pytest.mark.parametrize("seconds", [-(2**62), 2**62])
def test_a_moment_beyond_all_years_is_no_hindrance(
    door: Door, worker: Worker, redis: Redis, seconds: int
) -> None:
    """Such as an earlier door took; nor is it one to the jobs beside it."""
    odd, plain = door.submit(), door.submit()
    end_all(door, worker, odd, plain)
    with _envelope(redis, worker, odd.job_id) as envelope:
        envelope.spec.options.run_time.seconds = -(2**62)
        envelope.spec.options.deadline.seconds = seconds

    first, second = retry(door, odd.job_id, plain.job_id)

    assert second.new_job_id
    assert first.WhichOneof("outcome")


def _shift(redis: Redis, worker: Worker, job_id: str, *, hours: int) -> None:
    """As if the job had been handed in that long ago: its envelope and its moments."""
    with _envelope(redis, worker, job_id) as envelope:
        for name in ("start_before_time", "deadline"):
            getattr(envelope.spec.options, name).seconds -= hours * 3_600
    redis.hincrby(keys.job(job_id), "created", -hours * 3_600_000)


@contextmanager
def _envelope(redis: Redis, worker: Worker, job_id: str) -> Iterator[Envelope]:
    """What the door sealed, for the block to change."""
    sealed = redis.hget(keys.job(job_id), "env")
    envelope = Envelope.FromString(worker.keys.unseal("domain/mail", sealed))
    yield envelope
    redis.hset(
        keys.job(job_id), "env", worker.keys.seal("domain/mail", envelope.SerializeToString())
    )


def test_a_job_that_runs_at_most_once_may_be_handed_in_again(door: Door) -> None:
    """That is a person's decision; the copy runs at most once, too."""
    job = door.submit(Charge(gate="g", log="l"))
    door.jobs.CancelJobs(_cancel(job.job_id))

    (result,) = retry(door, job.job_id)

    assert door.get(result.new_job_id).max_attempts == job.max_attempts


def _cancel(job_id: str) -> Any:
    from portaria.v1.jobs_service_pb2 import CancelJobsRequest

    return CancelJobsRequest(selector=JobSelector(job_ids=[job_id]))


@pytest.mark.parametrize("broken", ["other", "seal", "payload"])
def test_what_no_door_wrote_is_not_handed_in(
    door: Door, worker: Worker, redis: Redis, broken: str
) -> None:
    """The envelope of another job, one that was changed, one that its type does not take."""
    job_id, other = failed(door, worker), pending(door, worker)
    env = redis.hget(keys.job(other), "env")
    if broken == "seal":
        env = redis.hget(keys.job(job_id), "env")[:-1] + b"x"
    if broken == "payload":
        envelope = Envelope(namespace="default", job_id=job_id)
        envelope.spec.payload.Pack(email("nobody"))
        env = worker.keys.seal("domain/mail", envelope.SerializeToString())
    redis.hset(keys.job(job_id), "env", env)

    (result,) = retry(door, job_id)

    assert reason(result)[0] == ("INVALID_REQUEST" if broken == "payload" else "NOT_RETRYABLE")
    assert "nobody" not in str(result)
    assert door.get(job_id).retried_as == ""


def test_thousands_are_handed_in_again_once(door: Door, worker: Worker, redis: Redis) -> None:
    """A thousand a call; copies are not copied, though they match by then."""
    template = door.submit(labels={"team": "a"})
    sealed = redis.hget(keys.job(template.job_id), "env")
    envelope = Envelope.FromString(worker.keys.unseal("domain/mail", sealed))
    store = Store(redis)
    for _ in range(1_200):
        envelope.job_id = new_job_id()
        env = worker.keys.seal("domain/mail", envelope.SerializeToString())
        write_job(store, worker.keys, job_id=envelope.job_id, envelope=env, labels=[("team", "a")])
    door.jobs.CancelJobs(_cancel(template.job_id))
    everything = JobSelector(labels={"team": "a"})
    for _ in range(2):
        _cancel_all(door, everything)
    request = RetryJobsRequest(selector=everything, request_id="r1")

    answers: list[RetryJobsResponse] = []
    while not answers or answers[-1].remaining:
        answers.append(door.jobs.RetryJobs(request, timeout=20))
        _cancel_all(door, everything)  # the copies match, too
        request.page_token = answers[-1].next_page_token

    results = [each for answer in answers for each in answer.results]
    # On a busy machine the time of a call is up before its thousand is full.
    assert max(len(answer.results) for answer in answers) <= 1_000
    assert len(results) == 1_201
    assert len({each.new_job_id for each in results}) == 1_201
    assert len({each.job_id for each in results}) == 1_201


def _cancel_all(door: Door, selector: JobSelector) -> None:
    from portaria.v1.jobs_service_pb2 import CancelJobsRequest

    request, remaining = CancelJobsRequest(selector=selector), True
    while remaining:
        answer = door.jobs.CancelJobs(request, timeout=10)
        remaining, request.page_token = answer.remaining, answer.next_page_token


def test_all_that_is_wrong_is_said(door: Door) -> None:
    """Selector, request id, priority and token."""
    request = RetryJobsRequest(
        selector=JobSelector(),
        request_id="a b",
        priority=77,
        page_token="x",  # type: ignore[arg-type]
    )

    refusal = refused(door.jobs.RetryJobs, request)

    assert refusal.fields == {
        "selector": "REQUIRED", "request_id": "FORMAT", "priority": "UNKNOWN",
        "page_token": "FORMAT",
    }  # fmt: skip
    assert refused(door.jobs.RetryJobs, RetryJobsRequest()).fields == {
        "selector": "REQUIRED", "request_id": "REQUIRED",
    }  # fmt: skip
