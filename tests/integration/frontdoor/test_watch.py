"""Watching jobs, over a socket: the snapshot, then each change, once and in order."""

from __future__ import annotations

import uuid

import grpc
from google.protobuf.duration_pb2 import Duration
from redis import Redis

from integration.frontdoor.conftest import OpenDoor
from integration.frontdoor.playing import Door, Worker, refused, submission
from integration.frontdoor.watching import Watch, is_done, words
from portaria.store import calls, keys
from portaria.v1 import job_pb2
from portaria.v1.jobs_service_pb2 import (
    WATCH_UNTIL_FOREVER,
    CancelJobsRequest,
    JobSelector,
    WatchJobsRequest,
)
from portaria_workers.mail.v1.mail_pb2 import SendEmailResult
from stack import eventually


def test_a_watch_tells_a_job_from_its_snapshot_to_its_end(door: Door, worker: Worker) -> None:
    """Each state once, in order, then OK; every frame has a cursor."""
    job_id = door.submit().job_id
    watch = Watch(door, job_id).opened()
    claim = worker.claim()
    worker.succeed(claim)

    assert watch.ended() is None
    events = watch.rest()
    snapshot, running, _ = events
    assert words(events) == ["snapshot", "RUNNING", "SUCCEEDED"]
    assert snapshot.snapshot.state == job_pb2.JOB_STATE_PENDING
    assert (running.state_change.previous, running.attempt, running.state_change.worker) == (
        job_pb2.JOB_STATE_PENDING,
        1,
        "played",
    )
    assert [each.done for each in events] == [False, False, True]
    assert all(frame.cursor for frame in watch.frames)
    assert [frame.snapshot_complete for frame in watch.frames][:2] == [True, False]


def test_a_watch_of_a_finished_job_ends_at_once(door: Door, worker: Worker) -> None:
    """With the snapshot alone."""
    job_id = door.submit().job_id
    worker.succeed(worker.claim(), SendEmailResult(message_id="<1>"))

    watch = Watch(door, job_id)

    assert watch.ended() is None
    assert words(watch.rest()) == ["snapshot"]
    assert watch.frames[0].events[0].snapshot.HasField("result")


def test_a_failed_attempt_is_told_with_its_failure(door: Door, worker: Worker) -> None:
    """RETRYING with the moment of the next attempt, then the second run, then FAILED."""
    job_id = door.submit().job_id
    watch = Watch(door, job_id).opened()
    worker.fail(worker.claim(), retry_ms=1)
    eventually(worker.promote)
    worker.fail(worker.claim())

    events = watch.rest()

    assert words(events) == ["snapshot", "RUNNING", "RETRYING", "PENDING", "RUNNING", "FAILED"]
    retrying, failed = events[2], events[5]
    assert retrying.state_change.HasField("next_attempt_time")
    for event in (retrying, failed):
        assert event.state_change.failure.reason == "SMTP_DOWN"
        assert not event.state_change.failure.traceback
    assert failed.attempt == 2


def test_results_come_where_they_are_asked_for(door: Door, worker: Worker) -> None:
    """In the change to SUCCEEDED."""
    job_id = door.submit().job_id
    with_result = Watch(door, job_id, include_result=True).opened()
    without = Watch(door, job_id).opened()
    worker.succeed(worker.claim(), SendEmailResult(message_id="<1>"))

    told, silent = with_result.rest()[-1], without.rest()[-1]

    result = SendEmailResult()
    assert told.state_change.result.Unpack(result)
    assert result.message_id == "<1>"
    assert not silent.state_change.HasField("result")


def test_progress_is_told_coalesced(door: Door, worker: Worker) -> None:
    """The first at once, then the latest an interval, the last one before the end."""
    job_id = door.submit().job_id
    watch = Watch(door, job_id, progress_interval=Duration(seconds=60)).opened()
    claim = worker.claim()
    worker.report(claim, 1, 100)
    first = watch.until(lambda event: event.HasField("progress"))[-1]
    for current in range(2, 101):
        worker.report(claim, current, 100)
    worker.succeed(claim)

    rest = watch.rest()

    assert first.progress.percent == 1
    assert words(rest) == ["progress", "SUCCEEDED"]
    assert rest[0].progress.current == 100
    assert sum(frame.coalesced for frame in watch.frames) == 98


