"""Many jobs at once and pages of a search, over a socket."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from redis import Redis

from acme_jobs.lab.v1.lab_pb2 import Echo
from integration.frontdoor.conftest import OpenDoor
from integration.frontdoor.playing import Door, Worker, keyspace, refused, submission, write_job
from portaria.core.ids import new_job_id
from portaria.frontdoor.finding import BUDGET, LARGEST_ANSWER
from portaria.store import calls, keys
from portaria.up.redis_server import RedisServer
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import JOB_VIEW_FULL, Job
from portaria.v1.jobs_service_pb2 import (
    BatchGetJobsRequest,
    BatchGetJobsResponse,
    BatchSubmitJobsRequest,
    JobSelector,
    ListJobsRequest,
    ListJobsResponse,
    ListJobTypesRequest,
    WatchJobsRequest,
)
from stack import eventually

MAIL, ECHO = "portaria_workers.mail.v1.SendEmail", "acme_jobs.lab.v1.Echo"
CANARY = "canary-7f3a"
FAILED, PENDING = job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_PENDING


def listed(door: Door, **given: Any) -> ListJobsResponse:
    """One page; what is no field of the request is one of the selector."""
    own = {name: given.pop(name) for name in ("page_size", "page_token", "oldest_first", "view")
           if name in given}  # fmt: skip
    request = ListJobsRequest(selector=JobSelector(**given), **own)
    answer: ListJobsResponse = door.jobs.ListJobs(request, timeout=10)
    return answer


def pages(door: Door, **given: Any) -> Iterator[ListJobsResponse]:
    """Each page until there is no token."""
    token = ""
    while True:
        answer = listed(door, page_token=token, **given)
        yield answer
        token = answer.next_page_token
        if not token:
            return


def ids(*answers: ListJobsResponse) -> list[str]:
    """All ids in their order."""
    return [job.job_id for answer in answers for job in answer.jobs]


def got(door: Door, job_ids: list[str], **given: Any) -> BatchGetJobsResponse:
    """Many jobs by their ids."""
    request = BatchGetJobsRequest(job_ids=job_ids, **given)
    answer: BatchGetJobsResponse = door.jobs.BatchGetJobs(request, timeout=10)
    return answer


def written(worker: Worker, count: int, **given: Any) -> list[str]:
    """The ids of jobs that are written straight into the store, the oldest first."""
    found = sorted(new_job_id() for _ in range(count))
    for job_id in found:
        write_job(worker.store, worker.keys, job_id=job_id, **given)
    return found


def timestamp(job: Job, milliseconds: int = 0) -> Timestamp:
    """The moment at which a job was made, and so much later."""
    found = Timestamp()
    found.FromNanoseconds(job.create_time.ToNanoseconds() + milliseconds * 1_000_000)
    return found


# --- BatchGetJobs -------------------------------------------------------------------------------


def test_many_jobs_come_in_the_order_of_their_ids(door: Door, worker: Worker) -> None:
    """Each once; those that are not there, or another's, are named apart."""
    first, second = door.submit().job_id, door.submit().job_id
    foreign, unknown = written(worker, 1, namespace="other")[0], str(uuid.uuid4())

    answer = got(door, [second, unknown, first.upper(), foreign, second])

    assert [job.job_id for job in answer.jobs] == [second, first]
    assert list(answer.missing_job_ids) == [unknown, foreign]
    assert answer.jobs[0] == got(door, [second]).jobs[0]
    assert not answer.jobs[0].HasField("spec")
    assert got(door, [first], view=JOB_VIEW_FULL).jobs[0].HasField("spec")


def test_a_thousand_jobs_in_one_call(door: Door, worker: Worker) -> None:
    """The most that one may ask for."""
    made = written(worker, 1000)

    assert [job.job_id for job in got(door, made[::-1]).jobs] == made[::-1]


def test_jobs_that_no_answer_could_hold_are_refused(door: Door) -> None:
    """With the words that help, instead of an answer that gRPC would drop."""
    large = [door.submit(Echo(text="x" * 250_000)).job_id for _ in range(32)]

    refusal = refused(door.jobs.BatchGetJobs, BatchGetJobsRequest(job_ids=large, view=2))

    assert refusal.fields == {"job_ids": "TOO_LARGE"}
    assert len(got(door, large[:8], view=JOB_VIEW_FULL).jobs) == 8
    assert len(got(door, large).jobs) == 32


