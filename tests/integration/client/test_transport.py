"""The client against a door that fails on purpose, over a real connection."""

import time
from datetime import timedelta

import grpc
import pytest

from integration.client.faulty_door import Fault
from portaria.client import (
    AsyncClient,
    Client,
    DeadlineExceeded,
    DoorUnavailable,
    NotFound,
    RpcError,
    StoreFull,
    StoreUnavailable,
)
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import Job
from portaria.v1.jobs_service_pb2 import (
    GetJobResponse,
    JobEvent,
    SubmitJobResponse,
    WaitJobResponse,
    WatchJobsResponse,
)
from portaria_workers.mail.v1.mail_pb2 import SendEmail

MAIL = SendEmail(to="ana@example.com", template="welcome", variables={"name": "Ana"})
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
RUNNING, SUCCEEDED = job_pb2.JOB_STATE_RUNNING, job_pb2.JOB_STATE_SUCCEEDED


def job(state=RUNNING, **fields) -> Job:
    return Job(job_id="j1", state=state, done=state == SUCCEEDED, **fields)


def event(state, attempt=1) -> JobEvent:
    found = JobEvent(job_id="j1", state=state, done=state == SUCCEEDED, attempt=attempt)
    found.state_change.SetInParent()
    return found


def frame(cursor, *events) -> WatchJobsResponse:
    return WatchJobsResponse(cursor=cursor, events=events, snapshot_complete=True)


@pytest.fixture
def client(faulty_door):
    with Client(faulty_door.address, timeout=timedelta(seconds=5)) as client:
        yield client


def test_a_submit_is_repeated_under_one_request_id(faulty_door, client):
    """UNAVAILABLE in between: the door sees one request_id, the caller one handle."""
    away = Fault(UNAVAILABLE, reason="STORE_UNAVAILABLE", retry_after=timedelta(milliseconds=50))
    answer = SubmitJobResponse(job=job(), deduplicated=True)
    faulty_door.will("SubmitJob", away, Fault(UNAVAILABLE), answer)

    handle = client.submit(MAIL)

    assert handle.id == "j1"
    assert handle.deduplicated
    assert len(faulty_door.requests) == 3
    assert len({request.request_id for request in faulty_door.requests}) == 1


def test_the_door_s_own_wait_is_kept(faulty_door, client):
    """RetryInfo of 400 ms: the second attempt does not come sooner."""
    wait = timedelta(milliseconds=400)
    away = Fault(UNAVAILABLE, reason="STORE_UNAVAILABLE", retry_after=wait)
    faulty_door.will("GetJob", away, GetJobResponse(job=job()))
    begin = time.monotonic()

    client.get("j1")

    assert time.monotonic() - begin >= 0.4


def test_a_wait_that_would_pass_the_deadline_is_not_begun(faulty_door):
    """RetryInfo of a minute within 5 s: the caller learns at once why."""
    wait = timedelta(minutes=1)
    faulty_door.will("GetJob", Fault(UNAVAILABLE, reason="STORE_UNAVAILABLE", retry_after=wait))

    with Client(faulty_door.address) as client, pytest.raises(StoreUnavailable) as caught:
        client.get("j1")

    assert caught.value.retry_after == wait
    assert len(faulty_door.requests) == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(grpc.StatusCode.NOT_FOUND, reason="JOB_NOT_FOUND"), NotFound),
        (Fault(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="QUEUE_FULL"), StoreFull),
        (Fault(grpc.StatusCode.PERMISSION_DENIED), RpcError),
        (Fault(grpc.StatusCode.INTERNAL, reason="INTERNAL"), RpcError),
    ],
)
def test_a_final_answer_is_asked_for_once(faulty_door, client, fault, kind):
    """What a repetition cannot mend is raised after one call."""
    faulty_door.will("GetJob", fault)

    with pytest.raises(kind, match="on purpose"):
        client.get("j1")

    assert len(faulty_door.requests) == 1


def test_an_answer_that_is_too_large_is_an_error_not_a_crash(faulty_door, client):
    """More than 8 MiB: RESOURCE_EXHAUSTED, by name."""
    large = job(state=SUCCEEDED, warnings=["x" * (9 * 1024 * 1024)])
    faulty_door.will("GetJob", GetJobResponse(job=large))

    with pytest.raises(RpcError) as caught:
        client.get("j1")

    assert caught.value.code == "RESOURCE_EXHAUSTED"


def test_nobody_at_the_address():
    """A refused connection is retried within the timeout, then named."""
    with Client("127.0.0.1:1", timeout=timedelta(seconds=0.5)) as client:
        with pytest.raises(DoorUnavailable, match=r"cannot reach the door at 127\.0\.0\.1:1"):
            client.get("j1")
        with pytest.raises(DoorUnavailable):
            next(client.watch("j1"))


