"""What operators see and do, over a socket: queues, pauses, purges, workers, and bad requests."""

from __future__ import annotations

import time
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from redis import Redis

from integration.frontdoor.playing import Door, Worker, keyspace, refused
from portaria.store import keys
from portaria.v1 import admin_service_pb2 as admin
from portaria.v1 import job_pb2
from portaria.v1.admin_service_pb2 import (
    ListQueuesRequest,
    ListWorkersRequest,
    PauseQueueRequest,
    PurgeQueueRequest,
    Queue,
    ResumeQueueRequest,
)
from portaria.v1.admin_service_pb2_grpc import AdminServiceStub

HIGH = DEFAULT = "mail:high"  # where mails go unless told otherwise


class Operator:
    """The service, a line a call."""

    def __init__(self, door: Door) -> None:
        self.stub = AdminServiceStub(door.channel)

    def queues(self, domain: str = "") -> dict[str, Queue]:
        answer = self.stub.ListQueues(ListQueuesRequest(domain=domain), timeout=5)
        return {queue.name: queue for queue in answer.queues}

    def workers(self, **given: Any) -> admin.ListWorkersResponse:
        return self.stub.ListWorkers(ListWorkersRequest(**given), timeout=5)

    def pause(self, name: str, reason: str = "") -> Queue:
        return self.stub.PauseQueue(PauseQueueRequest(name=name, reason=reason), timeout=5).queue

    def resume(self, name: str) -> Queue:
        return self.stub.ResumeQueue(ResumeQueueRequest(name=name), timeout=5).queue

    def purge(self, name: str, **given: Any) -> admin.PurgeQueueResponse:
        return self.stub.PurgeQueue(PurgeQueueRequest(name=name, confirm=True, **given), timeout=5)


@pytest.fixture
def operator(door: Door) -> Operator:
    return Operator(door)


def registered(redis: Redis, name: str, *, queues: str = HIGH, ttl: int = 30, **given: Any) -> None:
    """A worker that wrote itself down some time ago."""
    fields = {"queues": queues, "hostname": "here", "pid": "1", "state": "idle", **given}
    redis.sadd(keys.WORKERS, keys.worker(name))
    redis.hset(keys.worker(name), mapping=fields)
    redis.expire(keys.worker(name), ttl)


# --- queues ---------------------------------------------------------------------------------------


def test_without_a_job_or_a_worker_there_is_no_queue(operator: Operator) -> None:
    """And no error."""
    assert operator.queues() == {}


def test_a_queue_shows_what_waits_runs_and_failed(
    door: Door, worker: Worker, operator: Operator
) -> None:
    """Counted, not estimated; cancelled ones that still stand in the list are none of them."""
    for _ in range(4):
        door.submit()
    door.submit(delay=Duration(seconds=60))
    worker.fail(worker.claim())
    worker.claim()
    worker.store.redis.hset(keys.job(_head(worker)), "state", "CANCELLED")

    queue = operator.queues()[DEFAULT]

    assert (queue.domain, queue.priority) == ("mail", job_pb2.PRIORITY_HIGH)
    assert (queue.depth, queue.running, queue.scheduled, queue.dead) == (2, 1, 1, 1)
    assert not queue.paused
    assert 0 <= queue.oldest_age.ToTimedelta().total_seconds() < 60


def test_the_oldest_is_the_first_that_still_waits(
    door: Door, worker: Worker, operator: Operator
) -> None:
    """Not one that was cancelled, nor the moment of a submission that was not due then."""
    first, second = door.submit(), door.submit()
    redis = worker.store.redis
    redis.hset(keys.job(first.job_id), "state", "CANCELLED")
    redis.hset(keys.job(second.job_id), "enqueued_at", "2020-01-01T00:00:00.000000Z")

    years = operator.queues()[DEFAULT].oldest_age.ToTimedelta().days / 365
    worker.claim()

    assert years > 5
    assert not operator.queues()[DEFAULT].HasField("oldest_age")


