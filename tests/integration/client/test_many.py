"""submit_many against the real system."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from acme_jobs.lab.v1.lab_pb2 import Echo
from portaria.client import AsyncClient, InvalidRequest, PortariaError
from portaria.v1.job_pb2 import PRIORITY_HIGH, SubmitOptions
from portaria_workers.mail.v1.mail_pb2 import SendEmail
from stack import Stack

pytestmark = pytest.mark.usefixtures("standing_door")

MAIL = SendEmail(to="ana@example.com", template="welcome", variables={"name": "Ana"})


def echoes(count: int) -> Iterator[Echo]:
    """So many jobs, made when they are asked for."""
    return (Echo(text=str(number)) for number in range(count))


def test_each_handle_is_its_jobs(stack: Stack) -> None:
    """In order, over several calls, with results; a job may have options of its own."""
    stack.worker("lab")
    options = SubmitOptions(priority=PRIORITY_HIGH)

    handles = list(
        stack.client.submit_many(
            [*echoes(24), (Echo(text="24"), options)], chunk=10, labels={"a": "1"}
        )
    )

    results = [handle.result() for handle in handles]
    assert [getattr(result, "text", "") for result in results] == [str(n) for n in range(25)]
    assert len({handle.workflow_id for handle in handles}) == 3
    last = handles[24].get()
    assert (last.queue, dict(last.labels)) == ("lab:high", {"a": "1"})


def test_it_submits_as_its_handles_are_taken(stack: Stack) -> None:
    """Who stops taking stops the submitting: only what was sent is there."""
    handles = stack.client.submit_many(echoes(10_000), chunk=100)

    taken = [next(handles) for _ in range(150)]
    handles.close()

    assert len(taken) == 150
    assert stack.redis.llen("rq:queue:lab:default") == 200


def test_the_first_refused_call_ends_it(stack: Stack) -> None:
    """With the numbers of the bad jobs over all; the calls before it are done."""
    jobs = [*echoes(10), *(Echo(text="x" * 300_000) for _ in range(2)), Echo()]
    taken = []

    with pytest.raises(InvalidRequest) as refusal:
        # One by one: what came before the error counts.
        taken.extend(stack.client.submit_many(jobs, chunk=5))

    assert {each.field for each in refusal.value.violations} == {
        "specs[10].payload", "specs[11].payload",
    }  # fmt: skip
    assert len(taken) == stack.redis.llen("rq:queue:lab:default") == 10


def test_bad_jobs_may_be_left_out(stack: Stack) -> None:
    """Each is told with its number; the others have handles."""
    told: list[tuple[int, PortariaError]] = []
    jobs = [MAIL, SendEmail(to="x"), Echo(text="a")]

    handles = list(
        stack.client.submit_many(
            jobs, chunk=2, on_error=lambda number, error: told.append((number, error))
        )
    )

    assert [handle.get().type.rpartition(".")[2] for handle in handles] == ["SendEmail", "Echo"]
    ((number, error),) = told
    assert number == 1
    assert isinstance(error, InvalidRequest)
    assert {each.field for each in error.violations} >= {"specs[1].payload.to"}


def test_all_of_it_may_be_repeated(stack: Stack) -> None:
    """Under the same request_id: the same jobs."""
    first = [each.id for each in stack.client.submit_many(echoes(25), chunk=10, request_id="r")]
    again = [each.id for each in stack.client.submit_many(echoes(25), chunk=10, request_id="r")]

    assert first == again
    assert stack.redis.llen("rq:queue:lab:default") == 25


def test_it_goes_on_over_a_restart_of_the_door(stack: Stack) -> None:
    """A call that broke off is repeated under its request_id."""
    door = stack.door()
    handles = stack.client.submit_many(echoes(3000), chunk=1000)
    ids = [next(handles).id for _ in range(1000)]

    door.kill()
    door.start()
    ids += [handle.id for handle in handles]

    assert stack.redis.lrange("rq:queue:lab:default", 0, -1) == ids
    assert len(set(ids)) == 3000


def test_from_asyncio_too(stack: Stack) -> None:
    """From either kind of iterable."""
    _ = stack.client

    async def endless() -> AsyncIterator[Echo]:
        for each in echoes(25):
            yield each

    async def hand_in() -> list[str]:
        async with AsyncClient(stack.address) as client:
            ids = [each.id async for each in client.submit_many(endless(), chunk=10)]
            return ids + [each.id async for each in client.submit_many(echoes(5))]

    ids = asyncio.run(hand_in())

    assert stack.redis.lrange("rq:queue:lab:default", 0, -1) == ids
    assert len(ids) == 30


def test_a_message_that_is_too_large_is_no_fault_of_the_line(stack: Stack) -> None:
    """Refused like any other bad request, from asyncio too: no caller repeats it for ever."""
    large = Echo(text="x" * 9_000_000)
    _ = stack.client

    async def hand_in() -> None:
        async with AsyncClient(stack.address) as client:
            await client.submit(large)

    for refused in (lambda: stack.client.submit(large), lambda: asyncio.run(hand_in())):
        with pytest.raises(InvalidRequest) as refusal:
            refused()
        (wrong,) = refusal.value.violations
        assert (wrong.field, wrong.reason) == ("spec.payload", "TOO_LARGE")
