"""CancelJobs and DeleteJobs over a socket: whatever the state, however often, however many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from redis import Redis

from integration.frontdoor.acting import DONE, HELD, WAITING, Make, name_of, running
from integration.frontdoor.playing import Door, Worker, keyspace, refused, submission, write_job
from portaria.core.ids import id_floor, new_job_id
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.selection import Walk, selection_faults
from portaria.store import AsyncStore, Store, keys
from portaria.store.connect import connect_async
from portaria.up.redis_server import RedisServer
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import (
    JOB_STATE_CANCELLED,
    JOB_STATE_CANCELLING,
    JOB_STATE_FAILED,
    JOB_STATE_SUCCEEDED,
)
from portaria.v1.jobs_service_pb2 import (
    CancelJobsRequest,
    CancelJobsResponse,
    DeleteJobsRequest,
    DeleteJobsResponse,
    GetJobRequest,
    JobSelector,
)

FULL = job_pb2.JOB_VIEW_FULL

AN_ID = "01a1fcd2-e151-70ba-9336-b38589951c19"


def cancel(door: Door, *job_ids: str, **given: Any) -> CancelJobsResponse:
    """Of explicit ids."""
    request = CancelJobsRequest(selector=JobSelector(job_ids=job_ids), **given)
    return door.jobs.CancelJobs(request, timeout=10)


def delete(door: Door, *job_ids: str) -> DeleteJobsResponse:
    """Of explicit ids."""
    request = DeleteJobsRequest(selector=JobSelector(job_ids=job_ids))
    return door.jobs.DeleteJobs(request, timeout=10)


@pytest.mark.parametrize("make", WAITING, ids=name_of)
def test_what_waits_is_cancelled_at_once(door: Door, worker: Worker, make: Make) -> None:
    """The job says by whom it was not wanted any more, and when; a repeat changes nothing."""
    job_id = make(door, worker)

    answer = cancel(door, job_id, reason="no more")

    job = door.get(job_id)
    assert (answer.count, answer.remaining) == (1, False)
    assert (job.state, job.done, job.cancel_reason) == (JOB_STATE_CANCELLED, True, "no more")
    assert job.cancel_request_time == job.end_time
    assert cancel(door, job_id, reason="again").count == 0
    assert door.get(job_id) == job


@pytest.mark.parametrize("force", [False, True])
def test_what_runs_is_asked_to_end(door: Door, worker: Worker, redis: Redis, force: bool) -> None:
    """With force its worker kills it; a repeat counts nothing, but may bring force."""
    job_id = running(door, worker)

    assert cancel(door, job_id, reason="no more", force=force).count == 1

    job = door.get(job_id)
    assert (job.state, job.done, job.cancel_reason) == (JOB_STATE_CANCELLING, False, "no more")
    assert job.HasField("cancel_request_time")
    assert redis.hget(keys.job(job_id), "force") == (b"1" if force else None)
    assert cancel(door, job_id, reason="again", force=True).count == 0
    assert redis.hget(keys.job(job_id), "force") == b"1"
    assert door.get(job_id).cancel_reason == "no more"


@pytest.mark.parametrize("make", DONE, ids=name_of)
def test_what_is_done_stays_as_it_is(door: Door, worker: Worker, make: Make) -> None:
    """Whether it was cancelled, too, or ended otherwise."""
    job_id = make(door, worker)
    before = door.get(job_id, view=FULL)

    assert cancel(door, job_id, reason="no more", force=True).count == 0

    assert door.get(job_id, view=FULL) == before


@pytest.mark.parametrize("make", DONE, ids=name_of)
def test_what_is_done_is_deleted(door: Door, worker: Worker, redis: Redis, make: Make) -> None:
    """Gone from every list, and from every RQ registry; its request_id still stands for it."""
    job_id = make(door, worker)
    request_id = str(redis.hget(keys.job(job_id), "request").decode()).rpartition(":")[2]

    assert delete(door, job_id.upper(), job_id) == DeleteJobsResponse(count=1)

    assert refused(door.jobs.GetJob, GetJobRequest(job_id=job_id)).reason == "JOB_NOT_FOUND"
    assert not [key for key in keyspace(redis) if b":index:" in key or job_id.encode() in key]
    assert refused(door.jobs.SubmitJob, submission(request_id=request_id)).reason in (
        "JOB_NOT_FOUND", "REQUEST_ID_REUSED",
    )  # fmt: skip
    assert delete(door, job_id).count == 0


@pytest.mark.parametrize("make", [*WAITING, *HELD], ids=name_of)
def test_what_is_not_done_is_not_deleted(door: Door, worker: Worker, make: Make) -> None:
    """It is passed over."""
    job_id = make(door, worker)
    before = door.get(job_id, view=FULL)

    assert delete(door, job_id) == DeleteJobsResponse()

    assert door.get(job_id, view=FULL) == before


def test_jobs_of_others_are_not_there(door: Door, worker: Worker, redis: Redis) -> None:
    """Named or selected, in a namespace of its own a job is nobody else's."""
    other = new_job_id()
    write_job(Store(redis), worker.keys, namespace="another", job_id=other)
    ours = door.submit().job_id

    assert cancel(door, other, new_job_id(), ours).count == 1
    everything = JobSelector(types=["portaria_workers.mail.v1.SendEmail"])
    assert door.jobs.CancelJobs(CancelJobsRequest(selector=everything)).count == 0

    assert redis.hget(keys.job(other), "state") == b"PENDING"


