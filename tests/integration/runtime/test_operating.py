"""Operators and real workers: a pause holds, a resume is felt at once, the register tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.message import Message

from acme_jobs.lab.v1.lab_pb2 import Noop, Wait
from portaria.client import AsyncClient, Handle, QueueNotFound
from portaria.client.states import state_name
from portaria.v1 import job_pb2
from portaria.v1.admin_service_pb2 import Queue, Worker
from stack import Stack
from stack.eventually import eventually

RUNNING, PENDING = job_pb2.JOB_STATE_RUNNING, job_pb2.JOB_STATE_PENDING
LOW, DEFAULT = "lab:low", "lab:default"


def state_of(handle: Handle[Message]) -> str:
    """Where a job stands."""
    return state_name(handle.get().state)


def queue(stack: Stack, name: str = DEFAULT) -> Queue:
    (found,) = [each for each in stack.client.queues("lab") if each.name == name]
    return found


def worker(stack: Stack) -> Worker:
    (found,) = stack.client.workers()
    return found


def test_a_paused_queue_waits_while_others_are_served(stack: Stack, tmp_path: Path) -> None:
    """What runs is not touched; a resume starts what waits before an idle worker would look."""
    gate = tmp_path / "gate"
    stack.worker("lab", concurrency=2)
    running = stack.client.submit(Wait(gate=str(gate)))
    eventually(lambda: state_of(running) == "RUNNING")

    stack.client.pause(DEFAULT, "repairs")
    held_up = stack.client.submit(Noop())
    stack.client.submit(Noop(), priority="low").wait()

    assert stack.client.get(held_up.id).state == PENDING
    assert (queue(stack).paused, queue(stack).depth, queue(stack).running) == (True, 1, 1)
    assert queue(stack, LOW).workers == 2
    gate.touch()
    running.wait()
    assert stack.client.get(held_up.id).state == PENDING
    stack.client.resume(DEFAULT)
    eventually(lambda: state_of(held_up) == "SUCCEEDED", 2.0)


def test_a_worker_that_starts_while_its_queue_is_paused_waits(stack: Stack) -> None:
    """And one that should stop when all is done finds nothing to do."""
    waiting = stack.client.submit(Noop())
    stack.client.pause(DEFAULT)

    stack.processes.portaria("burst", "worker", "lab", "--burst").wait(20)

    assert stack.client.get(waiting.id).state == PENDING
    assert queue(stack).depth == 1


def test_the_register_shows_a_worker_from_idle_to_busy_to_gone(
    stack: Stack, tmp_path: Path
) -> None:
    """Who it is, what it serves, what it runs, what it did, and how it is set up."""
    gate = tmp_path / "gate"
    process = stack.worker("lab", PORTARIA_MAX_JOBS_PER_CHILD="77")
    eventually(lambda: worker(stack).state == Worker.STATE_IDLE)
    stack.client.submit(Noop()).wait()
    job = stack.client.submit(Wait(gate=str(gate)))

    busy = eventually(_is(stack, Worker.STATE_BUSY))

    assert list(busy.running_job_ids) == [job.id]
    assert (busy.domain, len(busy.queues), busy.pid) == ("lab", 4, process.pid)
    assert "acme_jobs.lab.v1.Wait" in busy.job_types
    assert (busy.concurrency, busy.max_jobs_per_child) == (1, 77)
    assert busy.version == busy.settings["version"] != ""
    assert "redis" not in str(dict(busy.settings))
    gate.touch()
    job.wait()
    idle = eventually(_is(stack, Worker.STATE_IDLE))
    assert idle.succeeded == 2
    assert idle.rss_bytes > 1_000_000
    assert not idle.running_job_ids
    assert idle.heartbeat_time.ToDatetime() > idle.start_time.ToDatetime()
    process.terminate()
    process.wait(15)
    assert stack.client.workers() == []


def test_prefetched_jobs_are_reserved_and_spared_by_a_purge(stack: Stack, tmp_path: Path) -> None:
    """A purge ends what waits in the queue; what is held or runs comes to its own end."""
    gate = tmp_path / "gate"
    stack.worker("lab")
    running = stack.client.submit(Wait(gate=str(gate)))
    eventually(lambda: state_of(running) == "RUNNING")
    waiting = [stack.client.submit(Noop()) for _ in range(3)]

    assert stack.client.purge(DEFAULT) == 3

    assert {state_of(each) for each in waiting} == {"CANCELLED"}
    gate.touch()
    running.wait()
    assert state_of(running) == "SUCCEEDED"


def test_a_killed_worker_is_shown_as_lost(stack: Stack) -> None:
    """After ten seconds without a word from it."""
    process = stack.worker("lab")
    eventually(lambda: worker(stack).state == Worker.STATE_IDLE)

    process.kill()

    eventually(_is(stack, Worker.STATE_LOST), 20.0)


async def test_the_async_client_does_the_same(stack: Stack) -> None:
    """Every method, against the same door."""
    handle = stack.client.submit(Noop())
    async with AsyncClient(stack.address) as client:
        assert (await client.pause(DEFAULT, "why")).pause_reason == "why"
        assert [each.paused for each in await client.queues("lab")] == [True]
        assert not (await client.resume(DEFAULT)).paused
        assert await client.purge(DEFAULT) == 1
        assert await client.workers() == []
        with pytest.raises(QueueNotFound):
            await client.pause("nowhere:low")
    assert state_of(handle) == "CANCELLED"


def _is(stack: Stack, state: Worker.State.ValueType) -> Callable[[], Worker | None]:
    def found() -> Worker | None:
        return next((each for each in stack.client.workers() if each.state == state), None)

    return found