# --- ListJobs: what and in which order ----------------------------------------------------------


def test_the_newest_come_first_or_the_oldest(door: Door) -> None:
    """By default fifty of them; no token at the end."""
    made = [door.submit().job_id for _ in range(3)]

    newest, oldest = listed(door), listed(door, oldest_first=True)

    assert ids(newest) == made[::-1]
    assert ids(oldest) == made
    assert newest.next_page_token == oldest.next_page_token == ""


def test_a_page_has_what_was_asked_for_and_never_more(door: Door, worker: Worker) -> None:
    """Fifty by default; more than a thousand count as a thousand."""
    made = written(worker, 1010)

    assert ids(listed(door)) == made[::-1][:50]
    assert ids(listed(door, page_size=3)) == made[::-1][:3]
    assert len(listed(door, page_size=2_000_000_000).jobs) == 1000
    assert ids(*pages(door, page_size=303, oldest_first=True)) == made


def test_each_field_of_a_selector_selects(door: Door, worker: Worker) -> None:
    """Fields are ANDed, values of one field ORed; nothing is a pattern."""
    mail = door.submit(labels={"team": "billing", "site": "1*"}, priority=2).job_id
    echo = door.submit(Echo(text="a"), labels={"team": "billing"}).job_id
    other = door.submit(Echo(text="b"), labels={"team": "a b/c=d&e é"}).job_id
    written(worker, 1, namespace="other")

    for selector, expected in (
        ({}, [mail, echo, other]),
        ({"types": [MAIL]}, [mail]),
        ({"types": [MAIL, ECHO]}, [mail, echo, other]),
        ({"types": ["*"]}, []),
        ({"domains": ["lab"]}, [echo, other]),
        ({"queues": ["mail:default"]}, [mail]),
        ({"queues": ["mail:high"]}, []),
        ({"labels": {"team": "billing"}}, [mail, echo]),
        ({"labels": {"team": "billing", "site": "1*"}}, [mail]),
        ({"labels": {"team": "billing", "site": "*"}}, []),
        ({"labels": {"team": "a b/c=d&e é"}}, [other]),
        ({"labels": {"team": "billing"}, "types": [ECHO]}, [echo]),
        ({"job_ids": [other, mail.upper(), str(uuid.uuid4())]}, [mail, other]),
        ({"job_ids": [other, mail], "domains": ["mail"]}, [mail]),
        ({"workflow_id": "x"}, []),
        ({"states": [PENDING]}, [mail, echo, other]),
        ({"states": [PENDING, FAILED], "types": [MAIL]}, [mail]),
        ({"states": [FAILED]}, []),
    ):
        found = ids(listed(door, oldest_first=True, **selector))
        assert found == expected, selector


def test_jobs_of_a_batch_are_found_by_its_id(door: Door) -> None:
    """A workflow_id is the batch's, too."""
    door.submit()
    request = BatchSubmitJobsRequest(request_id="b1", specs=[submission().spec] * 3)
    batch = door.jobs.BatchSubmitJobs(request, timeout=5)

    found = listed(door, workflow_id=batch.workflow_id, oldest_first=True)

    assert ids(found) == [each.job_id for each in batch.results]


@pytest.mark.parametrize("oldest_first", [True, False])
def test_states_are_those_of_now(oldest_first: bool, door: Door, worker: Worker) -> None:
    """Of each state the jobs that are in it, over several pages."""
    failed, done, later, waits = (
        [door.submit(priority=4).job_id for _ in range(3)],
        [door.submit(priority=3).job_id for _ in range(2)],
        [door.submit(delay=_minutes(5)).job_id for _ in range(2)],
        [door.submit(priority=1).job_id],
    )
    for _ in failed:
        worker.fail(worker.claim())
    for _ in done:
        worker.succeed(worker.claim())
    running = worker.claim()

    for states, expected in (
        (["FAILED"], failed),
        (["SUCCEEDED"], done),
        (["SCHEDULED"], later),
        (["RUNNING", "CANCELLING"], [running.job_id]),
        (["PENDING"], []),
        (["FAILED", "SUCCEEDED"], failed + done),
        (["FAILED", "PENDING", "BLOCKED"], failed),
        (["EXPIRED", "CANCELLED"], []),
    ):
        found = pages(
            door,
            states=[job_pb2.JobState.Value(f"JOB_STATE_{each}") for each in states],
            oldest_first=oldest_first,
            page_size=1,
        )
        assert ids(*found) == (expected if oldest_first else expected[::-1]), states
    assert waits == [running.job_id]