def test_a_silent_peer_ends_with_the_deadline(silent_address):
    """A peer that accepts and says nothing costs the timeout, not for ever."""
    timeout = timedelta(seconds=0.5)

    with Client(silent_address, timeout=timeout) as client, pytest.raises(DeadlineExceeded):
        client.get("j1")


def test_a_watch_survives_every_way_in_which_a_stream_ends(faulty_door, client):
    """Cut, drained, cancelled, too slow, ended early: each change is told once, in order."""
    script = [
        [frame("c1", event(RUNNING, 1)), Fault(UNAVAILABLE, "socket closed")],
        [frame("c2", event(RUNNING, 2)), Fault(UNAVAILABLE, reason="SHUTTING_DOWN")],
        [frame("c3", event(RUNNING, 3)), Fault(grpc.StatusCode.CANCELLED)],
        [frame("c4", event(RUNNING, 4)), Fault(grpc.StatusCode.ABORTED, reason="SLOW_WATCHER")],
        [frame("c5", event(RUNNING, 5))],
        [frame("c6", event(SUCCEEDED, 5))],
    ]
    faulty_door.will("WatchJobs", *script)

    told = [(each.state, each.attempt) for each in client.watch("j1")]

    assert told == [*((RUNNING, attempt) for attempt in range(1, 6)), (SUCCEEDED, 5)]
    cursors = [request.cursor for request in faulty_door.requests]
    assert cursors == ["", "c1", "c2", "c3", "c4", "c5"]


def test_a_watch_that_is_not_wanted_any_more_ends_its_stream(faulty_door, client):
    """Closing the iterator frees the door's stream; the client goes on."""
    faulty_door.will("WatchJobs", [frame("c1", event(RUNNING)), frame("c2", event(SUCCEEDED))])
    faulty_door.will("GetJob", GetJobResponse(job=job()))
    events = client.watch("j1")
    next(events)

    events.close()

    assert client.get("j1").job_id == "j1"


def test_a_door_that_restarts_is_found_again(faulty_door, client):
    """Stopped and started at its address between two calls of one client."""
    faulty_door.will("GetJob", GetJobResponse(job=job()), GetJobResponse(job=job(SUCCEEDED)))
    client.get("j1")

    faulty_door.stop()
    faulty_door.start()

    assert client.get("j1").state == SUCCEEDED


def test_a_wait_asks_again_until_the_job_is_done(faulty_door, client):
    """Polls that end early, and a door that is away in between."""
    going, done = WaitJobResponse(job=job()), WaitJobResponse(job=job(SUCCEEDED))
    faulty_door.will("WaitJob", going, Fault(UNAVAILABLE), going, done)

    assert client.handle("j1").wait().state == SUCCEEDED
    assert len(faulty_door.requests) == 4


def test_a_closed_client_says_so(client):
    """Neither hangs nor opens a new channel."""
    client.close()

    with pytest.raises(RuntimeError, match="the client is closed"):
        client.get("j1")


async def test_the_async_client_repeats_and_resumes_alike(faulty_door):
    """Submit, watch and wait of AsyncClient over the same faults."""
    answer = SubmitJobResponse(job=job())
    faulty_door.will("SubmitJob", Fault(UNAVAILABLE), answer)
    faulty_door.will(
        "WatchJobs",
        [frame("c1", event(RUNNING)), Fault(UNAVAILABLE)],
        [frame("c2", event(SUCCEEDED))],
    )
    faulty_door.will("WaitJob", Fault(UNAVAILABLE), WaitJobResponse(job=job(SUCCEEDED)))

    async with AsyncClient(faulty_door.address) as client:
        handle = await client.submit(MAIL)
        told = [each.state async for each in handle.watch()]
        ended = await handle.wait()

    assert told == [RUNNING, SUCCEEDED]
    assert ended.state == SUCCEEDED
    submits = faulty_door.requests[:2]
    assert submits[0].request_id == submits[1].request_id


async def test_the_async_client_raises_the_same_errors(faulty_door):
    """Typed errors, and the address of a door that is not there."""
    faulty_door.will("GetJob", Fault(grpc.StatusCode.NOT_FOUND, reason="JOB_NOT_FOUND"))
    async with AsyncClient(faulty_door.address) as client:
        with pytest.raises(NotFound):
            await client.get("j1")

    async with AsyncClient("127.0.0.1:1", timeout=timedelta(seconds=0.3)) as client:
        with pytest.raises(DoorUnavailable):
            await client.get("j1")
