"""The promise of once_in, proven by killing real workers: every job pays, and none twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psutil
from sqlalchemy import Engine, insert, select

from bank_jobs.handlers import EFFECTS, PAYMENTS
from bank_jobs.v1.bank_pb2 import Pay, PayResult
from portaria.core.states import State
from portaria.store import keys
from stack import Stack
from stack.eventually import eventually
from stack.lab import Lab

PAUSE = timedelta(milliseconds=60)
MOMENTS = (Pay.MOMENT_CHANGED, Pay.MOMENT_RECORDED, Pay.MOMENT_COMMITTED)


class Log:
    """What the runs said of themselves."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def runs(self) -> list[tuple[str, int]]:
        """(job, pid) of each run that began, in order."""
        text = self.path.read_text() if self.path.exists() else ""
        lines = [line.split() for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [(job_id, int(pid)) for job_id, pid in lines]


def payment(database: str, log: Log, die_at: Pay.Moment.ValueType, *, bare: bool = False) -> Pay:
    """A job."""
    job = Pay(database=database, log=str(log.path), die_at=die_at, bare=bare)
    job.pause.FromTimedelta(PAUSE)
    return job


def kill_in_first_runs(log: Log, jobs: int, rng: random.Random, halfway: psutil.Process) -> None:
    """Kills the child in each job's first run at a random moment; `halfway`, a whole worker.

    The first that was heard of: what dies with that worker may have had no time to speak.
    """
    seen, killed = 0, 0
    begun: set[str] = set()
    due: list[tuple[float, psutil.Process]] = []

    def step() -> bool:
        nonlocal seen, killed
        for job_id, pid in log.runs()[seen:]:
            seen += 1
            with suppress(psutil.NoSuchProcess):
                if job_id not in begun:
                    begun.add(job_id)
                    delay = rng.uniform(0, PAUSE.total_seconds())
                    due.append((time.monotonic() + delay, psutil.Process(pid)))
        for entry in [each for each in due if each[0] <= time.monotonic()]:
            due.remove(entry)
            killed += 1
            # Knows a reused pid by its age.
            with suppress(psutil.NoSuchProcess):
                entry[1].kill()
            if killed == jobs // 2:
                halfway.kill()
        return len(begun) == jobs and not due

    eventually(step, 30, every=0.002, because="not every job was begun")


def paid(engine: Engine) -> Counter[str]:
    """How often each job paid."""
    with engine.begin() as connection:
        return Counter(connection.scalars(select(PAYMENTS.c.job_id)))


def test_every_job_pays_once_whatever_is_killed(
    stack: Stack, lab: Lab, engine: Engine, database: str
) -> None:
    """Children at each moment around the commit and at random ones, and a whole worker."""
    planned, random_ones = Log(stack.folder / "planned"), Log(stack.folder / "random")
    workers = [stack.worker("bank", concurrency=6, PORTARIA_JOBS="bank_jobs") for _ in range(2)]
    at = {
        lab.submit(payment(database, planned, moment)): moment
        for moment in MOMENTS
        for _ in range(6)
    }
    others = [lab.submit(payment(database, random_ones, Pay.MOMENT_UNSPECIFIED)) for _ in range(27)]

    kill_in_first_runs(random_ones, len(others), random.Random(7), psutil.Process(workers[0].pid))
    jobs = [*at, *others]
    records = {job_id: lab.wait(job_id, within=25) for job_id in jobs}

    assert {record.state for record in records.values()} == {State.SUCCEEDED}
    assert paid(engine) == Counter(jobs)
    with engine.begin() as connection:
        assert Counter(connection.scalars(select(EFFECTS.c.job_id))) == Counter(jobs)
    # Every further run is there because one before it was killed.
    assert len(planned.runs()) + len(random_ones.runs()) - len(jobs) >= 30
    results = {job_id: lab.result(records[job_id], PayResult) for job_id in jobs}
    assert {job_id: result.repeated for job_id, result in results.items()} == {
        job_id: result.attempt < records[job_id].attempt for job_id, result in results.items()
    }
    # Not all: the end of the whole worker may have come before such a job's own.
    assert any(results[each].repeated for each in at if at[each] == Pay.MOMENT_COMMITTED)


def test_without_a_record_the_same_death_pays_twice(
    stack: Stack, lab: Lab, engine: Engine, database: str
) -> None:
    """What the test above would see if once_in did nothing."""
    log = Log(stack.folder / "log")
    stack.worker("bank", PORTARIA_JOBS="bank_jobs")

    job_id = lab.submit(payment(database, log, Pay.MOMENT_COMMITTED, bare=True))

    assert lab.wait(job_id).state is State.SUCCEEDED
    assert paid(engine) == Counter({job_id: 2})


def test_who_was_cancelled_in_the_transaction_pays_nothing(
    stack: Stack, lab: Lab, engine: Engine, database: str
) -> None:
    """The fence asks the store once the key is its own, however long it waited for that."""
    log = Log(stack.folder / "log")
    job_id = lab.submit(payment(database, log, Pay.MOMENT_UNSPECIFIED))

    with engine.connect() as connection:
        rival = connection.begin()
        row = {"job_id": job_id, "key": "payment", "attempt": 1, "value": "null"}
        connection.execute(insert(EFFECTS).values(row))
        stack.worker("bank", PORTARIA_JOBS="bank_jobs")
        eventually(log.runs)
        lab.redis.hset(keys.job(job_id), "state", "CANCELLING")
        rival.rollback()

    assert lab.wait(job_id).state is State.CANCELLED
    assert paid(engine) == Counter()