def test_queues_come_by_domain_and_priority_and_of_one_domain_if_asked(
    door: Door, redis: Redis, operator: Operator
) -> None:
    """Those of living workers, too; those of other users of RQ never."""
    door.submit(priority=job_pb2.PRIORITY_LOW)
    door.submit(priority=job_pb2.PRIORITY_CRITICAL)
    registered(redis, "ana", queues="lab:low,default,lab:high")
    registered(redis, "eva", queues="erp:low", ttl=15)
    redis.sadd(keys.QUEUES, "rq:queue:default", "rq:queue:mail:odd", b"rq:queue:\xff")

    found = operator.queues()

    assert list(found) == ["lab:high", "lab:low", "mail:critical", "mail:low"]
    assert (found["lab:low"].workers, found["mail:low"].workers) == (1, 0)
    assert list(operator.queues("mail")) == ["mail:critical", "mail:low"]
    assert operator.queues("nowhere") == {}


# --- pause and resume -----------------------------------------------------------------------------


def test_a_paused_queue_says_why(door: Door, operator: Operator) -> None:
    """In the answer, and in the list; a second pause has the last word; a resume ends it."""
    door.submit()

    assert operator.pause(DEFAULT, "SMTP é reparado").pause_reason == "SMTP é reparado"
    again = operator.pause(DEFAULT)

    assert (again.paused, again.pause_reason, again.depth) == (True, "", 1)
    assert operator.queues()[DEFAULT].paused
    assert not operator.resume(DEFAULT).paused
    assert not operator.resume(DEFAULT).paused


# --- purge ----------------------------------------------------------------------------------------


def test_a_purge_cancels_what_waits(door: Door, worker: Worker, operator: Operator) -> None:
    """What runs, and what is not due yet, goes on."""
    running = door.submit()
    worker.claim()
    later = door.submit(delay=Duration(seconds=60))
    waiting = [door.submit() for _ in range(3)]

    answer = operator.purge(DEFAULT)

    assert (answer.purged, answer.remaining) == (3, False)
    states = [door.get(job.job_id).state for job in (running, later, *waiting)]
    assert states == [
        job_pb2.JOB_STATE_RUNNING,
        job_pb2.JOB_STATE_SCHEDULED,
        *[job_pb2.JOB_STATE_CANCELLED] * 3,
    ]
    assert operator.purge(DEFAULT).purged == 0


def test_a_purge_of_many_takes_several_calls(door: Door, operator: Operator) -> None:
    """A thousand each; the last one says that nothing remains."""
    for _ in range(1_050):
        door.submit()

    first = operator.purge(DEFAULT)
    second = operator.purge(DEFAULT, page_token=first.next_page_token)

    assert [(each.purged, each.remaining) for each in (first, second)] == [
        (1_000, True), (50, False),
    ]  # fmt: skip
    assert operator.queues()[DEFAULT].depth == 0
    assert operator.purge(DEFAULT).purged == 0


def test_a_purge_spares_what_is_younger(door: Door, worker: Worker, operator: Operator) -> None:
    """The age counts from the submission."""
    old, young = door.submit(), door.submit()
    worker.store.redis.hset(keys.job(old.job_id), "created", 1)

    answer = operator.purge(DEFAULT, older_than=Duration(seconds=60))

    assert (answer.purged, answer.remaining) == (1, False)
    assert door.get(old.job_id).done
    assert not door.get(young.job_id).done


