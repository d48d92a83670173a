"""Handing in many jobs by one call, over a socket."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from redis import Redis

from acme_jobs.lab.v1.lab_pb2 import Echo, Noop
from integration.frontdoor.playing import Door, Worker, email, keyspace, refused, submission
from integration.frontdoor.watching import Watch
from portaria.store import keys
from portaria.v1.job_pb2 import (
    CONFLICT_POLICY_USE_EXISTING,
    JOB_STATE_CANCELLED,
    JOB_STATE_PENDING,
    JOB_STATE_SCHEDULED,
    JobSpec,
    SubmitOptions,
)
from portaria.v1.jobs_service_pb2 import (
    BatchSubmitJobsRequest,
    BatchSubmitJobsResponse,
    CancelJobsRequest,
    GetJobRequest,
    JobSelector,
)


def batch(jobs: Iterable[Message], *, request_id: str = "", **given: Any) -> BatchSubmitJobsRequest:
    """A batch of payloads, or of specs."""
    return BatchSubmitJobsRequest(
        specs=[each if isinstance(each, JobSpec) else spec(each) for each in jobs],
        request_id=request_id or uuid.uuid4().hex,
        **given,
    )


def spec(payload: Message, **options: Any) -> JobSpec:
    """One job of a batch."""
    packed = AnyMessage()
    packed.Pack(payload)
    return JobSpec(payload=packed, options=SubmitOptions(**options) if options else None)


def ids_of(answer: BatchSubmitJobsResponse) -> list[str]:
    """The ids of an answer without errors."""
    assert all(each.WhichOneof("outcome") == "job_id" for each in answer.results)
    return [each.job_id for each in answer.results]


def fields_of(status: status_pb2.Status) -> dict[str, str]:
    """Path -> reason of an item's violations."""
    bad = error_details_pb2.BadRequest()
    assert any(each.Unpack(bad) for each in status.details)
    return {each.field: each.reason for each in bad.field_violations}


@pytest.mark.parametrize("size", [1, 200, 201, 1000])
def test_each_job_is_there_when_the_batch_is_answered(door: Door, redis: Redis, size: int) -> None:
    """In the order of the specs, each with its own id and the batch's."""
    answer = door.jobs.BatchSubmitJobs(batch([Echo(text=str(n)) for n in range(size)]), timeout=10)

    ids = ids_of(answer)
    assert len(set(ids)) == size
    assert not answer.deduplicated
    assert [each.decode() for each in redis.lrange(keys.queue("lab:default"), 0, -1)] == ids
    for number in {0, size - 1}:
        job = door.get(ids[number], view="JOB_VIEW_FULL")
        echo = Echo()
        assert job.spec.payload.Unpack(echo)
        assert (echo.text, job.workflow_id, job.job_id) == (
            str(number), answer.workflow_id, ids[number],
        )  # fmt: skip


def test_a_worker_opens_what_was_handed_in(door: Door, worker: Worker) -> None:
    """Options of their own, and the defaults of the type."""
    answer = door.jobs.BatchSubmitJobs(
        batch([email(), spec(email("b@c.de"), timeout=Duration(seconds=90))])
    )

    for number, (address, timeout) in enumerate([("ana@example.com", 120), ("b@c.de", 90)]):
        claim = worker.claim("mail:high")
        envelope, payload = worker.envelope(claim), email()
        assert claim.job_id == envelope.job_id == answer.results[number].job_id
        assert envelope.spec.payload.Unpack(payload)
        assert payload.to == address
        assert envelope.spec.options.retry.max_attempts > 0
        assert number == 0 or envelope.spec.options.timeout.seconds == timeout


def test_the_same_batch_again_is_the_same_jobs(door: Door, worker: Worker) -> None:
    """Also while they run, and whichever door is asked; headers may differ."""
    jobs = [spec(email(), headers={"traceparent": "1"}), spec(email("b@c.de"))]
    first = door.jobs.BatchSubmitJobs(batch(jobs, request_id="r1"))
    worker.claim("mail:high")

    jobs[0].options.headers["traceparent"] = "2"
    again = door.jobs.BatchSubmitJobs(batch(jobs, request_id="r1"))

    assert (first.deduplicated, again.deduplicated) == (False, True)
    assert (ids_of(first), first.workflow_id) == (ids_of(again), again.workflow_id)