def _selectors(batch: list[str]) -> dict[str, tuple[JobSelector, set[int]]]:
    mail, bulk = (f"portaria_workers.mail.v1.Send{each}" for each in ("Email", "BulkEmail"))
    return {
        "labels": (JobSelector(labels={"team": "a"}), {0, 1}),
        "two labels": (JobSelector(labels={"team": "a", "x": "1"}), {1}),
        "a label of none": (JobSelector(labels={"team": "*"}), set()),
        "a type": (JobSelector(types=[mail]), {0, 1, 2, 3}),
        "several types": (JobSelector(types=[mail, bulk, "x.Y"]), {0, 1, 2, 3}),
        "no such type": (JobSelector(types=["x.Y"]), set()),
        "queues": (JobSelector(queues=["mail:low", "mail:critical"]), {2}),
        "a domain": (JobSelector(domains=["mail"]), {0, 1, 2, 3}),
        "another domain": (JobSelector(domains=["lab"]), set()),
        "a state": (JobSelector(states=[job_pb2.JOB_STATE_SCHEDULED]), {3}),
        "states and labels": (
            JobSelector(states=[job_pb2.JOB_STATE_PENDING], labels={"team": "a"}), {0, 1},
        ),
        "ids and labels": (JobSelector(job_ids=batch, labels={"team": "b"}), {2}),
        "a workflow": (JobSelector(workflow_id="w"), set()),
    }  # fmt: skip


@pytest.mark.parametrize("case", _selectors([]))
def test_a_selector_selects_what_it_says(door: Door, case: str) -> None:
    """Fields are ANDed, values inside one field ORed; nothing is a pattern."""
    batch = [
        door.submit(labels={"team": "a"}).job_id,
        door.submit(labels={"team": "a", "x": "1"}).job_id,
        door.submit(labels={"team": "b"}, priority=job_pb2.PRIORITY_LOW).job_id,
        door.submit(delay=Duration(seconds=3_600)).job_id,
    ]
    selector, wanted = _selectors(batch)[case]

    answer = door.jobs.CancelJobs(CancelJobsRequest(selector=selector))

    gone = {number for number, each in enumerate(batch) if door.get(each).done}
    assert (gone, answer.count, answer.remaining) == (wanted, len(wanted), False)


def test_moments_bound_a_selection(door: Door) -> None:
    """After the one, and before the other."""
    jobs = [door.submit() for _ in range(3)]
    while jobs[0].create_time == jobs[1].create_time or jobs[1].create_time == jobs[2].create_time:
        jobs = [door.submit() for _ in range(3)]
    selector = JobSelector(created_after=jobs[0].create_time, created_before=jobs[2].create_time)

    assert door.jobs.CancelJobs(CancelJobsRequest(selector=selector)).count == 1

    assert [door.get(each.job_id).done for each in jobs] == [False, True, False]


def test_thousands_go_by_one_call_after_the_other(door: Door, worker: Worker, redis: Redis) -> None:
    """Each changes a thousand at most; the loop ends, also where every job still matches."""
    label = {"team": "a"}
    store = Store(redis)
    for _ in range(2_345):
        write_job(store, worker.keys, job_id=new_job_id(), labels=[("team", "a")])
    spared = door.submit().job_id
    selector = JobSelector(labels=label)

    cancelled = _all(door.jobs.CancelJobs, CancelJobsRequest(selector=selector))
    again = _all(door.jobs.CancelJobs, CancelJobsRequest(selector=selector))
    deleted = _all(door.jobs.DeleteJobs, DeleteJobsRequest(selector=selector))

    # On a busy machine the time of a call is up before its thousand is full.
    assert max(*cancelled, *deleted) <= 1_000
    assert sum(cancelled) == sum(deleted) == 2_345
    assert sum(again) == 0
    assert redis.keys("rq:job:*") == [keys.job(spared).encode()]


