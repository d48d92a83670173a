"""UpdateJob over a socket: what waits moves; what has begun, ended or is not there does not."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from redis import Redis

from integration.frontdoor.acting import (
    DONE,
    FAR_OFF,
    HELD,
    WAITING,
    Make,
    name_of,
    pending,
    retrying,
    scheduled,
)
from integration.frontdoor.playing import Door, Worker, refused, write_job
from integration.frontdoor.watching import Watch
from portaria.core.ids import new_job_id
from portaria.store import Store, keys
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import JOB_STATE_PENDING, JOB_STATE_SCHEDULED, Job
from portaria.v1.jobs_service_pb2 import UpdateJobRequest
from stack import eventually


def update(door: Door, job_id: str, **given: Any) -> Job:
    """What the door answers."""
    return door.jobs.UpdateJob(UpdateJobRequest(job_id=job_id, **given), timeout=5).job


def soon(redis: Redis, seconds: int = 3_600) -> Timestamp:
    """A moment ahead, by the store's clock."""
    return Timestamp(seconds=int(redis.time()[0]) + seconds)


@pytest.mark.parametrize("make", WAITING, ids=name_of)
def test_what_waits_moves_to_another_priority(door: Door, worker: Worker, make: Make) -> None:
    """The answer is the job as GetJob shows it; a repeat changes nothing."""
    job_id = make(door, worker)
    before = door.get(job_id)

    job = update(door, job_id.upper(), priority=job_pb2.PRIORITY_LOW)

    assert (job.queue, job.priority) == ("mail:low", job_pb2.PRIORITY_LOW)
    assert (job.state, job.run_time) == (before.state, before.run_time)
    again = update(door, job_id, priority=job_pb2.PRIORITY_LOW)
    again.update_time.CopyFrom(job.update_time)
    assert again == job


@pytest.mark.parametrize("make", WAITING, ids=name_of)
def test_a_move_is_told_to_who_watches(
    door: Door, worker: Worker, redis: Redis, make: Make
) -> None:
    """Each with queue and moment, from the snapshot on and from a cursor on; what moves nothing is
    not told."""
    job_id, moment = make(door, worker), soon(redis, 7_200)
    before = door.get(job_id)
    watch = Watch(door, job_id).opened()
    watch.next()

    update(door, job_id, priority=job_pb2.PRIORITY_LOW)
    update(door, job_id, priority=job_pb2.PRIORITY_LOW)
    update(door, job_id, run_time=moment)
    after = update(door, job_id, run_time=moment)

    moved, put_off = watch.next(), watch.next()
    assert (moved.state, moved.state_change.previous) == (before.state, before.state)
    assert (put_off.state, put_off.state_change.previous) == (after.state, before.state)
    assert [each.state_change.queue for each in (moved, put_off)] == ["mail:low"] * 2
    assert put_off.state_change.next_attempt_time == moment
    told = Watch(door, job_id, cursor=before.cursor).opened()
    assert [told.next(), told.next()] == [moved, put_off]
    eventually(lambda: watch.cursor == after.cursor)
    watch.cancel(), told.cancel()


def test_a_queued_job_is_put_off_and_runs_where_it_was_put(
    door: Door, worker: Worker, redis: Redis
) -> None:
    """Both at once."""
    job_id, moment = pending(door, worker), soon(redis)

    job = update(door, job_id, run_time=moment, priority=job_pb2.PRIORITY_CRITICAL)

    assert (job.state, job.run_time, job.queue) == (JOB_STATE_SCHEDULED, moment, "mail:critical")
    update(door, job_id, run_time=Timestamp(seconds=1))
    worker.promote()
    assert worker.claim("mail:critical").job_id == job_id


@pytest.mark.parametrize("seconds", [-62_135_596_800, -1, 0, 1])
def test_a_moment_in_the_past_means_now(door: Door, worker: Worker, seconds: int) -> None:
    """For what is scheduled, what is retried, and what is queued anyway."""
    for make in (scheduled, retrying, pending):
        job_id = make(door, worker)

        update(door, job_id, run_time=Timestamp(seconds=seconds))

        worker.promote()
        assert door.get(job_id).state == JOB_STATE_PENDING
        worker.succeed(worker.claim())


@pytest.mark.parametrize("make", [*HELD, *DONE], ids=name_of)
def test_what_has_begun_stays_where_it_is(door: Door, worker: Worker, make: Make) -> None:
    """FAILED_PRECONDITION, with the state."""
    job_id = make(door, worker)
    before = door.get(job_id)
    request = UpdateJobRequest(job_id=job_id, priority=job_pb2.PRIORITY_LOW)

    refusal = refused(door.jobs.UpdateJob, request)

    state = job_pb2.JobState.Name(before.state).removeprefix("JOB_STATE_")
    assert (refusal.code.name, refusal.reason) == ("FAILED_PRECONDITION", "ALREADY_BEGUN")
    assert refusal.detail(error_details_pb2.ErrorInfo).metadata["state"] == state
    assert door.get(job_id) == before


@pytest.mark.parametrize("option", ["start_before_time", "deadline"])
def test_no_job_moves_beyond_its_limits(door: Door, redis: Redis, option: str) -> None:
    """It could never run there."""
    limit = soon(redis, 100)
    job = door.submit(**{option: limit})
    request = UpdateJobRequest(job_id=job.job_id, run_time=limit)

    assert refused(door.jobs.UpdateJob, request).fields == {"run_time": "OUT_OF_RANGE"}

    assert door.get(job.job_id).state == JOB_STATE_PENDING


def test_jobs_of_others_are_not_there(door: Door, worker: Worker, redis: Redis) -> None:
    """As unknown ones."""
    other = new_job_id()
    write_job(Store(redis), worker.keys, namespace="another", job_id=other)

    for job_id in (other, new_job_id()):
        request = UpdateJobRequest(job_id=job_id, priority=job_pb2.PRIORITY_LOW)
        refusal = refused(door.jobs.UpdateJob, request)
        assert (refusal.code.name, refusal.reason) == ("NOT_FOUND", "JOB_NOT_FOUND")
    assert redis.hget(keys.job(other), "origin") == b"mail:high"


BAD = {
    "nothing": (UpdateJobRequest(), {"job_id": "REQUIRED", "priority": "REQUIRED"}),
    "no change": (UpdateJobRequest(job_id=new_job_id()), {"priority": "REQUIRED"}),
    "no uuid, no priority that is, no near moment": (
        UpdateJobRequest(job_id="x", priority=77, run_time=FAR_OFF),  # type: ignore[arg-type]
        {"job_id": "FORMAT", "priority": "UNKNOWN", "run_time": "OUT_OF_RANGE"},
    ),
    "no moment": (
        UpdateJobRequest(job_id=new_job_id(), run_time=Timestamp(seconds=2**62, nanos=-1)),
        {"run_time": "OUT_OF_RANGE"},
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_all_that_is_wrong_is_said(door: Door, case: str) -> None:
    """At once."""
    request, fields = BAD[case]

    refusal = refused(door.jobs.UpdateJob, request)

    assert (refusal.reason, refusal.fields) == ("INVALID_REQUEST", fields)