@pytest.mark.parametrize(
    "other",
    [
        {"jobs": [Noop(), Noop(), Noop()]},
        {"jobs": [Noop(), Echo(text="x")]},
        {"jobs": [Noop(), spec(Noop(), priority="PRIORITY_LOW")]},
        {"jobs": [Noop(), Noop()], "labels": {"a": "1"}},
        {"jobs": [Noop(), Noop()], "allow_partial": True},
    ],
    ids=["more", "payload", "options", "labels", "partial"],
)
def test_a_request_id_with_other_content_is_refused(
    door: Door, redis: Redis, other: dict[str, Any]
) -> None:
    """Whatever differs; and a single job under it, too. Nothing is written."""
    door.jobs.BatchSubmitJobs(batch([Noop(), Noop()], request_id="r1"))
    before = keyspace(redis)

    refusal = refused(door.jobs.BatchSubmitJobs, batch(other.pop("jobs"), request_id="r1", **other))
    single = refused(door.jobs.SubmitJob, submission(Noop(), request_id="r1"))

    for each in (refusal, single):
        assert (each.code, each.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert before == keyspace(redis)


def test_one_bad_job_refuses_all(door: Door, redis: Redis) -> None:
    """Everything that is wrong with any of them, by number; nothing is written."""
    before = keyspace(redis)
    jobs = [email(), email("nobody"), spec(email(), delay=Duration(seconds=-1)), JobSpec()]

    refusal = refused(door.jobs.BatchSubmitJobs, batch(jobs))

    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.fields == {
        "specs[1].payload.to": "EMAIL_FORMAT",
        "specs[2].options.delay": "OUT_OF_RANGE",
        "specs[3].payload": "REQUIRED",
    }
    assert before == keyspace(redis)


def test_a_partial_batch_takes_what_is_good(door: Door, worker: Worker) -> None:
    """And says of each other what is wrong with it; so does a repeat."""
    request = batch([email("nobody"), email(), Echo(text="x" * 300_000)], allow_partial=True)

    answer = door.jobs.BatchSubmitJobs(request)
    again = door.jobs.BatchSubmitJobs(request)

    bad, good, large = answer.results
    assert fields_of(bad.error) == {"specs[0].payload.to": "EMAIL_FORMAT"}
    assert fields_of(large.error) == {"specs[2].payload": "TOO_LARGE"}
    assert grpc.StatusCode.INVALID_ARGUMENT.value[0] == bad.error.code
    assert worker.claim("mail:high").job_id == good.job_id
    assert again.deduplicated
    assert list(answer.results) == list(again.results)


def test_a_partial_batch_of_bad_jobs_only_writes_nothing(door: Door, redis: Redis) -> None:
    """It has no id, since there is nothing to watch."""
    before = keyspace(redis)

    answer = door.jobs.BatchSubmitJobs(batch([email("x"), email("y")], allow_partial=True))

    assert answer.workflow_id == ""
    assert [each.WhichOneof("outcome") for each in answer.results] == ["error", "error"]
    assert before == keyspace(redis)


def test_validate_only_writes_nothing(door: Door, redis: Redis) -> None:
    """A good one has neither id nor error."""
    before = keyspace(redis)

    good = door.jobs.BatchSubmitJobs(batch([Noop()], validate_only=True))
    mixed = batch([Noop(), email("x")], validate_only=True, allow_partial=True)
    outcomes = [each.WhichOneof("outcome") for each in door.jobs.BatchSubmitJobs(mixed).results]
    refusal = refused(door.jobs.BatchSubmitJobs, batch([email("x")], validate_only=True))

    assert [each.WhichOneof("outcome") for each in good.results] == [None]
    assert outcomes == [None, "error"]
    assert refusal.fields == {"specs[0].payload.to": "EMAIL_FORMAT"}
    assert before == keyspace(redis)


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"jobs": []}, {"specs": "TOO_FEW"}),
        ({"jobs": [Noop()] * 1001}, {"specs": "TOO_MANY"}),
        ({"jobs": [Echo(text="x" * 250_000)] * 13}, {"specs": "TOO_LARGE"}),
        ({"jobs": [Noop()], "request_id": "a b"}, {"request_id": "FORMAT"}),
        ({"jobs": [Noop()], "request_id": "a" * 129}, {"request_id": "TOO_LONG"}),
        ({"jobs": [Noop()], "labels": {"Not This": "x"}}, {'labels["Not This"]': "FORMAT"}),
        ({"jobs": [Noop()], "labels": {"a": "x" * 129}}, {'labels["a"]': "TOO_LONG"}),
        ({"jobs": [Noop()], "labels": {f"l{n}": "" for n in range(17)}}, {"labels": "TOO_MANY"}),
        (
            {"jobs": [spec(Noop(), labels={f"l{n}": "" for n in range(16)})], "labels": {"x": ""}},
            {"specs[0].options.labels": "TOO_MANY"},
        ),
    ],
    ids=["none", "1001", "3 MiB", "blank", "long", "label", "value", "17 labels", "17 in all"],
)
def test_what_is_wrong_with_the_whole(
    door: Door, redis: Redis, given: dict[str, Any], fields: dict[str, str]
) -> None:
    """Also of a partial one: there is nothing that could be left out."""
    before = keyspace(redis)
    given = dict(given)

    refusal = refused(door.jobs.BatchSubmitJobs, batch(given.pop("jobs"), **given))

    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.fields == fields
    assert before == keyspace(redis)