def test_moments_bound_a_list(door: Door) -> None:
    """After one and before the other, to the millisecond."""
    jobs = []
    for _ in range(3):
        jobs.append(door.get(door.submit().job_id))
        _pass_a_millisecond()
    first, second, third = jobs

    for after, before, expected in (
        (timestamp(first), None, [second, third]),
        (timestamp(first, -1), None, jobs),
        (None, timestamp(third), [first, second]),
        (timestamp(first), timestamp(third), [second]),
        (timestamp(third), None, []),
        (timestamp(first, -700_000), timestamp(third, 700_000), jobs),
        (timestamp(third, 700_000), None, []),
        (None, timestamp(first, -700_000), []),
        (Timestamp(seconds=-62_135_596_800), Timestamp(seconds=253_402_300_799), jobs),
    ):
        for oldest_first in (True, False):
            found = ids(
                *pages(
                    door,
                    created_after=after,
                    created_before=before,
                    oldest_first=oldest_first,
                    page_size=2,
                )
            )
            wanted = [job.job_id for job in expected]
            assert found == (wanted if oldest_first else wanted[::-1])


def test_full_shows_the_spec(door: Door) -> None:
    """As GetJob does."""
    door.submit()

    assert listed(door, view=JOB_VIEW_FULL).jobs[0].spec.HasField("payload")
    assert not listed(door).jobs[0].HasField("spec")


# --- ListJobs: from page to page ----------------------------------------------------------------


@pytest.mark.parametrize("oldest_first", [True, False])
def test_what_was_there_at_the_start_comes_exactly_once(
    oldest_first: bool, door: Door, worker: Worker
) -> None:
    """While others are handed in, end, and are purged between the pages."""
    made = written(worker, 60)
    gone = {made[7], made[30], made[51]}
    found: list[str] = []

    for number, page in enumerate(pages(door, page_size=7, oldest_first=oldest_first)):
        found += ids(page)
        written(worker, 2)
        worker.fail(worker.claim())
        if number == 0:
            for job_id in gone:
                worker.store.redis.delete(keys.job(job_id))
            worker.store.redis.zrem(keys.index("default"), made[30])
        if number > 40:
            break

    there = [job_id for job_id in found if job_id in made]
    assert len(found) == len(set(found))
    assert found == sorted(found, reverse=not oldest_first)
    assert set(there) >= set(made) - gone
    if not oldest_first:
        assert set(found) <= set(made)


def test_the_search_for_a_page_is_bounded(door: Door, worker: Worker) -> None:
    """A short page, even an empty one, with a token; the next ones find the rest."""
    rare = door.submit(Echo(text="x")).job_id
    written(worker, BUDGET + 100)

    # By domain there is no index: all that are there are looked at.
    first, *rest = pages(door, domains=["lab"])

    assert (ids(first), bool(first.next_page_token)) == ([], True)
    assert ids(*rest) == [rare]
    assert ids(listed(door, types=[ECHO])) == [rare]


def test_a_few_jobs_of_a_state_are_found_among_many(door: Door, worker: Worker) -> None:
    """In one page, whatever their age: RQ's registries say where they are."""
    dead = door.submit(priority=4).job_id
    worker.fail(worker.claim())
    written(worker, BUDGET + 100)

    answer = listed(door, states=[FAILED])

    assert (ids(answer), answer.next_page_token) == ([dead], "")


def test_a_page_is_no_larger_than_an_answer_may_be(door: Door) -> None:
    """It is short instead, and the next one goes on."""
    made = [door.submit(Echo(text="x" * 250_000)).job_id for _ in range(40)]

    found = list(pages(door, view=JOB_VIEW_FULL, oldest_first=True))

    assert ids(*found) == made
    assert len(found) == 3
    assert all(page.ByteSize() <= LARGEST_ANSWER + 1000 for page in found)


