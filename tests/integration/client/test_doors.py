"""A client of several doors."""

from __future__ import annotations

import signal
from datetime import timedelta

import psutil

from acme_jobs.lab.v1.lab_pb2 import Noop
from portaria.client import AsyncClient, Client
from stack import Process, Stack, eventually

WITHIN = timedelta(seconds=20)


def _is_called(door: Process) -> bool:
    port = int(door.address.rpartition(":")[2])
    connections = psutil.Process(door.pid).net_connections("tcp")
    return any(each.raddr and each.laddr.port == port for each in connections)


def _two_doors(stack: Stack) -> tuple[list[Process], str]:
    doors = [stack.door(), stack.door()]
    return doors, ",".join(door.address for door in doors)


def test_calls_go_to_whichever_door_is_there(stack: Stack) -> None:
    """All doors are called, and the end of one is none of the caller's business."""
    (first, second), addresses = _two_doors(stack)

    with Client(addresses, timeout=WITHIN) as client:
        handle = client.submit(Noop())
        eventually(lambda: _is_called(first) and _is_called(second))
        first.send(signal.SIGKILL)
        first.wait(10)
        states = {client.get(handle.id).state for _ in range(20)}

    assert len(states) == 1


async def test_async_calls_do_so_too(stack: Stack) -> None:
    """As the blocking ones."""
    (first, second), addresses = _two_doors(stack)

    async with AsyncClient(addresses, timeout=WITHIN) as client:
        handle = await client.submit(Noop())
        second.send(signal.SIGKILL)
        second.wait(10)
        states = {(await client.get(handle.id)).state for _ in range(20)}
        first_is_called = _is_called(first)

    assert first_is_called
    assert len(states) == 1


def test_a_batch_is_watched_by_its_id_to_its_end(stack: Stack) -> None:
    """At whichever door, with none of its jobs named."""
    _, addresses = _two_doors(stack)
    stack.worker("lab")

    with Client(addresses, timeout=WITHIN) as client:
        handles = list(client.submit_many([Noop()] * 5))
        events = list(client.watch(workflow_id=handles[0].workflow_id, timeout=WITHIN))

    assert sorted(event.job_id for event in events if event.done) == sorted(
        handle.id for handle in handles
    )