def test_progress_never_undoes_the_request_to_end(door: Door, worker: Worker) -> None:
    """What waited for its interval is told before that request, and what follows is CANCELLING."""
    job_id = door.submit().job_id
    watch = Watch(door, job_id, progress_interval=Duration(seconds=60)).opened()
    claim = worker.claim()
    worker.report(claim, 1, 3)
    watch.until(lambda event: event.HasField("progress"))
    worker.report(claim, 2, 3)
    door.jobs.CancelJobs(CancelJobsRequest(selector=JobSelector(job_ids=[job_id])), timeout=5)
    told = watch.until(lambda event: event.HasField("state_change"))
    worker.report(claim, 3, 3, word="cancel")
    worker.succeed(claim)

    rest = watch.rest()

    assert words(told) == ["progress", "CANCELLING"]
    assert words(rest) == ["progress", "SUCCEEDED"]
    assert [each.state for each in (told[0], rest[0])] == [
        job_pb2.JOB_STATE_RUNNING,
        job_pb2.JOB_STATE_CANCELLING,
    ]
    assert [each.progress.current for each in (told[0], rest[0])] == [2, 3]


def test_progress_from_before_the_snapshot_is_not_told(
    door: Door, worker: Worker, redis: Redis
) -> None:
    """A door whose feed lags reads it after it has told of a later state."""
    job_id = door.submit().job_id
    worker.fail(worker.claim(), retry_ms=1)
    watch = Watch(door, job_id).opened()

    late = {"p": f"{job_id} 1 mail:high t default - - RUNNING", "b": b""}
    redis.xadd(keys.PROGRESS, late, id="1-1")
    eventually(worker.promote)
    worker.succeed(worker.claim())

    assert words(watch.rest()) == ["snapshot", "PENDING", "RUNNING", "SUCCEEDED"]


def test_a_snapshot_has_the_latest_progress(door: Door, worker: Worker) -> None:
    """A watcher that comes late sees where the job is, though nobody had watched."""
    job_id = door.submit().job_id
    worker.report(worker.claim(), 1, 4)

    snapshot = Watch(door, job_id).next().snapshot

    assert (snapshot.progress.current, snapshot.progress.percent) == (1, 25)


def test_workers_are_told_that_somebody_watches(door: Door, redis: Redis) -> None:
    """Only then do they write progress to the stream; the word lapses."""
    job_id = door.submit().job_id
    assert not redis.exists(keys.WATCHED)

    Watch(door, job_id).opened()

    assert 0 < redis.ttl(keys.WATCHED) <= 30


def test_a_single_unknown_id_is_not_found(door: Door) -> None:
    """With a cursor as without."""
    request = WatchJobsRequest(selector=JobSelector(job_ids=[str(uuid.uuid4())]))

    refusal = refused(door.jobs.WatchJobs, request)

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")


def test_unknown_ids_among_others_are_removed(door: Door, worker: Worker) -> None:
    """The watch goes on with those that exist, and ends with them."""
    known, unknown = door.submit().job_id, str(uuid.uuid4())
    watch = Watch(door, unknown, known).opened()
    worker.succeed(worker.claim())

    events = watch.rest()

    assert words(events) == ["removed", "snapshot", "RUNNING", "SUCCEEDED"]
    assert events[0].job_id == unknown
    assert watch.ended() is None


def test_a_purged_job_is_removed(door: Door, worker: Worker, redis: Redis) -> None:
    """To those who watch for ever."""
    job_id = door.submit().job_id
    worker.succeed(worker.claim())
    watch = Watch(door, job_id, until=WATCH_UNTIL_FOREVER).opened()
    redis.zadd(keys.PURGE, {job_id: 1})
    worker.store.run(calls.purge())

    events = watch.until(lambda event: event.HasField("removed"))

    assert words(events) == ["snapshot", "removed"]
    assert events[-1].removed.reason == "PURGED"


