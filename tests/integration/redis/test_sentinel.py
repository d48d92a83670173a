"""redis+sentinel://: the master dies, another is promoted, and the work goes on with all jobs."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from acme_jobs.lab.v1.lab_pb2 import Noop, Wait
from conformance.kernel import submission
from integration.redis.journey import work_goes
from portaria.client import Client, PortariaError
from portaria.core.errors import StoreUnavailable
from portaria.frontdoor.patience import PATIENCE as PATIENCE_OF_CALLERS
from portaria.store import AsyncStore, Store, calls, keys
from portaria.store.connect import connect, connect_async, reconnect
from portaria.store.lane import Lane
from portaria.store.wire import Target, Wire
from portaria.up.redis_server import RedisServer
from portaria.v1.job_pb2 import JOB_STATE_SUCCEEDED
from stack import Processes, Stack, eventually
from stack.replicated import Replicated
from stack.versions import VERSIONS, binary, both_versions

PATIENCE = timedelta(seconds=30)


on_each_version = pytest.mark.parametrize("replicated", VERSIONS, indirect=True)


@pytest.fixture
def replicated(request: pytest.FixtureRequest, processes: Processes, tmp_path: Path) -> Replicated:
    """A master with two replicas, and three sentinels that know them."""
    version = getattr(request, "param", VERSIONS[-1])
    return Replicated(processes, tmp_path, binary(version))


@pytest.fixture
def stack(replicated: Replicated, tmp_path: Path) -> Iterator[Stack]:
    """A system on top of it: a submit is acknowledged when a replica has it."""
    folder = tmp_path / "stack"
    folder.mkdir()
    made: Any = Stack(replicated, folder)  # type: ignore[arg-type] # it has a URL, that is enough
    made.env["PORTARIA_REDIS_REPLICAS"] = "1"
    made.processes.env["PORTARIA_REDIS_REPLICAS"] = "1"
    made.__dict__["redis"] = connect(replicated.url)
    yield made
    made.close()


class Caller(threading.Thread):
    """Hands in jobs without a pause, as a service would, and keeps what was acknowledged."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[str] = []
        self.refused: list[PortariaError] = []
        self._address = address
        self._ending = threading.Event()

    def run(self) -> None:
        with Client(self._address, patience=PATIENCE) as client:
            while not self._ending.is_set():
                try:
                    self.acknowledged.append(client.submit(Noop()).id)
                except PortariaError as error:
                    self.refused.append(error)

    def stop(self) -> None:
        self._ending.set()
        self.join()


@pytest.mark.timeout(120)
@on_each_version
def test_work_goes_on_after_a_promotion_with_every_acknowledged_job(
    stack: Stack, replicated: Replicated
) -> None:
    """kill -9 of the master while jobs come in and one runs. Callers wait, and lose nothing."""
    gate, log = stack.folder / "gate", stack.folder / "log"
    stack.door()
    stack.worker("lab", concurrency=2)
    work_goes(stack)
    running = stack.client.submit(Wait(gate=str(gate), log=str(log)))
    eventually(log.exists, 5)
    caller = Caller(stack.address)
    caller.start()
    eventually(lambda: len(caller.acknowledged) > 50, 20)
    old, generation = replicated.master(), stack.redis.get(keys.GENERATION)

    replicated.nodes[old].kill()
    before = len(caller.acknowledged)
    eventually(lambda: replicated.is_promoted(old), 20, ignoring=(RedisError,))
    eventually(lambda: len(caller.acknowledged) > before + 50, 20)
    caller.stop()
    gate.touch()

    assert caller.refused == []
    for job_id in caller.acknowledged:
        assert stack.client.handle(job_id).wait(PATIENCE).state == JOB_STATE_SUCCEEDED
    assert running.wait(PATIENCE).state == JOB_STATE_SUCCEEDED
    # Cursors of before hold what the promoted one may lack: they count no more.
    assert stack.redis.get(keys.GENERATION) != generation
    work_goes(stack)


@on_each_version
async def test_a_submit_without_a_replica_is_not_acknowledged(replicated: Replicated) -> None:
    """However often it is sent, and over which connection; with a replica again, it is."""
    master = replicated.master()
    replicas = [process for port, process in replicated.nodes.items() if port != master]
    for process in replicas:
        process.send(signal.SIGSTOP)
    job = calls.submit(submission("j1"))

    stores = [AsyncStore(connect_async(replicated.url), replicas=1) for _ in range(2)]
    lanes = [Lane(store.redis, replicas=store.replicas) for store in stores]
    for lane in (*lanes, *lanes):
        with pytest.raises(StoreUnavailable):
            await lane.run(job)
    replicas[0].send(signal.SIGCONT)

    assert (await lanes[1].run(job)).job_id == "j1"
    for process in replicas:
        process.send(signal.SIGCONT)
    for lane, store in zip(lanes, stores, strict=True):
        await lane.close()
        await store.close()


@both_versions
def test_a_restart_is_no_promotion(redis_server: RedisServer, redis: Redis) -> None:
    """Cursors stay good, however often."""
    store = Store(redis)
    first = store.prepare()

    for _ in range(2):
        redis_server.stop()
        redis_server.start()
        assert store.prepare() == first


@both_versions
async def test_what_the_replicas_leave_unsafe_is_said(
    redis_server: RedisServer, redis: Redis
) -> None:
    """A master that is cut off must stop taking jobs by itself."""
    store = AsyncStore(connect_async(redis_server.url), replicas=1)

    before = await store.unsafe_settings()
    redis.config_set("min-replicas-to-write", 1)
    after = await store.unsafe_settings()

    redis.config_set("min-replicas-to-write", 0)
    await store.close()
    assert (before, after) == (["min-replicas-to-write is 0: expected 1 or more"], [])


async def test_a_server_that_is_no_master_is_left_alone(replicated: Replicated) -> None:
    """Sentinels may name for seconds who is none: it is not asked, and they are asked again."""
    master = replicated.master()
    client = connect(replicated.url)
    store = AsyncStore(connect_async(replicated.url))
    replica = next(port for port in replicated.nodes if port != master)
    # Behind the sentinels' back: they go on to name it for some seconds.
    replicated.node(master).replicaof("127.0.0.1", str(replica))
    eventually(lambda: replicated.node(master).role()[0] == "slave", 5)

    with pytest.raises(RedisError):
        client.ping()
    with pytest.raises(StoreUnavailable):
        await store.ping()
    with pytest.raises(StoreUnavailable):
        Wire(Target.of(client)).run(calls.tidy(), give_up=lambda: True)
    client.close()
    await store.close()


async def test_one_sentinel_is_enough_and_none_is_an_outage(replicated: Replicated) -> None:
    """By redis-py's ways, by ours, and by that of the client which RQ is given. None waits long for
    a sentinel that is frozen: callers at the door have less than a second."""
    frozen, dead, last = replicated.sentinels.values()
    frozen.send(signal.SIGSTOP)
    dead.kill()
    store = AsyncStore(connect_async(replicated.url, reply_timeout=None))

    with connect(replicated.url) as given, reconnect(given) as client:
        wire = Wire(Target.of(client))
        assert Target.of(client) == Target.of(given)
        async with asyncio.timeout(PATIENCE_OF_CALLERS):
            await store.ping()
        assert client.ping()
        assert wire.run(calls.tidy()) == 0

        last.kill()
        client.connection_pool.disconnect()
        wire.close()

        with pytest.raises(StoreUnavailable):
            wire.run(calls.tidy(), give_up=lambda: True)
        with pytest.raises(RedisError):
            client.ping()
    await store.close()
    frozen.send(signal.SIGCONT)