def test_a_watch_from_the_cursor_misses_nothing(door: Door, worker: Worker) -> None:
    """The cursor is from before the first page, on each of its pages."""
    made = [door.submit().job_id for _ in range(3)]
    first = listed(door, page_size=2)
    worker.fail(worker.claim())
    late = door.submit().job_id
    second = listed(door, page_size=2, page_token=first.next_page_token)

    assert first.cursor == second.cursor
    request = WatchJobsRequest(selector=JobSelector(domains=["mail"]), cursor=second.cursor)
    stream = door.jobs.WatchJobs(request, timeout=10)
    told = []
    for frame in stream:
        told += [(event.job_id, event.state) for event in frame.events]
        if len(told) >= 2:
            break
    stream.cancel()

    assert {made[0], late} == {job_id for job_id, _ in told}
    assert (made[0], FAILED) in told


def test_a_cursor_is_there_before_the_first_job(door: Door) -> None:
    """An empty list can be watched on, too."""
    cursor = listed(door).cursor
    job_id = door.submit().job_id

    request = WatchJobsRequest(selector=JobSelector(domains=["mail"]), cursor=cursor)
    stream = door.jobs.WatchJobs(request, timeout=10)
    events = next(event for frame in stream for event in frame.events)
    stream.cancel()

    assert events.job_id == job_id


def test_a_hash_of_another_kind_is_passed_over(door: Door, redis: Redis) -> None:
    """What others did to one job hides no other."""
    first, second = door.submit().job_id, door.submit().job_id
    redis.delete(keys.job(first))
    redis.set(keys.job(first), "no hash")

    assert ids(listed(door)) == [second]


# --- what is refused ----------------------------------------------------------------------------


BAD = {
    "no ids": (BatchGetJobsRequest(), {"job_ids": "TOO_FEW"}),
    "too many ids": (
        BatchGetJobsRequest(job_ids=[str(uuid.uuid4())] * 1001),
        {"job_ids": "TOO_MANY"},
    ),
    "ids that are none, and a view that is none": (
        BatchGetJobsRequest(job_ids=[str(uuid.uuid4()), CANARY, ""], view=7),
        {"job_ids[1]": "FORMAT", "job_ids[2]": "FORMAT", "view": "UNKNOWN"},
    ),
    "everything at once": (
        ListJobsRequest(
            page_size=-1,
            page_token=CANARY,
            view=7,
            selector=JobSelector(
                job_ids=[CANARY],
                workflow_id=CANARY * 12,
                schedule_id=CANARY * 12,
                types=[""],
                domains=["Mail*"],
                queues=["mail:urgent", "mail:(a+)+"],
                states=[0, 77],
                labels={str(number): CANARY for number in range(5)},
                created_after=Timestamp(nanos=-1),
                created_before=Timestamp(seconds=10**12),
            ),
        ),
        {
            "page_size": "OUT_OF_RANGE",
            "page_token": "FORMAT",
            "view": "UNKNOWN",
            "selector.job_ids[0]": "FORMAT",
            "selector.workflow_id": "TOO_LONG",
            "selector.schedule_id": "TOO_LONG",
            "selector.types[0]": "REQUIRED",
            "selector.domains[0]": "FORMAT",
            "selector.queues[0]": "FORMAT",
            "selector.queues[1]": "FORMAT",
            "selector.states[0]": "REQUIRED",
            "selector.states[1]": "UNKNOWN",
            "selector.labels": "TOO_MANY",
            "selector.created_after": "OUT_OF_RANGE",
            "selector.created_before": "OUT_OF_RANGE",
        },
    ),
    "moments the wrong way round": (
        ListJobsRequest(
            selector=JobSelector(
                created_after=Timestamp(seconds=20), created_before=Timestamp(seconds=20)
            )
        ),
        {"selector.created_before": "OUT_OF_RANGE"},
    ),
    "a token that is too long": (
        ListJobsRequest(page_token="A" * 513),
        {"page_token": "TOO_LONG"},
    ),
    "a token of other bytes": (ListJobsRequest(page_token="_-8" * 20), {"page_token": "FORMAT"}),
    "a token beyond ASCII": (ListJobsRequest(page_token="é"), {"page_token": "FORMAT"}),
}


