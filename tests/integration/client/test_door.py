"""The client against the real door, Redis and workers."""

import threading
from datetime import timedelta

import pytest

from acme_jobs.lab.v1.lab_pb2 import Echo, EchoResult, Fail, Noop, Wait
from portaria.client import (
    AsyncClient,
    Client,
    InvalidRequest,
    JobFailed,
    NotFound,
    RequestIdReused,
    StoreUnavailable,
)
from portaria.v1 import job_pb2
from portaria_workers.mail.v1.mail_pb2 import SendEmail
from stack.eventually import eventually

PENDING, RUNNING = job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_RUNNING
SUCCEEDED, FAILED = job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED
UNKNOWN_ID = "0190c0de-0000-7000-8000-000000000000"
SOON = timedelta(seconds=20)


def test_a_submit_under_the_same_request_id_is_one_job(stack):
    """Same content: the same job, and the caller is told. Other content: an error."""
    first = stack.client.submit(Echo(text="one"), request_id="order-1")
    again = stack.client.submit(Echo(text="one"), request_id="order-1")

    assert first.id == again.id
    assert (first.deduplicated, again.deduplicated) == (False, True)
    with pytest.raises(RequestIdReused):
        stack.client.submit(Echo(text="two"), request_id="order-1")


def test_a_result_comes_back_typed(stack):
    """From message to message, over the real queue."""
    stack.worker("lab")

    result = stack.client.submit(Echo(text="olá")).result(SOON)

    assert result == EchoResult(text="olá", attempt=1)


def test_a_large_result_is_fetched_in_full(stack):
    """Beyond what the short view carries."""
    stack.worker("lab")
    text = "x" * 100_000

    assert stack.client.submit(Echo(text=text)).result(SOON).text == text


def test_a_failed_job_raises_its_reason(stack):
    """What the handler raised is what the caller catches."""
    stack.worker("lab")
    handle = stack.client.submit(Fail(times=1, how=Fail.HOW_PERMANENT))

    with pytest.raises(JobFailed, match="there is no such customer") as caught:
        handle.result(SOON)

    assert caught.value.reason == "NO_SUCH_CUSTOMER"
    assert caught.value.job_id == handle.id


def test_everything_wrong_with_a_request_is_told_at_once(stack):
    """Every violation with its path; the values are not repeated."""
    wrong = SendEmail(to="ana@", template="wellcome")

    with pytest.raises(InvalidRequest) as caught:
        stack.client.submit(wrong, labels={"Bad Key": "x"}, request_id="with space")

    fields = {each.field for each in caught.value.violations}
    assert {"spec.payload.to", "spec.payload.template", "request_id"} <= fields
    assert any(field.startswith("spec.options.labels") for field in fields)
    assert "wellcome" not in str([each.description for each in caught.value.violations])


def test_an_unknown_job_is_not_found_by_any_call(stack):
    """get, wait, result and watch say the same."""
    handle = stack.client.handle(UNKNOWN_ID)

    for call in (handle.get, handle.wait, handle.result, lambda: next(handle.watch())):
        with pytest.raises(NotFound):
            call()
    with pytest.raises(InvalidRequest):
        stack.client.get("not-an-id")


def test_a_watch_goes_on_over_a_killed_door(stack, tmp_path):
    """SIGKILL in mid-stream, a new door at the same place: each change is told once, in order."""
    door = stack.door()
    stack.worker("lab")
    gate, log = tmp_path / "gate", tmp_path / "log"
    handle = stack.client.submit(Wait(gate=str(gate), log=str(log)))
    told, watcher = follow(handle)
    eventually(lambda: any(event.WhichOneof("event") == "progress" for event in told))

    kill_and_restart(door, meanwhile=gate.touch)
    watcher.join(20)

    kinds = [event.WhichOneof("event") for event in told]
    changes = [event.state for event in told if event.HasField("state_change")]
    assert kinds[0] == "snapshot"
    assert kinds.count("snapshot") == 1
    assert changes in ([RUNNING, SUCCEEDED], [SUCCEEDED])
    assert told[-1].done


def test_changes_while_no_door_was_there_are_told_afterwards(stack, tmp_path):
    """Two attempts fail and a third ends the job between two doors: none of it is missing."""
    door = stack.door()
    handle = stack.client.submit(Fail(times=2), delay=timedelta(seconds=1))
    told, watcher = follow(handle)
    eventually(lambda: told)

    kill_and_restart(door, meanwhile=lambda: run_to_the_end(stack, handle))
    watcher.join(20)

    attempts = [e.attempt for e in told if e.state == RUNNING and e.HasField("state_change")]
    assert attempts == [1, 2, 3]
    assert told[-1].state == SUCCEEDED


def test_a_wait_goes_on_over_a_restart(stack, tmp_path):
    """The long poll is cut with the door; the next one gets the answer."""
    door = stack.door()
    stack.worker("lab")
    gate, log = tmp_path / "gate", tmp_path / "log"
    handle = stack.client.submit(Wait(gate=str(gate), log=str(log)))
    ended = []
    waiter = threading.Thread(target=lambda: ended.append(handle.wait(SOON)))
    waiter.start()
    eventually(log.exists)

    kill_and_restart(door, meanwhile=gate.touch)
    waiter.join(20)

    assert [job.state for job in ended] == [SUCCEEDED]


def test_a_submit_waits_for_a_door_that_restarts(stack):
    """Within the client's timeout the caller notices nothing, and there is one job."""
    door = stack.door()
    client = stack.client
    client.submit(Noop())
    handles = []
    submitter = threading.Thread(target=lambda: handles.append(client.submit(Noop())))

    kill_and_restart(door, meanwhile=submitter.start)
    submitter.join(20)

    assert len(handles) == 1
    assert handles[0].get().state == PENDING


def test_a_store_that_is_away_is_said_so_and_found_again(stack):
    """Redis killed: StoreUnavailable within the timeout; Redis back: the same client works."""
    stack.door()
    stack.redis_server.kill()

    with (
        Client(stack.address, timeout=timedelta(seconds=1.5)) as client,
        pytest.raises(StoreUnavailable),
    ):
        client.submit(Noop())

    stack.restart_redis()
    assert stack.client.submit(Noop()).get().state == PENDING


async def test_the_async_client_does_the_same(stack):
    """Submit, watch, result."""
    stack.door()
    stack.worker("lab")

    async with AsyncClient(stack.address) as client:
        handle = await client.submit(Echo(text="olá"), priority="critical", labels={"team": "a"})
        states = [event.state async for event in handle.watch()]
        result = await handle.result(SOON)
        job = await handle.get(full=True)

    assert states[-1] == SUCCEEDED
    assert result.text == "olá"
    assert job.queue == "lab:critical"
    assert dict(job.labels) == {"team": "a"}


def follow(handle) -> tuple[list, threading.Thread]:
    """Watches in a thread; answers the growing list of events."""
    told: list = []

    def collect() -> None:
        for event in handle.watch():
            told.append(event)

    watcher = threading.Thread(target=collect, daemon=True)
    watcher.start()
    return told, watcher


def run_to_the_end(stack, handle) -> None:
    """Works off the queue without any door."""
    stack.worker("lab")
    key = f"rq:job:{handle.id}"
    eventually(lambda: stack.redis.hget(key, "state") == "SUCCEEDED", within=15)


def kill_and_restart(door, *, meanwhile) -> None:
    """SIGKILL; then something happens; then a door is at the same address again."""
    door.kill()
    meanwhile()
    door.start()
