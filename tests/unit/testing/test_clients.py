"""Code that takes a client is tested as it is."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from acme_jobs.lab.v1.lab_pb2 import Echo, EchoResult, Fail, Noop, Steps
from portaria.client import (
    AsyncClient,
    Client,
    CursorExpired,
    DeadlineExceeded,
    InvalidRequest,
    JobCancelled,
    JobExpired,
    JobFailed,
    NotFound,
)
from portaria.core.ids import new_job_id
from portaria.jobs import JobContext, PermanentError, job
from portaria.testing import EagerPlatform
from portaria.v1.job_pb2 import JOB_STATE_SUCCEEDED, SubmitOptions

HOUR = timedelta(hours=1)


def greet(client: Client, name: str) -> str:
    """Code of a service, which knows nothing of tests."""
    handle = client.submit(Echo(text=name), request_id=f"greet-{name}", delay=HOUR)
    result = handle.result(timeout=2 * HOUR)
    assert isinstance(result, EchoResult)
    return result.text


async def greet_async(client: AsyncClient, name: str) -> str:
    """The same for asyncio."""
    handle = await client.submit(Echo(text=name), delay=HOUR)
    result = await handle.result(timeout=2 * HOUR)
    assert isinstance(result, EchoResult)
    return result.text


def test_who_waits_lets_time_pass(portaria: EagerPlatform) -> None:
    """A delay of an hour takes no time of the test's."""
    start = portaria.now

    assert greet(portaria.client, "Ana") == "Ana"
    assert portaria.now - start == HOUR
    portaria.assert_submitted(Echo, text="Ana")


async def test_who_awaits_lets_time_pass(portaria: EagerPlatform) -> None:
    """Async handlers run in the loop of the test."""
    loops = []

    @job
    async def echo(payload: Echo, ctx: JobContext) -> EchoResult:
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return EchoResult(text=payload.text)

    portaria.use(echo)
    names = await asyncio.gather(*(greet_async(portaria.async_client, each) for each in "ab"))

    assert names == ["a", "b"]
    assert loops == [asyncio.get_running_loop()] * 2


async def test_an_async_test_may_also_run_jobs_on_the_spot(portaria: EagerPlatform) -> None:
    """Async handlers then have a loop aside, or by `run_due_async` the test's."""
    first = portaria.submit(Echo(text="a"))
    portaria.run_due()
    second = portaria.submit(Echo(text="b"))
    await portaria.run_due_async()

    assert [first.result(), second.result()] == [
        EchoResult(text="a", attempt=1),
        EchoResult(text="b", attempt=1),
    ]


def test_a_wait_ends_in_time(portaria: EagerPlatform) -> None:
    """By the shifted clock; the job goes on."""
    handle, start = portaria.client.submit(Noop(), delay=HOUR), portaria.now

    with pytest.raises(DeadlineExceeded, match=r"is not done \(SCHEDULED\) after 60 s"):
        handle.wait(timedelta(minutes=1))

    assert portaria.now - start == timedelta(minutes=1)
    assert handle.wait().state == JOB_STATE_SUCCEEDED


def test_a_job_without_result_raises_what_a_client_raises(portaria: EagerPlatform) -> None:
    """Failed, cancelled, expired."""
    portaria.answer(Fail, PermanentError("NO_STOCK", "all sold"))
    with pytest.raises(JobFailed, match="NO_STOCK: all sold"):
        portaria.client.submit(Fail()).result()
    cancelled = portaria.submit(Noop())
    cancelled.cancel("enough")
    with pytest.raises(JobCancelled, match="enough"):
        portaria.client.handle(cancelled.id).result()
    options = SubmitOptions()
    options.deadline.FromDatetime(portaria.now + timedelta(seconds=1))
    with pytest.raises(JobExpired):
        portaria.client.submit(Noop(), delay=HOUR, options=options).result()