def test_a_loop_without_the_token_ends_too(door: Door, worker: Worker, redis: Redis) -> None:
    """Each call passes over what it need not change."""
    store = Store(redis)
    for _ in range(1_500):
        write_job(store, worker.keys, job_id=new_job_id())
    request = CancelJobsRequest(selector=JobSelector(domains=["mail"]))

    counts, remaining = [], True
    while remaining:
        answer = door.jobs.CancelJobs(request, timeout=10)
        counts, remaining = [*counts, answer.count], answer.remaining

    assert max(counts) <= 1_000
    assert sum(counts) == 1_500


def test_what_was_handed_in_since_is_left_alone(door: Door, worker: Worker, redis: Redis) -> None:
    """A token remembers when its first call began: who cancels does not chase who submits."""
    store = Store(redis)
    for _ in range(1_001):
        write_job(store, worker.keys, job_id=new_job_id())
    request = CancelJobsRequest(selector=JobSelector(domains=["mail"]))
    request.page_token = door.jobs.CancelJobs(request).next_page_token
    began = int(request.page_token.rpartition(".")[2])
    later = door.submit()
    while door.get(later.job_id).create_time.ToMilliseconds() <= began:
        later = door.submit()

    assert door.jobs.CancelJobs(request).count >= 1

    assert not door.get(later.job_id).done


def test_a_call_with_little_time_says_where_it_is(door: Door) -> None:
    """And acts on one slice at least."""
    for _ in range(3):
        door.submit()
    request = CancelJobsRequest(selector=JobSelector(domains=["mail"]))

    assert sum(_all(door.jobs.CancelJobs, request, timeout=0.5)) == 3