def test_without_a_request_id_it_is_refused(door: Door) -> None:
    """Nobody could repeat it."""
    request = BatchSubmitJobsRequest(specs=[spec(Noop())])

    assert refused(door.jobs.BatchSubmitJobs, request).fields == {"request_id": "REQUIRED"}


def test_all_bad_jobs_are_counted_though_not_all_are_shown(door: Door) -> None:
    """An answer has limits."""
    refusal = refused(door.jobs.BatchSubmitJobs, batch([email("x")] * 1000))

    assert 10 <= len(refusal.fields) <= 20
    assert refusal.message.endswith("(and 999 more)")


def test_labels_are_put_on_every_job(door: Door, redis: Redis) -> None:
    """What a job says itself wins; the first four by key are indexed."""
    jobs = [Noop(), spec(Noop(), labels={"team": "b", "x": "1"})]

    ids = ids_of(door.jobs.BatchSubmitJobs(batch(jobs, labels={"team": "a", "run": "7"})))

    assert dict(door.get(ids[0]).labels) == {"team": "a", "run": "7"}
    assert dict(door.get(ids[1]).labels) == {"team": "b", "run": "7", "x": "1"}
    assert redis.zcard(keys.index("default", "label", "run=7")) == 2


def test_options_of_single_jobs_are_kept(door: Door) -> None:
    """A job that waits, in the middle of those that do not."""
    ids = ids_of(
        door.jobs.BatchSubmitJobs(
            batch([Noop(), spec(Noop(), delay=Duration(seconds=3600)), Noop()])
        )
    )

    assert door.get(ids[1]).state == JOB_STATE_SCHEDULED
    assert door.get(ids[2]).state != JOB_STATE_SCHEDULED


def test_a_held_unique_key_refuses_all_or_one(door: Door, redis: Redis) -> None:
    """As for a single job, with the holder's id; partial leaves that one out."""
    holder = door.submit(Noop(), unique_key="k")
    jobs = [Noop(), spec(Noop(), unique_key="k")]
    before = keyspace(redis)

    refusal = refused(door.jobs.BatchSubmitJobs, batch(jobs))
    assert before == keyspace(redis)
    partial = door.jobs.BatchSubmitJobs(batch(jobs, allow_partial=True))
    jobs[1].options.on_conflict = CONFLICT_POLICY_USE_EXISTING
    existing = door.jobs.BatchSubmitJobs(batch(jobs))

    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.ALREADY_EXISTS, "UNIQUE_KEY_HELD",
    )  # fmt: skip
    info = refusal.detail(error_details_pb2.ErrorInfo)
    assert info.metadata["job_id"] == holder.job_id
    assert partial.results[1].error.code == grpc.StatusCode.ALREADY_EXISTS.value[0]
    assert existing.results[1].job_id == holder.job_id


