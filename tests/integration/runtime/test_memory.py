"""What a child takes: sampled by its parent, shown with its worker, and bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
from rq.utils import utcparse

from acme_jobs.mischief.v1.mischief_pb2 import Misbehave, Misbehaved
from portaria.core.states import State
from portaria.v1.job_pb2 import Failure
from stack import Process, Stack
from stack.eventually import eventually
from stack.lab import Lab


def _look(lab: Lab) -> int:
    """The pid of the child that answers."""
    found: Misbehaved = lab.result(lab.wait(lab.submit(Misbehave(how="look"))), Misbehaved)
    return found.pid


def _grow(lab: Lab, how: str, mib: int, **options: Any) -> str:
    return lab.submit(Misbehave(how=how, file=str(mib)), **options)


def _twice(envelope: Any) -> None:
    envelope.spec.options.retry.max_attempts = 2
    envelope.spec.options.retry.initial_backoff.FromTimedelta(timedelta(seconds=0.05))


def _own_mib(worker: Process) -> float:
    """Of its child, before it grew."""
    (child,) = worker.descendants()
    memory = child.memory_info()
    return float(memory.rss - memory.shared) / 2**20


def test_a_child_that_grew_is_replaced_after_its_job(stack: Stack, lab: Lab) -> None:
    """A leak costs no job its life: what runs ends, then a fresh child takes over, and says why."""
    worker = stack.worker("mischief", PORTARIA_MAX_MEMORY_MB="200")
    before = _look(lab)
    assert _own_mib(worker) < 100

    grown = lab.wait(_grow(lab, "grow", 200))
    worker.wait_for('child replaced for its memory.*"most_mb": 200|"most_mb": 200.*child replaced')
    eventually(lambda: before not in {each.pid for each in worker.descendants()}, 5)

    assert (grown.state, grown.attempt) == (State.SUCCEEDED, 1)
    assert _look(lab) != before
    assert "killed" not in worker.output()
    assert "died" not in worker.output()


def test_a_job_that_takes_far_too_much_is_killed(stack: Stack, lab: Lab) -> None:
    """From half as much again as its cap on: the attempt fails with the reason MEMORY, and is
    retried as the policy says; others go on."""
    worker = stack.worker("mischief", PORTARIA_MAX_MEMORY_MB="100")

    killed = lab.wait(_grow(lab, "grow_and_stay", 200, change=_twice))

    failure = lab.failure(killed)
    assert (failure.kind, failure.reason) == (Failure.KIND_ERROR, "MEMORY")
    assert (killed.state, killed.attempt, killed.failures) == (State.FAILED, 2, 2)
    assert killed.ended_ms - killed.created_ms < 8_000
    assert _look(lab)
    assert "died" not in worker.output()


def test_without_a_cap_nobody_is_replaced(stack: Stack, lab: Lab) -> None:
    """0 turns it off, and the size is still shown."""
    stack.worker("mischief", PORTARIA_MAX_MEMORY_MB="0", arguments=("--name", "porter"))
    before = _look(lab)

    lab.wait(_grow(lab, "grow", 200))
    eventually(lambda: int(_worker(lab).get("child_rss_bytes") or 0) > 200 << 20, 5)

    assert _look(lab) == before


def test_a_worker_shows_its_vitals(stack: Stack, lab: Lab) -> None:
    """Beside what RQ keeps of it: the child, its processor and memory, what it serves and does."""
    began = datetime.now(UTC)
    process = stack.worker("mischief", arguments=("--name", "porter"), PORTARIA_GRACE_SECONDS="0")
    busy = lab.submit(Misbehave(how="hang_in_a_regex"), timeout=timedelta(seconds=60))

    # As much as it gets: others may compute at the same time.
    eventually(lambda: float(_worker(lab).get("child_cpu_percent") or 0) > 5, 10)
    shown = _worker(lab)
    child = psutil.Process(int(shown["child_pid"]))

    assert child.ppid() == process.pid == int(shown["pid"])
    assert shown["current_job"] == busy
    assert shown["types"] == (
        "acme_jobs.mischief.v1.Misbehave,acme_jobs.mischief.v1.MisbehaveAsync"
    )
    assert 0.5 < int(shown["child_rss_bytes"]) / child.memory_info().rss < 2
    assert 0.5 < int(shown["parent_rss_bytes"]) / psutil.Process(process.pid).memory_info().rss < 2
    assert 0 <= float(shown["parent_cpu_percent"]) < 100
    assert timedelta() <= utcparse(shown["child_started_at"]) - began < timedelta(seconds=15)


def _worker(lab: Lab) -> dict[str, str]:
    fields: Any = lab.redis.hgetall("rq:worker:porter-1")
    return {name.decode(): value.decode() for name, value in fields.items()}