def test_a_watch_tells_each_change_and_report(portaria: EagerPlatform) -> None:
    """First the present state, then what happens until the end."""
    handle = portaria.client.submit(Steps(count=2))

    events = list(handle.watch())

    kinds = [event.WhichOneof("event") for event in events]
    assert kinds == ["snapshot", "state_change", "progress", "progress", "state_change"]
    assert [event.done for event in events] == [False] * 4 + [True]
    assert [event.progress.percent for event in events[2:4]] == [50.0, 100.0]


def test_a_batch_is_watched_by_its_id(portaria: EagerPlatform) -> None:
    """All of its jobs, and no other."""
    portaria.client.submit(Noop())
    handles = list(portaria.client.submit_many([Noop(), Noop()]))

    events = list(portaria.client.watch(workflow_id=handles[0].workflow_id))

    assert {event.job_id for event in events if event.done} == {each.id for each in handles}
    assert {event.job_id for event in events} == {each.id for each in handles}
    with pytest.raises(NotFound):
        next(portaria.client.watch(workflow_id="w-unknown"))


def test_a_watch_resumes_after_a_cursor(portaria: EagerPlatform) -> None:
    """With results where they are asked for."""
    handle = portaria.client.submit(Echo(text="a"))
    half = next(iter(portaria.client.watch(handle.id, cursor=handle.get().cursor)))
    handle.wait()
    assert handle.submitted is not None
    cursor = handle.submitted.cursor
    *_, last = portaria.client.watch(handle.id, cursor=cursor, include_result=True)
    *_, bare = portaria.client.watch(handle.id, cursor=cursor)

    assert half.WhichOneof("event") == "state_change"
    assert last.state_change.HasField("result")
    assert not bare.state_change.HasField("result")
    with pytest.raises(CursorExpired):
        next(iter(portaria.client.watch(handle.id, cursor="of-another-store")))


async def test_an_async_watch_tells_the_same(portaria: EagerPlatform) -> None:
    """Without a snapshot of what is over."""
    handle = await portaria.async_client.submit(Steps(count=1))

    kinds = [event.WhichOneof("event") async for event in handle.watch()]

    assert kinds == ["snapshot", "state_change", "progress", "state_change"]


def test_only_the_full_view_shows_all(portaria: EagerPlatform) -> None:
    """Payload and traceback."""
    portaria.answer(Noop, PermanentError("X"))
    handle = portaria.client.submit(Noop())
    basic = handle.wait()
    full = handle.get(full=True)

    assert (basic.HasField("spec"), basic.last_failure.traceback) == (False, "")
    assert full.spec.payload.Is(Noop.DESCRIPTOR)
    assert "PermanentError" in full.last_failure.traceback


def test_mistakes_are_a_doors(portaria: EagerPlatform) -> None:
    """All violations at once, and jobs that nobody knows."""
    with pytest.raises(InvalidRequest) as wrong:
        portaria.client.submit(Steps(count=0), request_id="", labels={"A": ""})
    with pytest.raises(NotFound):
        portaria.client.get(new_job_id())

    fields = sorted(each.field for each in wrong.value.violations)
    assert fields == ["request_id", 'spec.options.labels["A"]', "spec.payload.count"]
    portaria.assert_not_submitted()


def test_a_handler_may_use_the_client(portaria: EagerPlatform) -> None:
    """Hand in, and wait; what it waits for takes its own time, and may strike it."""

    def parent(_: Noop, ctx: JobContext) -> None:
        assert portaria.client.submit(Echo(text="child")).wait().done
        portaria.client.submit(Steps(count=1), delay=HOUR).wait()

    portaria.answer(Noop, parent)
    done = portaria.submit(Noop())
    portaria.run_due()

    assert done.failure is not None
    assert done.failure.reason == "TIMEOUT"
    assert [each.state for each in portaria.jobs(Steps)] == ["SCHEDULED"]


def test_operators_ask_in_vain(portaria: EagerPlatform) -> None:
    """There are no queues and no workers here, and a test that asks is told so."""
    with pytest.raises(NotImplementedError, match="does not answer ListQueues"):
        portaria.client.queues()
    with pytest.raises(NotImplementedError, match="does not answer PauseQueue"):
        asyncio.run(portaria.async_client.pause("lab:low"))
