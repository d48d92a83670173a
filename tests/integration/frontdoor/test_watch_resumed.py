"""Watches that were cut, ended or overtaken, and go on."""

from __future__ import annotations

import threading

import grpc
import pytest
from redis import Redis

from integration.frontdoor.conftest import OpenDoor
from integration.frontdoor.playing import Door, Worker, refused
from integration.frontdoor.watching import Watch, words
from portaria.frontdoor.prompt import PromptStore
from portaria.store import keys
from portaria.up.redis_server import RedisServer
from portaria.v1.jobs_service_pb2 import WATCH_UNTIL_FOREVER, JobSelector, WatchJobsRequest
from portaria_workers.mail.v1.mail_pb2 import SendEmailResult
from stack import eventually


def test_a_watch_goes_on_at_another_door_without_gap_or_repeat(
    open_door: OpenDoor, worker: Worker
) -> None:
    """Its cursor is all that the other door needs."""
    first, second = open_door(), open_door()
    job_id = first.submit().job_id
    begun = Watch(first, job_id).opened()
    claim = worker.claim()
    begun.until(lambda event: event.HasField("state_change"))
    cursor = begun.cancel().cursor
    worker.fail(claim, retry_ms=1)
    eventually(worker.promote)
    again = worker.claim()

    resumed = Watch(second, job_id, cursor=cursor).opened()
    worker.succeed(again)

    assert words(resumed.rest()) == ["RETRYING", "PENDING", "RUNNING", "SUCCEEDED"]
    assert resumed.ended() is None


def test_a_watch_resumed_after_the_end_tells_the_end(door: Door, worker: Worker) -> None:
    """What happened while nobody listened comes from the history, and the watch ends."""
    job_id = door.submit().job_id
    cursor = Watch(door, job_id).opened().cancel().cursor
    worker.succeed(worker.claim())

    resumed = Watch(door, job_id, cursor=cursor)

    assert words(resumed.rest()) == ["RUNNING", "SUCCEEDED"]
    assert resumed.ended() is None


def test_a_watch_resumed_with_its_last_cursor_ends_at_once(door: Door, worker: Worker) -> None:
    """Everything was told before."""
    job_id = door.submit().job_id
    watch = Watch(door, job_id).opened()
    worker.succeed(worker.claim())
    watch.ended()

    resumed = Watch(door, job_id, cursor=watch.cursor)

    assert resumed.ended() is None
    assert words(resumed.rest()) == []


def test_a_jobs_own_cursor_begins_right_after_its_state(door: Door, worker: Worker) -> None:
    """Job.cursor is a place to watch from, too."""
    job_id = door.submit().job_id
    cursor = door.get(job_id).cursor
    worker.succeed(worker.claim())

    assert words(Watch(door, job_id, cursor=cursor).rest()) == ["RUNNING", "SUCCEEDED"]


def test_a_long_history_is_told_page_by_page(door: Door, worker: Worker) -> None:
    """More than one read of the stream; each event once, in order."""
    selector = JobSelector(labels={"batch": "1"})
    cursor = Watch(door, selector=selector).opened().cancel().cursor
    ids = [door.submit(labels={"batch": "1"}).job_id for _ in range(600)]
    for _ in ids[:550]:
        worker.succeed(worker.claim())

    watch = Watch(door, selector=selector, cursor=cursor)
    events = [watch.next() for _ in range(600 + 2 * 550)]
    watch.cancel()

    assert watch.rest() == []
    assert [each.job_id for each in events][:600] == ids
    assert words(events)[-2:] == ["RUNNING", "SUCCEEDED"]
    assert len({(each.job_id, each.state) for each in events}) == len(events)


def test_a_snapshot_in_several_frames_has_a_cursor_when_it_is_complete(
    door: Door, worker: Worker
) -> None:
    """Who went on from the middle of it would never hear of the rest."""
    ids = _ran_with_large_results(door, worker)

    watch = Watch(door, *ids)

    assert watch.ended() is None
    assert len(watch.frames) > 1
    assert [bool(each.cursor) for each in watch.frames] == _only_last(watch)
    assert [each.snapshot_complete for each in watch.frames] == _only_last(watch)
    assert [each.job_id for each in watch.rest()] == ids


def test_each_of_several_frames_has_the_place_that_it_reaches(door: Door, worker: Worker) -> None:
    """Who lost the connection between them is told the rest, and nothing twice."""
    cursor = Watch(door, selector=JobSelector(domains=["mail"])).opened().cancel().cursor
    ids = _ran_with_large_results(door, worker)
    told = Watch(door, *ids, cursor=cursor, include_result=True)
    assert told.ended() is None
    frames = [each for each in told.frames if each.events]
    assert len(frames) > 1

    resumed = Watch(door, *ids, cursor=frames[0].cursor, include_result=True)

    assert resumed.ended() is None
    assert resumed.rest() == told.rest()[len(frames[0].events) :]