def test_a_purged_dead_letter_is_forgotten(door: Door, worker: Worker, operator: Operator) -> None:
    """Only what failed, and only what failed long enough ago; other tools' ids stay."""
    redis = worker.store.redis
    failed = [door.submit() for _ in range(2)]
    for _ in failed:
        worker.fail(worker.claim())
    fine = door.submit()
    worker.succeed(worker.claim())
    dead = keys.registry("failed", DEFAULT)
    redis.zadd(dead, {"foreign": 1, failed[0].job_id: 10_000_000_001})

    aged = operator.purge(DEFAULT, dead_letter=True, older_than=Duration(seconds=60))
    rest = operator.purge(DEFAULT, dead_letter=True)

    assert [(each.purged, each.remaining) for each in (aged, rest)] == [(1, False), (1, False)]
    gone = refused(door.jobs.GetJob, _get(failed[0].job_id))
    assert gone.code is grpc.StatusCode.NOT_FOUND
    assert door.get(fine.job_id).done
    assert redis.zrange(dead, 0, -1) == [b"foreign"]


# --- workers --------------------------------------------------------------------------------------


def test_a_silent_worker_is_lost_by_the_clock_of_redis(operator: Operator, redis: Redis) -> None:
    """Its own clock may be wrong by years: what counts is when its last word was written."""
    registered(redis, "quiet", ttl=15, last_heartbeat="2100-01-01T00:00:00.000000Z")
    registered(redis, "wrong", ttl=29, last_heartbeat="2001-01-01T00:00:00.000000Z")
    redis.sadd(keys.WORKERS, keys.worker("expired"))

    found = {each.name: each.state for each in operator.workers().workers}

    assert found == {
        "quiet": admin.Worker.STATE_LOST,
        "wrong": admin.Worker.STATE_IDLE,
    }


def test_what_anybody_wrote_about_a_worker_breaks_no_list(operator: Operator, redis: Redis) -> None:
    """Each odd field is left out; the worker is there."""
    registered(
        redis, "odd", pid="x", child_pid="", child_cpu_percent="nan", child_rss_bytes="-5",
        birth="yesterday", successful_job_count="1e400", settings="[1", types="", state="dancing",
        total_working_time="inf", queues="",
    )  # fmt: skip
    registered(redis, "list", settings="[1]", birth="9999-12-31T23:59:59+00:00")
    redis.hset(keys.HOLDS, "odd", "no record")

    first, second = operator.workers().workers

    assert (first.name, first.settings) == ("list", {})
    assert (second.name, second.state) == ("odd", admin.Worker.STATE_UNSPECIFIED)
    assert (second.cpu_percent, second.rss_bytes, second.succeeded, second.pid) == (0, 0, 0, 0)


def test_workers_come_by_name_and_in_pages(operator: Operator, redis: Redis) -> None:
    """Each once; a worker that comes in between disturbs nobody."""
    for name in ("c", "a", "e", "b", "d"):
        registered(redis, name)
    registered(redis, "bb", queues="lab:low")

    names, token = [], ""
    for _ in range(3):
        page = operator.workers(page_size=2, page_token=token, domain="mail")
        names.append([each.name for each in page.workers])
        token = page.next_page_token
        registered(redis, "aa")

    assert (names, token) == ([["a", "b"], ["c", "d"], ["e"]], "")


def test_a_worker_shows_what_it_runs_and_what_it_holds(
    door: Door, worker: Worker, operator: Operator, redis: Redis
) -> None:
    """By its record of holds; what others hold by now is not its own any more."""
    for _ in range(3):
        door.submit()
    claims = worker._turn((DEFAULT,), want=3).claims
    registered(redis, "played")
    redis.hset(keys.job(claims[2].job_id), "hold", "of another")

    (shown,) = operator.workers().workers

    assert list(shown.running_job_ids) == [claims[0].job_id]
    assert list(shown.reserved_job_ids) == [claims[1].job_id]


# --- what is wrong --------------------------------------------------------------------------------

