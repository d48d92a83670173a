"""Redis away for long: whoever runs goes on, whoever starts waits."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from acme_jobs.lab.v1.lab_pb2 import Noop, Wait
from portaria.core.states import State
from portaria.store import calls, keys
from portaria.store.calls import LEASE_MS
from portaria.up.redis_server import RedisServer
from stack import Process, Stack, eventually
from stack.lab import Lab

CHILDREN = 10
OUTAGE = 3 * LEASE_MS / 1000


@dataclass(frozen=True, slots=True)
class Site:
    """A system with twenty jobs in hand: two workers of ten children."""

    lab: Lab
    workers: list[Process]
    jobs: list[str]
    log: Path
    gate: Path

    def runs(self) -> list[str]:
        """A line for each run that began."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def reap(self) -> list[str]:
        """As a parent does that holds none of them; answers what it took."""
        store = self.lab.store
        call = calls.reap(run_id=store.run_id(), lost_failure=b"", doubt_failure=b"")
        return list(store.run(call)[1])

    def back(self) -> None:
        """Returns once Redis is there again and a reaping judged every lease."""
        for worker in self.workers:
            worker.wait_for("redis is back")
        redis = self.lab.redis
        eventually(lambda: redis.hget(keys.REAPER, "graces") == b"0", 3 * LEASE_MS / 1000)


@pytest.mark.timeout(90)
def test_an_outage_of_three_leases_runs_nothing_twice(stack: Stack, tmp_path: Path) -> None:
    """Redis killed, and Redis frozen, for three leases: of 20 jobs in hand each ends, begun once.

    Two systems at the same time, because all that this costs is waiting.
    """
    with _site(stack) as killed, _second(tmp_path / "frozen") as other, _site(other) as frozen:
        stack.redis_server.kill()
        other.redis_server.pause()
        _pass(OUTAGE)
        stack.restart_redis()
        other.redis_server.resume()
        # Whoever comes first may be one that judges leases and has none to renew.
        taken = killed.reap() + frozen.reap()

        assert taken == []
        assert _twenty_once(killed) == _ONCE
        assert _twenty_once(frozen) == _ONCE


_ONCE = (2 * CHILDREN, Counter({(State.SUCCEEDED, 1, b"0", b"0"): 2 * CHILDREN}), 0)


def _twenty_once(site: Site) -> tuple[int, Counter[tuple[object, ...]], int]:
    """Runs that began, how jobs ended (state, attempt, crashes, losts), and children that died."""
    site.back()
    site.gate.touch()
    ended: Counter[tuple[object, ...]] = Counter()
    for job_id in site.jobs:
        job = site.lab.wait(job_id, within=20)
        charged = site.lab.redis.hmget(keys.job(job_id), "crashes", "losts")
        ended[(job.state, job.attempt, *charged)] += 1
    died = sum(worker.output().count("child died") for worker in site.workers)
    return len(site.runs()), ended, died


@contextmanager
def _site(stack: Stack) -> Iterator[Site]:
    lab = Lab(stack)
    gate, log = stack.folder / "gate", stack.folder / "log"
    workers = [stack.worker("lab", concurrency=CHILDREN) for _ in range(2)]
    job = Wait(gate=str(gate), log=str(log))
    site = Site(lab, workers, [lab.submit(job) for _ in range(2 * CHILDREN)], log, gate)
    eventually(lambda: len(site.runs()) == 2 * CHILDREN, 15)
    yield site
    lab.close()


@contextmanager
def _second(folder: Path) -> Iterator[Stack]:
    """A system beside that of the fixture, with its own Redis."""
    folder.mkdir()
    with RedisServer(folder / "redis") as server:
        stack = Stack(server, folder)
        yield stack
        server.resume()
        stack.close()


def _pass(seconds: float) -> None:
    """The outage itself is the event that is waited for."""
    over = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= over, seconds + 5, every=0.1)


@pytest.mark.parametrize("away", [RedisServer.kill, RedisServer.pause], ids=["killed", "frozen"])
def test_a_worker_that_starts_without_redis_waits_for_it(
    stack: Stack, lab: Lab, away: Callable[[RedisServer], None]
) -> None:
    """It says so, and works as soon as Redis is there."""
    job_id = lab.submit(Noop())
    away(stack.redis_server)

    worker = stack.processes.portaria("worker", "worker", "lab")
    worker.wait_for("waiting for redis")
    stack.redis_server.resume()
    if not stack.redis_server.running:
        stack.restart_redis()

    assert lab.wait(job_id).state == State.SUCCEEDED
    assert "Traceback" not in worker.output()


def test_rq_worker_without_redis_ends_at_once_and_works_when_it_is_started_again(
    stack: Stack, lab: Lab
) -> None:
    """RQ's command asks Redis before it makes our worker, so waiting is its supervisor's part."""
    job_id = lab.submit(Noop())
    stack.redis_server.kill()
    rq = Path(sys.executable).with_name("rq")
    command = (rq, "worker", "-w", "portaria.Worker", "lab:default")

    early = stack.processes.start("rq", *command)
    assert early.wait(10) == 1
    assert "Connection refused" in early.output()
    stack.restart_redis()
    stack.processes.start("rq", *command)

    assert lab.wait(job_id).state == State.SUCCEEDED
