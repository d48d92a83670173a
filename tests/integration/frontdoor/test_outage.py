"""A door without its Redis: it says so at once, writes nothing by halves, and recovers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from redis import Redis

from integration.frontdoor.conftest import OpenDoor
from integration.frontdoor.playing import (
    Door,
    Refusal,
    Worker,
    keyspace,
    refused,
    submission,
)
from integration.frontdoor.proxy import Proxy
from integration.frontdoor.watching import Watch, words
from portaria.settings import Settings
from portaria.store import keys
from portaria.up.redis_server import RedisServer
from portaria.v1.admin_service_pb2 import (
    ListQueuesRequest,
    ListWorkersRequest,
    PauseQueueRequest,
    PurgeQueueRequest,
)
from portaria.v1.admin_service_pb2_grpc import AdminServiceStub
from portaria.v1.jobs_service_pb2 import (
    CancelJobsRequest,
    DeleteJobsRequest,
    GetJobRequest,
    JobSelector,
    ListJobsRequest,
    RetryJobsRequest,
    UpdateJobRequest,
    WaitJobRequest,
    WatchJobsRequest,
)
from stack import eventually

OUTAGES: dict[str, Callable[[RedisServer], None]] = {
    "killed": RedisServer.kill,
    "frozen": RedisServer.pause,
}


def _calls(door: Door) -> list[tuple[Any, Any]]:
    job_id, admin = str(uuid.uuid4()), AdminServiceStub(door.channel)
    return [
        (door.jobs.SubmitJob, submission()),
        (door.jobs.GetJob, GetJobRequest(job_id=job_id)),
        (door.jobs.WaitJob, WaitJobRequest(job_id=job_id)),
        (door.jobs.WatchJobs, WatchJobsRequest(selector=JobSelector(job_ids=[job_id]))),
        (door.jobs.UpdateJob, UpdateJobRequest(job_id=job_id, priority="PRIORITY_LOW")),
        (door.jobs.CancelJobs, CancelJobsRequest(selector=JobSelector(job_ids=[job_id]))),
        (door.jobs.DeleteJobs, DeleteJobsRequest(selector=JobSelector(domains=["mail"]))),
        (
            door.jobs.RetryJobs,
            RetryJobsRequest(
                selector=JobSelector(domains=["mail"]),
                request_id="r1",
            ),
        ),
        (admin.ListQueues, ListQueuesRequest()),
        (admin.ListWorkers, ListWorkersRequest()),
        (admin.PauseQueue, PauseQueueRequest(name="mail:high")),
        (admin.PurgeQueue, PurgeQueueRequest(name="mail:high", confirm=True)),
    ]


def _is_outage(refusal: Refusal) -> bool:
    return (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")


@pytest.mark.parametrize("outage", OUTAGES)
def test_every_call_is_refused_within_a_second(
    outage: str, door: Door, redis_server: RedisServer
) -> None:
    """UNAVAILABLE with RetryInfo and nothing of the cause, whether Redis refuses or is silent."""
    door.submit()
    OUTAGES[outage](redis_server)

    for call, request in _calls(door):
        begun = time.monotonic()
        refusal = refused(call, request)
        seconds = time.monotonic() - begun

        assert _is_outage(refusal)
        assert refusal.detail(error_details_pb2.RetryInfo).retry_delay.seconds == 1
        assert refusal.message == "the store is unavailable"
        # One second, and what a machine that does much else may add.
        assert seconds < 1.5


def test_a_deed_whose_jobs_cannot_be_read_is_refused(
    settings: Settings, open_door: OpenDoor, redis: Redis, redis_server: RedisServer
) -> None:
    """It is not answered as if there were none."""
    redis.acl_setuser("walker", enabled=True, passwords=["+pw"], keys=["*"], channels=["*"],
                      commands=["+@all", "-hmget"])  # fmt: skip
    url = f"redis://walker:pw@127.0.0.1:{redis_server.port}/0"
    door = open_door(settings.model_copy(update={"redis_url": url}))
    selector = JobSelector(job_ids=[door.submit().job_id])

    cancelled = refused(door.jobs.CancelJobs, CancelJobsRequest(selector=selector))
    deleted = refused(door.jobs.DeleteJobs, DeleteJobsRequest(selector=selector))
    retried = refused(door.jobs.RetryJobs, RetryJobsRequest(selector=selector, request_id="r1"))

    assert all(map(_is_outage, (cancelled, deleted, retried)))
    redis.acl_deluser("walker")


def test_a_submit_that_was_refused_left_nothing(
    door: Door, redis: Redis, redis_server: RedisServer
) -> None:
    """No key of it; and the same request_id is a new job once Redis is back."""
    before = keyspace(redis)
    request = submission(request_id="r1")
    redis_server.kill()

    refusal = refused(door.jobs.SubmitJob, request)
    redis_server.start()

    assert _is_outage(refusal)
    assert keyspace(redis) == before
    answer = _again(lambda: door.jobs.SubmitJob(request, timeout=5))
    assert not answer.deduplicated


def test_a_submit_given_up_while_redis_was_frozen_takes_effect_once(
    door: Door, redis_server: RedisServer
) -> None:
    """It may have been written all the same: a repeat finds out, and never makes a second job."""
    door.submit()
    redis_server.pause()
    refusal = refused(door.jobs.SubmitJob, submission(request_id="r1"))
    redis_server.resume()

    first = _again(lambda: door.jobs.SubmitJob(submission(request_id="r1"), timeout=5))
    second = door.jobs.SubmitJob(submission(request_id="r1"), timeout=5)

    assert _is_outage(refusal)
    assert second.deduplicated
    assert first.job.job_id == second.job.job_id


def test_a_connection_that_fell_silent_is_replaced(
    settings: Settings, open_door: OpenDoor, redis_server: RedisServer
) -> None:
    """A peer that is gone without a word costs one call, not all until TCP gives up."""
    proxy = Proxy(redis_server.port)
    url = redis_server.url.replace(f":{redis_server.port}/", f":{proxy.port}/")
    door = open_door(settings.model_copy(update={"redis_url": url}))
    door.submit()
    proxy.silence()

    refusal = refused(door.jobs.SubmitJob, submission())
    answer = _again(lambda: door.jobs.SubmitJob(submission(), timeout=5))
    proxy.close()

    assert _is_outage(refusal)
    assert answer.job.job_id


def test_a_full_redis_refuses_submits_and_shows_jobs(door: Door, redis: Redis) -> None:
    """RESOURCE_EXHAUSTED / QUEUE_FULL with RetryInfo; nothing was written."""
    job_id = door.submit().job_id
    before = keyspace(redis)
    redis.config_set("maxmemory", 1)

    refusal = refused(door.jobs.SubmitJob, submission())
    shown = door.get(job_id)
    listed = door.jobs.ListJobs(ListJobsRequest(), timeout=5).jobs

    redis.config_set("maxmemory", 0)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
    assert refusal.detail(error_details_pb2.RetryInfo).retry_delay.seconds == 5
    assert keyspace(redis) == before
    assert [shown.job_id, *(each.job_id for each in listed)] == [job_id, job_id]


def test_a_full_redis_ends_no_watch_and_refuses_none(
    door: Door, worker: Worker, redis: Redis
) -> None:
    """What is told to workers, that somebody watches, is not worth a watch."""
    job_id = door.submit().job_id
    redis.config_set("maxmemory", 1)
    watch = Watch(door, job_id).opened()
    # The feed finds its place anew, and says again that it watches.
    redis.client_kill_filter(_type="normal", skipme=True)

    worker.succeed(worker.claim())

    assert words(watch.rest()) == ["snapshot", "RUNNING", "SUCCEEDED"]
    assert watch.ended() is None
    assert not redis.exists(keys.WATCHED)
    redis.config_set("maxmemory", 0)


def test_a_door_that_starts_without_redis_serves_when_it_comes(
    open_door: OpenDoor, redis_server: RedisServer
) -> None:
    """It listens and answers, NOT_SERVING until Redis is there, SERVING after."""
    redis_server.kill()
    door = open_door(ready=False)
    refusal = refused(door.jobs.SubmitJob, submission())

    assert not door.is_serving()
    assert _is_outage(refusal)
    redis_server.start()
    eventually(door.is_serving)
    assert door.submit().job_id


def test_a_redis_that_hides_its_settings_is_served(
    settings: Settings, open_door: OpenDoor, redis: Redis, redis_server: RedisServer
) -> None:
    """Hosted ones refuse CONFIG: that they cannot be checked is said, and no more."""
    redis.acl_setuser("hosted", enabled=True, passwords=["+pw"], keys=["*"], channels=["*"],
                      commands=["+@all", "-config"])  # fmt: skip
    url = f"redis://hosted:pw@127.0.0.1:{redis_server.port}/0"

    door = open_door(settings.model_copy(update={"redis_url": url}))

    assert door.submit().job_id
    redis.acl_deluser("hosted")


def test_a_wrong_password_is_an_outage_and_the_log_says_why(
    settings: Settings,
    open_door: OpenDoor,
    redis_server: RedisServer,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Callers learn nothing of it; operators do, without the password."""
    url = f"redis://:canary@127.0.0.1:{redis_server.port}/0"
    door = open_door(settings.model_copy(update={"redis_url": url}), ready=False)

    refusal = refused(door.jobs.SubmitJob, submission())

    assert _is_outage(refusal)
    assert not door.is_serving()
    log = Log(capfd)
    eventually(lambda: log.has("does not answer"))
    assert log.has("password")
    assert not log.has("canary")