def test_a_history_that_is_trimmed_while_it_is_read_is_refused(
    door: Door, worker: Worker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cursor was good when the watch began, and what it needs goes before it is read."""
    job_id = door.submit().job_id
    cursor = door.get(job_id).cursor
    worker.succeed(worker.claim())
    door.submit()
    read = PromptStore.history

    async def trimmed(self: PromptStore, after: str, until: str) -> list[tuple[bytes, bytes]]:
        redis.xtrim(keys.EVENTS, maxlen=1, approximate=False)
        return await read(self, after, until)

    monkeypatch.setattr(PromptStore, "history", trimmed)
    request = WatchJobsRequest(selector=JobSelector(job_ids=[job_id]), cursor=cursor)

    refusal = refused(door.jobs.WatchJobs, request)

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED")


def test_a_trimmed_cursor_is_refused(door: Door, worker: Worker, redis: Redis) -> None:
    """OUT_OF_RANGE rather than a silent gap."""
    job_id = door.submit().job_id
    cursor = door.get(job_id).cursor
    worker.succeed(worker.claim())
    redis.xtrim(keys.EVENTS, maxlen=1, approximate=False)

    refusal = refused(
        door.jobs.WatchJobs,
        WatchJobsRequest(selector=JobSelector(job_ids=[job_id]), cursor=cursor),
    )

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED")


def test_a_trimmed_cursor_of_a_job_that_did_not_change_is_as_good_as_ever(
    door: Door, worker: Worker, redis: Redis
) -> None:
    """Nothing of this job was lost, however much of others was."""
    job_id = door.submit().job_id
    cursor = door.get(job_id).cursor
    for _ in range(3):
        last = door.submit().job_id
    redis.xtrim(keys.EVENTS, maxlen=1, approximate=False)

    watch = Watch(door, job_id, cursor=cursor).opened()
    worker.succeed(worker.claim())

    assert words(watch.rest()) == ["RUNNING", "SUCCEEDED"]
    assert last != job_id


def test_a_cursor_from_before_the_first_event_is_not_a_trimmed_one(
    door: Door, redis: Redis
) -> None:
    """Nothing was there when it was made, so nothing before the first entry is missing."""
    selector = JobSelector(domains=["mail"])
    cursor = Watch(door, selector=selector).opened().cancel().cursor
    assert not redis.exists(keys.EVENTS)
    job_id = door.submit().job_id

    assert Watch(door, selector=selector, cursor=cursor).next().job_id == job_id


def test_a_cursor_of_another_store_is_refused(door: Door, redis: Redis) -> None:
    """Its entries mean other events here."""
    job_id = door.submit().job_id
    _, _, place = door.get(job_id).cursor.partition(".")

    refusal = refused(
        door.jobs.WatchJobs,
        WatchJobsRequest(selector=JobSelector(job_ids=[job_id]), cursor=f"0123abcd.{place}"),
    )

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED")


def test_a_draining_door_ends_its_watches_with_a_cursor(
    open_door: OpenDoor, worker: Worker
) -> None:
    """A last frame, then UNAVAILABLE / SHUTTING_DOWN; another door goes on from there."""
    door, other = open_door(), open_door()
    job_id = door.submit().job_id
    watch = Watch(door, job_id).opened()

    door.drain()
    ended = watch.ended()

    assert ended is not None
    assert (ended.code, ended.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    assert len(watch.frames) == 2
    worker.succeed(worker.claim())
    resumed = Watch(other, job_id, cursor=watch.cursor)
    assert words(resumed.rest()) == ["RUNNING", "SUCCEEDED"]


def test_a_watch_outlives_a_restart_of_redis(
    door: Door, worker: Worker, redis_server: RedisServer
) -> None:
    """It stays open while Redis is away, and misses nothing of what follows."""
    job_id = door.submit().job_id
    watch = Watch(door, job_id).opened()
    claim = worker.claim()
    watch.until(lambda event: event.HasField("state_change"))

    redis_server.kill()
    redis_server.start()
    eventually(lambda: worker.succeed(claim) or True, ignoring=(Exception,))

    assert words(watch.rest()) == ["SUCCEEDED"]
    assert watch.ended() is None


def test_a_watch_of_a_store_that_was_emptied_is_ended(
    door: Door, redis: Redis, redis_server: RedisServer
) -> None:
    """CURSOR_EXPIRED: what it knows of is gone."""
    job_id = door.submit().job_id
    watch = Watch(door, job_id).opened()

    redis.flushall()
    redis_server.kill()
    redis_server.start()

    ended = watch.ended()
    assert ended is not None
    assert ended.reason == "CURSOR_EXPIRED"


@pytest.mark.parametrize("count", [200])
def test_many_watches_open_at_once(count: int, door: Door, worker: Worker) -> None:
    """None is refused, each sees the end, and one reader of the stream serves all."""
    job_id = door.submit().job_id
    watches = [Watch(door, job_id) for _ in range(count)]
    for watch in watches:
        watch.opened()
    worker.succeed(worker.claim())

    assert [watch.ended() for watch in watches] == [None] * count
    assert {words(watch.rest())[-1] for watch in watches} == {"SUCCEEDED"}


def test_watches_for_ever_end_with_the_door_only(open_door: OpenDoor, worker: Worker) -> None:
    """FOREVER goes on after the last terminal event."""
    door = open_door()
    job_id = door.submit().job_id
    watch = Watch(door, job_id, until=WATCH_UNTIL_FOREVER).opened()
    worker.succeed(worker.claim())
    watch.until(lambda event: event.done)

    draining = threading.Thread(target=door.drain)
    draining.start()

    ended = watch.ended()
    draining.join()
    assert ended is not None
    assert ended.reason == "SHUTTING_DOWN"


def _ran_with_large_results(door: Door, worker: Worker) -> list[str]:
    """More of them than one frame takes."""
    ids = [door.submit().job_id for _ in range(40)]
    for _ in ids:
        worker.succeed(worker.claim(), SendEmailResult(message_id="x" * 50_000))
    return ids


def _only_last(watch: Watch) -> list[bool]:
    return [each is watch.frames[-1] for each in watch.frames]