BAD: dict[str, tuple[str, Message, dict[str, str]]] = {
    "no queue": ("PauseQueue", PauseQueueRequest(), {"name": "FORMAT"}),
    "no priority": ("ResumeQueue", ResumeQueueRequest(name="mail"), {"name": "FORMAT"}),
    "another priority": ("PauseQueue", PauseQueueRequest(name="mail:hi"), {"name": "FORMAT"}),
    "a line break": ("PauseQueue", PauseQueueRequest(name="mail:high\n"), {"name": "FORMAT"}),
    "a long reason": (
        "PauseQueue", PauseQueueRequest(name="Mail:high", reason="x" * 513),
        {"name": "FORMAT", "reason": "TOO_LONG"},
    ),
    "no confirmation": ("PurgeQueue", PurgeQueueRequest(name=HIGH), {"confirm": "OUT_OF_RANGE"}),
    "everything": (
        "PurgeQueue", PurgeQueueRequest(name="*", older_than=Duration(seconds=-1)),
        {"name": "FORMAT", "confirm": "OUT_OF_RANGE", "older_than": "OUT_OF_RANGE"},
    ),
    "a purge's token of nobody": (
        "PurgeQueue", PurgeQueueRequest(name=HIGH, confirm=True, page_token="MSB4IHk="),
        {"page_token": "FORMAT"},
    ),
    "a long domain": ("ListQueues", ListQueuesRequest(domain="x" * 64), {"domain": "TOO_LONG"}),
    "a negative page": (
        "ListWorkers", ListWorkersRequest(page_size=-1), {"page_size": "OUT_OF_RANGE"}
    ),
    "a token of nobody": (
        "ListWorkers", ListWorkersRequest(page_token="é"), {"page_token": "FORMAT"}
    ),
    "a token of bad bytes": (
        "ListWorkers", ListWorkersRequest(page_token="_w=="), {"page_token": "FORMAT"}
    ),
}  # fmt: skip


@pytest.mark.parametrize(("method", "request_", "fields"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_said_with_its_field(
    operator: Operator, redis: Redis, method: str, request_: Message, fields: dict[str, str]
) -> None:
    """All of it at once; nothing is written."""
    before = keyspace(redis)

    refusal = refused(getattr(operator.stub, method), request_)

    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.fields == fields
    assert keyspace(redis) == before


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("PauseQueue", PauseQueueRequest(name="mail:low")),
        ("ResumeQueue", ResumeQueueRequest(name="nowhere:low")),
        ("PurgeQueue", PurgeQueueRequest(name="mail:low", confirm=True)),
    ],
)
def test_a_queue_that_never_was_is_not_found(
    door: Door, operator: Operator, method: str, request_: Message
) -> None:
    """Rather than paused by a typing error, for ever."""
    door.submit()

    refusal = refused(getattr(operator.stub, method), request_)

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "QUEUE_NOT_FOUND")


def test_an_absurd_age_is_just_an_age(door: Door, operator: Operator) -> None:
    """The longest one that a message can hold: nothing is that old."""
    door.submit()

    for dead_letter in (False, True):
        age = Duration(seconds=315_576_000_000)
        answer = operator.purge(DEFAULT, older_than=age, dead_letter=dead_letter)
        assert (answer.purged, answer.remaining) == (0, False)


def test_the_operators_service_is_announced(door: Door) -> None:
    """By health, as every other; reflection lists what health does."""
    assert "portaria.v1.AdminService" in door.running.door.services
    assert door.health("portaria.v1.AdminService") == door.health()


def test_a_list_of_a_hundred_queues_and_workers_is_quick(operator: Operator, redis: Redis) -> None:
    """It is asked each second, by everybody who watches."""
    for number in range(100):
        registered(redis, f"w{number:03}", queues=f"lab{number}:low,lab{number}:high")

    started = time.monotonic()
    assert len(operator.queues()) == 200
    assert len(operator.workers(page_size=100).workers) == 100
    assert time.monotonic() - started < 2


def _head(worker: Worker) -> str:
    head: Any = worker.store.redis.lindex(keys.queue(DEFAULT), 0)
    return str(head.decode())


def _get(job_id: str) -> Message:
    from portaria.v1.jobs_service_pb2 import GetJobRequest

    return GetJobRequest(job_id=job_id)