def test_the_settings_are_looked_at_after_an_outage_too(
    settings: Settings,
    open_door: OpenDoor,
    redis: Redis,
    redis_server: RedisServer,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A connection that breaks at this moment must not hide for ever that jobs may be lost."""
    redis.config_set("appendfsync", "everysec")
    proxy = Proxy(redis_server.port)
    proxy.deaf_to = b"CONFIG"
    url = redis_server.url.replace(f":{redis_server.port}/", f":{proxy.port}/")
    log = Log(capfd)
    try:
        door = open_door(settings.model_copy(update={"redis_url": url}))
        eventually(lambda: b"CONFIG" in proxy.dropped)
        assert not log.has("may lose")

        proxy.deaf_to = b""
        eventually(lambda: log.has("appendfsync is everysec"))
    finally:
        redis.config_set("appendfsync", "always")
    assert door.is_serving()
    assert log.count("may lose acknowledged jobs") == 1
    proxy.close()


def test_a_redis_that_refuses_what_a_door_needs_is_told_of_now_and_then(
    open_door: OpenDoor, redis: Redis, capfd: pytest.CaptureFixture[str]
) -> None:
    """With a trace, but not with one a look; the door serves as soon as it can."""
    redis.lpush(keys.LINEAGE, "of another application")
    redis.config_resetstat()
    log = Log(capfd)

    door = open_door(ready=False)
    eventually(
        lambda: redis.info("commandstats")["cmdstat_set"]["failed_calls"] >= 4, ignoring=(KeyError,)
    )

    assert not door.is_serving()
    assert log.count("redis refused what a door needs") == 1
    redis.delete(keys.LINEAGE)
    eventually(door.is_serving)


class Log:
    """What the doors of this process logged."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd
        self._text = ""

    def has(self, words: str) -> bool:
        """Whether it was said."""
        return self.count(words) > 0

    def count(self, words: str) -> int:
        """How often it was said."""
        self._text += "".join(self._capfd.readouterr())
        return self._text.count(words)


def test_health_follows_redis(door: Door, redis_server: RedisServer) -> None:
    """NOT_SERVING while it is away."""
    assert door.is_serving()

    redis_server.kill()
    eventually(lambda: not door.is_serving())
    redis_server.start()

    eventually(door.is_serving)


def test_a_silent_watch_has_its_heartbeats_while_redis_is_away(
    open_door: OpenDoor, redis_server: RedisServer
) -> None:
    """The outage is ours to bridge: the watcher sees that the stream lives."""
    door = open_door(heartbeat=0.02)
    job_id = door.submit().job_id
    watch = Watch(door, job_id).opened()

    redis_server.kill()
    seen = len(watch.frames)
    eventually(lambda: len(watch.frames) > seen + 3)

    redis_server.start()
    assert watch.refusal is None


def _again(call: Callable[[], Any]) -> Any:
    return eventually(call, ignoring=(grpc.RpcError,))