def test_a_deed_looks_at_little_more_than_it_selects(
    door: Door, worker: Worker, redis: Redis
) -> None:
    """By moments it ends where they do; by states it goes by what RQ's registries hold."""
    store, hour = Store(redis), 3_600_000
    then_ms = _now_ms(redis) - hour
    old = [id_floor(then_ms + number) for number in range(3)]
    for job_id in old:
        write_job(store, worker.keys, job_id=job_id)
        redis.hset(keys.job(job_id), "created", then_ms)
    worker.fail(worker.claim())
    for _ in range(1_000):
        write_job(store, worker.keys, job_id=new_job_id())
    before = Timestamp()
    before.FromMilliseconds(then_ms + hour // 2)
    by_state = JobSelector(states=[JOB_STATE_FAILED])
    by_moment = JobSelector(created_before=before)

    with _looks(redis, most=10):
        assert _all(door.jobs.DeleteJobs, DeleteJobsRequest(selector=by_state)) == [1]
    with _looks(redis, most=2 * 200):
        assert _all(door.jobs.CancelJobs, CancelJobsRequest(selector=by_moment)) == [2]


@contextmanager
def _looks(redis: Redis, *, most: int) -> Iterator[None]:
    """How many hashes may be looked at in the block."""
    redis.config_resetstat()
    yield
    assert redis.info("commandstats")["cmdstat_hmget"]["calls"] <= most


def _now_ms(redis: Redis) -> int:
    seconds, micros = redis.time()
    return int(seconds * 1_000 + micros // 1_000)


async def test_what_others_call_their_jobs_is_never_a_token(
    door: Door, worker: Worker, redis: Redis, redis_server: RedisServer
) -> None:
    """Whatever lies in a registry of RQ, a walk that is broken off there can be gone on with."""
    ours = running(door, worker)
    worker.store.redis.hset(keys.job(ours), "state", "FAILED")
    foreign = {f"{number} of another tool, \N{GREEK SMALL LETTER XI}": 1 for number in range(300)}
    redis.zadd(keys.registry("failed", "mail:high"), {**foreign, ours: 1, f"{ours}x": 1})
    selector = JobSelector(states=[JOB_STATE_FAILED])
    store = PromptStore(AsyncStore(connect_async(redis_server.url)))
    found, token = [], ""

    for _ in range(5):
        assert not list(selection_faults(selector, token))
        walk = Walk(store, selector, token, namespace="default", remaining=0.0)
        await walk.begin()
        found += await walk.more()
        token = walk.token
        if not token:
            break

    await store.close()
    assert ([job_id for job_id, _ in found], token) == ([ours], "")


NOTHING = JobSelector()
BAD = {
    "no selector": (None, {"selector": "REQUIRED"}),
    "an empty one": (NOTHING, {"selector": "REQUIRED"}),
    "no uuid": (JobSelector(job_ids=["x", "*"]), {
        "selector.job_ids[0]": "FORMAT", "selector.job_ids[1]": "FORMAT",
    }),
    "too many ids": (
        JobSelector(job_ids=[new_job_id() for _ in range(1_001)]), {"selector.job_ids": "TOO_MANY"},
    ),
    "a queue that is none": (JobSelector(queues=["mail:*"]), {"selector.queues[0]": "FORMAT"}),
    "a domain that is none": (JobSelector(domains=["../x"]), {"selector.domains[0]": "FORMAT"}),
    "an empty type": (JobSelector(types=[""]), {"selector.types[0]": "REQUIRED"}),
    "no state": (
        JobSelector(states=[job_pb2.JOB_STATE_UNSPECIFIED]), {"selector.states[0]": "REQUIRED"},
    ),
    "an unknown state": (
        JobSelector(states=[77]), {"selector.states[0]": "UNKNOWN"},  # type: ignore[list-item]
    ),
    "five labels": (JobSelector(labels=dict.fromkeys("abcde", "1")), {
        "selector.labels": "TOO_MANY",
    }),
    "a schedule": (JobSelector(schedule_id="s" * 129), {"selector.schedule_id": "TOO_LONG"}),
    "the end before the beginning": (
        JobSelector(created_after={"seconds": 2}, created_before={"seconds": 1}),
        {"selector.created_before": "OUT_OF_RANGE"},
    ),
    "no moment": (
        JobSelector(created_after={"seconds": 2**62}), {"selector.created_after": "OUT_OF_RANGE"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_selector_is_refused_and_nothing_changes(door: Door, redis: Redis, case: str) -> None:
    """By each RPC that takes one, with all that is wrong at once."""
    selector, fields = BAD[case]
    job_id = door.submit().job_id
    before = redis.hgetall(keys.job(job_id))

    cancelling = refused(
        door.jobs.CancelJobs,
        CancelJobsRequest(selector=selector, reason="x" * 513, page_token="canary" * 20),
    )
    deleting = refused(door.jobs.DeleteJobs, DeleteJobsRequest(selector=selector))

    assert cancelling.reason == deleting.reason == "INVALID_REQUEST"
    more, found = {"reason": "TOO_LONG"}, {**cancelling.fields}
    assert "TOO_LONG" in found.pop("page_token")
    assert (found, deleting.fields) == ({**fields, **more}, fields)
    assert "canary" not in str(cancelling.status)
    assert redis.hgetall(keys.job(job_id)) == before


@pytest.mark.parametrize("token", ["x", "1.1", f"{AN_ID}.", f"{AN_ID}.-1"])
def test_a_token_that_nobody_gave_is_refused(door: Door, token: str) -> None:
    """So is any with explicit ids, which need none."""
    labels = CancelJobsRequest(selector=JobSelector(labels={"a": "1"}), page_token=token)
    ids = CancelJobsRequest(
        selector=JobSelector(job_ids=[new_job_id()]), page_token=f"{new_job_id()}.1"
    )

    assert refused(door.jobs.CancelJobs, labels).fields == {"page_token": "FORMAT"}
    assert refused(door.jobs.CancelJobs, ids).fields == {"page_token": "FORMAT"}


def test_states_may_select_what_is_to_be_deleted(door: Door, worker: Worker) -> None:
    """The dead letters, and nothing else."""
    made = [make(door, worker) for make in DONE]
    states = [door.get(each).state for each in made]

    selector = JobSelector(states=[JOB_STATE_FAILED], domains=["mail"])
    assert _all(door.jobs.DeleteJobs, DeleteJobsRequest(selector=selector)) == [1]

    left = [state for each, state in zip(made, states, strict=True) if _is_there(door, each)]
    assert left == [state for state in states if state != JOB_STATE_FAILED]
    assert JOB_STATE_SUCCEEDED in left


def _is_there(door: Door, job_id: str) -> bool:
    try:
        door.get(job_id)
    except grpc.RpcError:
        return False
    return True


def _all(method: Any, request: Any, timeout: float = 10.0) -> list[int]:
    """The counts of calls until nothing remains."""
    counts, remaining = [], True
    while remaining:
        answer = method(request, timeout=timeout)
        assert answer.remaining == bool(answer.next_page_token)
        counts.append(answer.count)
        remaining, request.page_token = answer.remaining, answer.next_page_token
    return counts