def test_a_watch_of_many_ends_with_the_last(door: Door, worker: Worker) -> None:
    """Events of one job are in order; every one of them comes."""
    ids = [door.submit().job_id for _ in range(250)]
    watch = Watch(door, *ids).opened()
    for _ in ids:
        worker.succeed(worker.claim())

    events = watch.rest()

    assert watch.ended() is None
    assert {each.job_id for each in events if each.done} == set(ids)
    for job_id in (ids[0], ids[-1]):
        of_one = [each for each in events if each.job_id == job_id]
        assert words(of_one) == ["snapshot", "RUNNING", "SUCCEEDED"]


def test_labels_domains_types_and_queues_select(door: Door, worker: Worker) -> None:
    """Fields are ANDed. Such a watch has no snapshot and no end."""
    selectors = {
        "label": JobSelector(labels={"customer": "7"}),
        "label and queue": JobSelector(labels={"customer": "7"}, queues=["mail:low"]),
        "type": JobSelector(types=["portaria_workers.mail.v1.SendEmail"]),
        "domain": JobSelector(domains=["mail"]),
        "other domain": JobSelector(domains=["lab"]),
    }
    watches = {name: Watch(door, selector=each).opened() for name, each in selectors.items()}

    door.submit(labels={"customer": "8"})
    mine = door.submit(labels={"customer": "7", "a": "b"}).job_id
    low = door.submit(labels={"customer": "7"}, priority=job_pb2.PRIORITY_LOW).job_id
    last = door.jobs.SubmitJob(submission(labels={"end": "1"})).job.job_id

    assert [watches["label"].next().job_id for _ in range(2)] == [mine, low]
    assert watches["label and queue"].next().job_id == low
    assert [watches["domain"].next().job_id for _ in range(4)][3] == last
    assert [watches["type"].next().job_id for _ in range(4)][3] == last
    assert watches["label"].frames[0].snapshot_complete
    for name in ("label", "label and queue", "other domain"):
        assert watches[name].cancel().rest() == []


def test_skipping_the_snapshot_still_checks_the_ids(door: Door, worker: Worker) -> None:
    """News only; unknown ids are told."""
    known, unknown = door.submit().job_id, str(uuid.uuid4())
    watch = Watch(door, known, unknown, skip_snapshot=True).opened()
    worker.succeed(worker.claim())

    assert words(watch.rest()) == ["removed", "RUNNING", "SUCCEEDED"]


def test_silence_is_broken_by_heartbeats(open_door: OpenDoor) -> None:
    """Empty frames with a cursor to resume from."""
    door = open_door(heartbeat=0.02)
    job_id = door.submit().job_id
    watch = Watch(door, job_id).opened()

    eventually(lambda: len(watch.frames) > 3)

    assert not watch.frames[2].events
    assert watch.frames[2].cursor == watch.frames[0].cursor


def test_a_watch_that_is_left_is_forgotten(door: Door) -> None:
    """The feed keeps nothing of a caller that went away."""
    job_id = door.submit().job_id
    watch = Watch(door, job_id).opened()
    assert door.call(lambda: door.running.feed.watchers) == 1

    watch.cancel()

    eventually(lambda: door.call(lambda: door.running.feed.watchers) == 0)


def test_every_event_is_told_once_however_watch_and_job_interleave(
    door: Door, worker: Worker
) -> None:
    """A watch that opens while its job runs sees the rest of its course, without a gap."""
    course = ["PENDING", "RUNNING", "SUCCEEDED"]
    for _ in range(30):
        job_id = door.submit().job_id
        watch = Watch(door, job_id)
        worker.succeed(worker.claim())

        events = watch.rest()

        assert watch.ended() is None
        begins = job_pb2.JobState.Name(events[0].snapshot.state).removeprefix("JOB_STATE_")
        assert words(events[1:]) == course[course.index(begins) + 1 :]
        assert is_done(events[-1])
