"""A door that is told to stop does stop, whatever it is doing and whatever hangs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from integration.frontdoor.conftest import OpenDoor
from integration.frontdoor.playing import submission
from portaria.frontdoor.main import Running
from portaria.frontdoor.selector import Selector
from portaria.up.redis_server import RedisServer
from portaria.v1.jobs_service_pb2 import JobSelector, WaitJobRequest, WatchJobsRequest
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub
from stack import Process, Processes

# More than there are between a feed that is live and its first read that waits.
_TURNS = range(24)
_MOST_SECONDS = 8.0

REDIS: dict[str, Callable[[RedisServer], None]] = {
    "up": lambda server: None,
    "killed": RedisServer.kill,
    "frozen": RedisServer.pause,
}


def test_a_feed_ends_whenever_it_is_cancelled(open_door: OpenDoor) -> None:
    """No turn of the loop is there at which it loses the cancellation and reads on."""

    async def cancelled_after(turns: int, running: Running) -> bool:
        await running.feed.subscribe(Selector(namespace="default", job_ids=("j",)), progress=False)
        (feed,) = (each for each in asyncio.all_tasks() if each.get_name() == "feed")
        for _ in range(turns):
            await asyncio.sleep(0)
        feed.cancel()
        await asyncio.wait({feed}, timeout=5)
        return feed.cancelled()

    for turns in _TURNS:
        door = open_door(ready=False)
        assert door.run(cancelled_after(turns, door.running)), turns


def test_a_drain_ends_whenever_it_is_cancelled(open_door: OpenDoor) -> None:
    """A second signal ends the grace at any turn of the loop, with a call still open."""

    async def cancelled_after(turns: int, running: Running) -> bool:
        with running.drain_state.call():
            draining = asyncio.create_task(running.drain())
            for _ in range(turns):
                await asyncio.sleep(0)
            draining.cancel()
            await asyncio.wait({draining}, timeout=2)
            return draining.cancelled()

    for turns in _TURNS:
        door = open_door(ready=False)
        assert door.run(cancelled_after(turns, door.running)), turns


@pytest.fixture
def env(redis_server: RedisServer, tmp_path: Path) -> dict[str, str]:
    """What the door's process is told."""
    return {
        "PORTARIA_REDIS_URL": redis_server.url,
        "PORTARIA_DATA_DIR": str(tmp_path / "data"),
        "PORTARIA_LISTEN": "127.0.0.1:0",
    }


def _address(door: Process) -> str:
    return door.wait_for("door listening").partition('"address": "')[2].partition('"')[0]


@pytest.mark.parametrize("state", REDIS)
def test_a_signal_ends_it_whatever_redis_does(
    state: str, processes: Processes, env: dict[str, str], redis_server: RedisServer
) -> None:
    """With a wait and a watch open, and others being opened; and no step of it is left behind."""
    door = processes.portaria("door", "serve", **env)
    door.wait_for("redis reached")
    jobs = JobsServiceStub(grpc.insecure_channel(_address(door)))
    job_id = jobs.SubmitJob(submission(), timeout=5).job.job_id
    watch = WatchJobsRequest(selector=JobSelector(job_ids=[job_id]))
    watching = jobs.WatchJobs(watch, timeout=20)
    next(watching)
    calls = [jobs.WaitJob.future(WaitJobRequest(job_id=job_id), timeout=20)]

    REDIS[state](redis_server)
    opened = [jobs.WatchJobs(watch, timeout=20) for _ in range(5)]
    calls += [jobs.WaitJob.future(WaitJobRequest(job_id=job_id), timeout=20) for _ in range(5)]
    door.send(signal.SIGTERM)

    assert door.wait(_MOST_SECONDS) == 0
    assert "door stopped" in door.output()
    assert "does not end" not in door.output()
    assert all(isinstance(each.exception(), grpc.RpcError) for each in calls)
    for each in (watching, *opened):
        with pytest.raises(grpc.RpcError):
            list(each)


def test_a_signal_ends_it_before_it_ever_reached_redis(
    processes: Processes, env: dict[str, str], redis_server: RedisServer
) -> None:
    """Frozen: it connects, and no answer comes."""
    redis_server.pause()
    door = processes.portaria("door", "serve", **env)
    _address(door)

    door.send(signal.SIGTERM)

    assert door.wait(_MOST_SECONDS) == 0
    assert "door stopped" in door.output()


_HANGING = """
import asyncio, os
from portaria.frontdoor import main
from portaria.settings import load_settings

async def hang():
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

kept = []
main.LAST_RESORT_SECONDS = 0.5
main.run(load_settings(os.environ), lambda address: kept.append(asyncio.ensure_future(hang())))
"""


def test_what_cannot_be_ended_does_not_keep_the_process(
    processes: Processes, env: dict[str, str]
) -> None:
    """It ends with the stacks of its threads and exit code 1, so that somebody looks."""
    door = processes.python("door", "-c", _HANGING, **env)
    door.wait_for("redis reached")

    door.send(signal.SIGTERM)

    assert door.wait(_MOST_SECONDS) == 1
    assert "door stopped" in door.output()
    assert "Timeout (0:00:00.5" in door.output()
