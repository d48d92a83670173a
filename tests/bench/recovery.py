"""How soon an interrupted job runs again: kill -9 of its whole worker, and of the child alone.

An otherwise idle machine, the shipped defaults, LANES jobs at a time that only wait, nobody calls
the reaper. The time is from the kill to the RUNNING that Redis wrote, by the clock that both share.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from acme_jobs.lab.v1.lab_pb2 import Wait
from bench import noop_jobs
from bench.figures import percentile, short
from bench.report import Check, Section
from portaria.core.states import State
from portaria.store import calls
from portaria.up.redis_server import RedisServer
from stack import Process, Stack, eventually
from stack.lab import Lab

LANES = 5
P50, P99, CHILD = 6.5, 12.0, 0.3
WHOLE_WORKER, CHILD_ALONE = "kill -9 of parent and child", "kill -9 of the child"
_CHILD_PAUSE = 5.5
"""A child that dies within 5 s of its birth more than once is started ever more slowly."""


class Ward:
    """Workers that may be killed, and the jobs in their hands."""

    def __init__(self, stack: Stack, lab: Lab) -> None:
        self.lab = lab
        self._stack = stack
        self._workers: list[Process] = []
        self._random = Random(1)

    def staff(self, workers: int) -> None:
        """Brings their number to so many that live."""
        self._workers = [each for each in self._workers if each.running]
        while len(self._workers) < workers:
            started = self._stack.worker(noop_jobs.POOL, PORTARIA_JOBS=noop_jobs.PACKAGE)
            self._workers.append(started)

    @contextmanager
    def jobs(self, count: int) -> Iterator[dict[str, Path]]:
        """So many jobs that run until the end of the block: id -> log of who ran it."""
        with tempfile.TemporaryDirectory(prefix="portaria-bench-") as folder:
            gate, logs = Path(folder) / "gate", [Path(folder) / str(each) for each in range(count)]
            jobs = {self.lab.submit(Wait(gate=str(gate), log=str(log))): log for log in logs}
            for log in logs:
                eventually(log.exists, because="a job did not start")
            yield jobs
            gate.touch()
            for job_id in jobs:
                self.lab.wait(job_id, State.SUCCEEDED)

    def kill_worker(self, log: Path) -> None:
        """Parent and child at once."""
        _, parent = _last_runner(log)
        next(each for each in self._workers if each.pid == parent).kill(group=True)

    def kill_child(self, log: Path) -> None:
        """The child; its parent lives."""
        os.kill(_last_runner(log)[0], signal.SIGKILL)

    def recoveries(self, jobs: dict[str, Path], kill: Callable[[Path], None]) -> list[float]:
        """Seconds after its kill until each of these jobs ran again."""
        killed_at = {}
        for job_id, log in jobs.items():
            # At any moment of the time between two renewals, not always at the same one.
            time.sleep(self._random.uniform(0, calls.RENEW_EVERY / len(jobs)))
            killed_at[job_id] = time.time()
            kill(log)
        return [self._started_again(job_id) - moment for job_id, moment in killed_at.items()]

    def _started_again(self, job_id: str) -> float:
        def again() -> bool:
            job = self.lab.get(job_id)
            return job.attempt == 2 and job.state is State.RUNNING

        eventually(again, 60, because=f"{job_id} did not run again")
        return self.lab.get(job_id).started_ms / 1000


def measure(*, kills: int, child_kills: int) -> Section:
    """At least so many kills of each kind."""
    with _ward() as ward:
        whole: list[float] = []
        while len(whole) < kills:
            ward.staff(2 * LANES)
            with ward.jobs(LANES) as jobs:
                whole += ward.recoveries(jobs, ward.kill_worker)
        ward.staff(2 * LANES)
        child: list[float] = []
        while len(child) < child_kills:
            # As many jobs as workers: it is the new child that goes on, not another that was idle.
            with ward.jobs(2 * LANES) as jobs:
                time.sleep(_CHILD_PAUSE)
                child += ward.recoveries(jobs, ward.kill_child)
    return _section(whole, child)


@contextmanager
def _ward() -> Iterator[Ward]:
    with (
        tempfile.TemporaryDirectory(prefix="portaria-bench-") as folder,
        RedisServer(Path(folder) / "redis") as server,
    ):
        stack = Stack(server, Path(folder))
        lab = Lab(stack)
        try:
            yield Ward(stack, lab)
        finally:
            lab.close()
            stack.close()


def _last_runner(log: Path) -> tuple[int, int]:
    """Child and parent."""
    _, child, parent = log.read_text().splitlines()[-1].split()
    return int(child), int(parent)


def _section(whole: Sequence[float], child: Sequence[float]) -> Section:
    section = Section(
        title="recovery: from the kill to running again, defaults",
        note="Seconds. After the child's death its own parent's next child goes on.",
        columns=("", "kills", "least", "p50", "p99", "most"),
    )
    for name, seconds in ((WHOLE_WORKER, whole), (CHILD_ALONE, child)):
        shown = [min(seconds), percentile(seconds, 0.5), percentile(seconds, 0.99), max(seconds)]
        section.rows.append((name, str(len(seconds)), *map(short, shown)))
        section.figures[name] = dict(zip(("least", "p50", "p99", "most"), shown, strict=True))
        section.figures[name]["seconds"] = list(seconds)
    lines = (
        (f"{WHOLE_WORKER}, p50", percentile(whole, 0.5), P50),
        (f"{WHOLE_WORKER}, p99", percentile(whole, 0.99), P99),
        (f"{CHILD_ALONE}, the slowest", max(child), CHILD),
    )
    for what, figure, wanted in lines:
        section.checks.append(
            Check(what=what, figure=figure, wanted=wanted, unit="s", at_most=True)
        )
    return section