def test_a_batch_can_be_watched_to_its_end(door: Door, worker: Worker) -> None:
    """By its id alone: how each job stands, each change, and the end when all are done."""
    answer = door.jobs.BatchSubmitJobs(batch([email(), email("b@c.de")]))
    other = door.submit()
    watch = Watch(door, selector=JobSelector(workflow_id=answer.workflow_id)).opened()
    for _ in answer.results:
        worker.succeed(worker.claim("mail:high"))
    worker.succeed(worker.claim("mail:high"))

    done: set[str] = set()
    while len(done) < 2:
        event = watch.next()
        assert event.workflow_id == answer.workflow_id
        done |= {event.job_id} if event.done else set()

    assert done == set(ids_of(answer))
    assert other.job_id not in done
    assert watch.ended() is None


def test_a_batch_can_be_cancelled_by_its_id(door: Door) -> None:
    """All of it, and nothing else."""
    answer = door.jobs.BatchSubmitJobs(batch([Noop()] * 3))
    other = door.submit(Noop())

    selector = JobSelector(workflow_id=answer.workflow_id)
    cancelled = door.jobs.CancelJobs(CancelJobsRequest(selector=selector))

    assert cancelled.count == 3
    states = {door.get(each).state for each in ids_of(answer)}
    assert (states, door.get(other.job_id).state) == ({JOB_STATE_CANCELLED}, JOB_STATE_PENDING)


def test_a_batch_that_has_ended_can_still_be_watched(door: Door, worker: Worker) -> None:
    """Its state is told, and that is the end. An unknown one is not found."""
    answer = door.jobs.BatchSubmitJobs(batch([email()]))
    worker.succeed(worker.claim("mail:high"))

    watch = Watch(door, selector=JobSelector(workflow_id=answer.workflow_id))

    assert watch.next().done
    assert watch.ended() is None
    unknown = JobSelector(workflow_id=str(uuid.uuid4()))
    gone = Watch(door, selector=unknown)
    gone.ended()
    assert gone.refusal is not None
    assert gone.refusal.code == grpc.StatusCode.NOT_FOUND


def test_a_full_redis_takes_no_half_of_a_batch(door: Door, redis: Redis) -> None:
    """QUEUE_FULL; nothing runs, and the same request_id goes on once there is room."""
    jobs = [Echo(text=f"{number} " + "x" * 2_000) for number in range(1000)]
    redis.config_set("maxmemory", int(redis.info("memory")["used_memory"]) + 1_500_000)

    refusal = refused(door.jobs.BatchSubmitJobs, batch(jobs, request_id="r1"))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
    assert 0 < len(list(redis.scan_iter("rq:job:*"))) < 1000
    assert redis.exists(keys.queue("lab:default"), keys.EVENTS, keys.index("default")) == 0
    redis.config_set("maxmemory", 0)
    answer = door.jobs.BatchSubmitJobs(batch(jobs, request_id="r1"), timeout=10)
    assert answer.deduplicated
    assert redis.llen(keys.queue("lab:default")) == len(set(ids_of(answer))) == 1000


def test_a_job_of_a_batch_reads_as_any_other(door: Door) -> None:
    """GetJob, with the batch as its workflow."""
    (job_id,) = ids_of(door.jobs.BatchSubmitJobs(batch([Noop()])))

    job = door.jobs.GetJob(GetJobRequest(job_id=job_id)).job

    assert (job.job_id, job.domain, job.queue, job.created_by) == (
        job_id, "lab", "lab:default", "anonymous",
    )  # fmt: skip