@pytest.mark.parametrize("name", BAD)
def test_all_that_is_wrong_is_said(name: str, door: Door, redis: Redis) -> None:
    """Every field with its reason, never a value; nothing is written."""
    request, expected = BAD[name]
    before = keyspace(redis)
    is_batch = isinstance(request, BatchGetJobsRequest)

    refusal = refused(door.jobs.BatchGetJobs if is_batch else door.jobs.ListJobs, request)

    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.fields == expected
    assert CANARY not in str(refusal.status)
    assert keyspace(redis) == before


def test_a_token_is_of_one_list(door: Door, worker: Worker) -> None:
    """Other selectors and the other order are refused; page size and view may change."""
    made = written(worker, 6)
    token = listed(door, types=[MAIL], page_size=2).next_page_token

    for other in ({}, {"types": [ECHO]}, {"types": [MAIL], "oldest_first": True},
                  {"types": [MAIL], "domains": ["mail"]}):  # fmt: skip
        selector = JobSelector(**{k: v for k, v in other.items() if k != "oldest_first"})
        request = ListJobsRequest(
            selector=selector, page_token=token, oldest_first=bool(other.get("oldest_first"))
        )
        assert refused(door.jobs.ListJobs, request).fields == {"page_token": "CONFLICT"}
    rest = listed(door, types=[MAIL], page_size=10, page_token=token, view=JOB_VIEW_FULL)
    assert ids(rest) == made[3::-1]


def test_without_redis_it_is_said(door: Door, redis_server: RedisServer) -> None:
    """UNAVAILABLE within a second or so, as for everything else; afterwards all is there."""
    job_id = door.submit().job_id
    redis_server.stop()

    for call, request in (
        (door.jobs.ListJobs, ListJobsRequest()),
        (door.jobs.ListJobs, ListJobsRequest(selector=JobSelector(states=[FAILED]))),
        (door.jobs.BatchGetJobs, BatchGetJobsRequest(job_ids=[job_id])),
        (door.jobs.ListJobTypes, ListJobTypesRequest()),
    ):
        refusal = refused(call, request)
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.UNAVAILABLE,
            "STORE_UNAVAILABLE",
        )
    redis_server.start()
    eventually(door.is_serving)
    assert ids(listed(door)) == [job_id]


# --- why a job waits ----------------------------------------------------------------------------


def test_a_pending_job_says_why(open_door: OpenDoor, worker: Worker, redis: Redis) -> None:
    """No worker, paused, of a type that nobody serves, or just its turn; the same in every RPC."""
    door = open_door(fresh=0.0)
    job_id = door.submit(priority=3).job_id

    def reason() -> str:
        answers = [
            door.get(job_id),
            *got(door, [job_id]).jobs,
            *listed(door).jobs,
        ]
        (name,) = {job_pb2.PendingReason.Name(each.pending_reason) for each in answers}
        return name.removeprefix("PENDING_REASON_")

    assert reason() == "NO_WORKER"
    _register(redis, "other", queues="lab:high", types=MAIL)
    assert reason() == "NO_WORKER"
    _register(redis, "early", queues="mail:high,mail:low", types=ECHO)
    assert reason() == "TYPE_NOT_SERVED"
    _register(redis, "new", queues="mail:high", types=f"{ECHO},{MAIL}")
    assert reason() == "QUEUED"
    worker.store.run(calls.pause("mail:high", reason="repairs", by="eva"))
    assert reason() == "QUEUE_PAUSED"
    worker.store.run(calls.resume("mail:high"))
    assert reason() == "QUEUED"


def test_a_pending_job_says_how_many_are_ahead(door: Door, worker: Worker) -> None:
    """Of its own queue."""
    made = [door.submit().job_id for _ in range(3)]

    assert [door.get(job_id).jobs_ahead for job_id in made] == [0, 1, 2]
    worker.claim()
    assert [door.get(job_id).jobs_ahead for job_id in made] == [0, 0, 1]


def _register(redis: Redis, name: str, **fields: str) -> None:
    """A worker's own words, as RQ and ours write them."""
    key = keys.worker(name)
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
    redis.sadd(keys.WORKERS, key)
    redis.hset(key, mapping={"birth": now, "last_heartbeat": now, "state": "idle", **fields})
    redis.expire(key, 30)


def _minutes(count: int) -> Duration:
    return Duration(seconds=60 * count)


def _pass_a_millisecond() -> None:
    begun = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 < begun + 2:
        pass
