"""What happens to a job in hand when processes die. The shipped defaults, nobody helps."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from pathlib import Path

from acme_jobs.lab.v1.lab_pb2 import Charge, Noop, Wait
from portaria.core.states import State
from portaria.store.calls import LEASE_MS
from stack import Stack
from stack.eventually import eventually
from stack.lab import Lab


def _runs(log: Path) -> list[list[int]]:
    """(attempt, pid, parent) of each run that began."""
    return [[int(word) for word in line.split()] for line in log.read_text().splitlines()]


def _held(stack: Stack, lab: Lab) -> tuple[str, Path, Path]:
    gate, log = stack.folder / "gate", stack.folder / "log"
    job_id = lab.submit(Wait(gate=str(gate), log=str(log)))
    lab.wait(job_id, State.RUNNING)
    eventually(log.exists, 5)
    return job_id, gate, log


def test_a_killed_child_is_replaced_at_once(stack: Stack, lab: Lab) -> None:
    """kill -9 of the child: the parent sees it and the job runs again, within two seconds."""
    stack.worker("lab")
    job_id, gate, log = _held(stack, lab)

    os.kill(_runs(log)[0][1], signal.SIGKILL)
    eventually(lambda: len(_runs(log)) == 2, 2)
    gate.touch()

    done = lab.wait(job_id)
    assert (done.state, done.attempt, done.failures) == (State.SUCCEEDED, 2, 0)
    assert lab.events(job_id).count("SUCCEEDED") == 1


def test_a_child_dies_with_its_parent(stack: Stack, lab: Lab) -> None:
    """kill -9 of the parent alone: no orphan goes on with the job."""
    worker = stack.worker("lab")
    _, _, log = _held(stack, lab)
    child = _runs(log)[0][1]

    os.kill(worker.pid, signal.SIGKILL)

    eventually(lambda: _is_gone(child), 5)


def test_a_killed_worker_loses_its_job_to_another(stack: Stack, lab: Lab) -> None:
    """kill -9 of parent and child: the lease lapses and another worker runs the job, once."""
    first = stack.worker("lab")
    job_id, gate, log = _held(stack, lab)
    stack.worker("lab")

    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: len(_runs(log)) == 2, 15)
    gate.touch()

    done = lab.wait(job_id)
    assert (done.state, done.attempt, done.failures) == (State.SUCCEEDED, 2, 0)
    assert lab.events(job_id).count("SUCCEEDED") == 1


def test_a_worker_frozen_past_its_lease_cannot_finish_what_it_lost(stack: Stack, lab: Lab) -> None:
    """SIGSTOP of parent and child for longer than the lease: another runs the job to its end; the
    first, awake again, notices and changes nothing."""
    first = stack.worker("lab")
    job_id, gate, log = _held(stack, lab)
    child = _runs(log)[0][1]
    stack.worker("lab")

    for pid in (first.pid, child):
        os.kill(pid, signal.SIGSTOP)
    eventually(lambda: len(_runs(log)) == 2, 15)
    for pid in (first.pid, child):
        os.kill(pid, signal.SIGCONT)
    first.wait_for("job lost to another worker")
    gate.touch()

    done = lab.wait(job_id)
    assert (done.state, done.attempt) == (State.SUCCEEDED, 2)
    assert lab.events(job_id).count("SUCCEEDED") == 1


def test_a_worker_that_lost_a_job_may_run_it_again_itself(stack: Stack, lab: Lab) -> None:
    """Frozen past the lease, it is the only one that serves the pool: the word that its old hold
    is lost does not hit the new one.
    """
    worker = stack.worker("lab")
    job_id, gate, log = _held(stack, lab)
    child = _runs(log)[0][1]
    stack.worker("mail")  # another pool's parent reaps

    for pid in (worker.pid, child):
        os.kill(pid, signal.SIGSTOP)
    lab.wait(job_id, State.PENDING)
    for pid in (worker.pid, child):
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: len(_runs(log)) == 2, 10)
    gate.touch()

    done = lab.wait(job_id)
    assert (done.state, done.attempt) == (State.SUCCEEDED, 2)


def test_a_child_that_dies_before_it_could_tell_is_charged(stack: Stack, lab: Lab) -> None:
    """The handler returned while Redis was away, then the child was killed: an AT_MOST_ONCE job
    does not run again, its outcome is unknown.
    """
    worker = stack.worker("lab")
    gate, log = stack.folder / "gate", stack.folder / "charges"
    job_id = lab.submit(Charge(gate=str(gate), log=str(log)))
    lab.wait(job_id, State.RUNNING)
    child = worker.descendants()[0].pid

    stack.redis_server.kill()
    gate.touch()
    eventually(log.exists, 5)
    eventually(lambda: log.read_text() == "1\n", 5)
    os.kill(child, signal.SIGKILL)
    worker.wait_for("the worker's child died")
    stack.restart_redis()

    done = lab.wait(job_id, within=25)
    assert (done.state, lab.failure(done).reason) == (State.FAILED, "OUTCOME_UNKNOWN")
    assert log.read_text() == "1\n"


def test_the_outcome_of_what_must_not_run_twice_is_unknown_in_the_end(
    stack: Stack, lab: Lab
) -> None:
    """kill -9 of parent and child while it runs: for its timeout and 5 s it may still end."""
    stack.worker("mail")  # another pool's parent reaps
    worker = stack.worker("lab")
    gate, log = stack.folder / "gate", stack.folder / "charges"
    charge = Charge(gate=str(gate), log=str(log))
    job_id = lab.submit(charge, timeout=timedelta(seconds=2))
    lab.wait(job_id, State.RUNNING)

    worker.kill()
    opened = f"rq:job:{job_id}"
    eventually(lambda: lab.redis.hget(opened, "open"), 15)

    assert lab.get(job_id).state is State.RUNNING
    done = lab.wait(job_id, within=15)
    assert (done.state, lab.failure(done).reason) == (State.FAILED, "OUTCOME_UNKNOWN")
    assert not log.exists()


def test_a_late_end_of_what_must_not_run_twice_counts(stack: Stack, lab: Lab) -> None:
    """Its worker stood still beyond the lease: nobody else was given the job."""
    worker = stack.worker("lab")
    gate, log = stack.folder / "gate", stack.folder / "charges"
    job_id = lab.submit(Charge(gate=str(gate), log=str(log)), timeout=timedelta(seconds=30))
    lab.wait(job_id, State.RUNNING)
    stack.worker("mail")
    pids = (worker.pid, *(each.pid for each in worker.descendants()))

    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    eventually(lambda: lab.redis.hget(f"rq:job:{job_id}", "open"), 15)
    gate.touch()
    for pid in pids:
        os.kill(pid, signal.SIGCONT)

    assert lab.wait(job_id).state is State.SUCCEEDED
    assert log.read_text() == "1\n"


def test_a_redis_that_dies_and_returns_re_runs_no_healthy_job(stack: Stack, lab: Lab) -> None:
    """kill -9 of Redis for longer than a lease: the job in hand goes on and ends once."""
    worker = stack.worker("lab")
    job_id, gate, log = _held(stack, lab)

    stack.redis_server.kill()
    worker.wait_for("redis cannot be reached")
    lapsed = time.monotonic() + LEASE_MS / 1000 + 0.5
    eventually(lambda: time.monotonic() > lapsed, 10)
    stack.restart_redis()
    worker.wait_for("redis is back")
    after = lab.submit(Noop())
    gate.touch()

    done = lab.wait(job_id)
    assert (done.state, done.attempt) == (State.SUCCEEDED, 1)
    assert len(_runs(log)) == 1
    assert lab.wait(after).state == State.SUCCEEDED


def test_sigterm_lets_the_job_in_hand_finish(stack: Stack, lab: Lab) -> None:
    """Warm shutdown: nothing new begins, what runs ends, the worker leaves the register."""
    worker = stack.worker("lab")
    job_id, gate, _ = _held(stack, lab)

    worker.terminate()
    worker.wait_for("worker stopping")
    later = lab.submit(Noop())
    gate.touch()

    assert worker.wait(10) == 0
    assert (lab.get(job_id).state, lab.get(job_id).attempt) == (State.SUCCEEDED, 1)
    assert lab.get(later).state == State.PENDING
    assert lab.redis.scard("rq:workers") == 0


def test_after_the_grace_a_job_is_given_back_uncharged(stack: Stack, lab: Lab) -> None:
    """A job that does not end in time goes back to the queue, and no failure is counted."""
    worker = stack.worker("lab", PORTARIA_GRACE_SECONDS="0.3")
    job_id, _, _ = _held(stack, lab)

    worker.terminate()

    assert worker.wait(10) == 0
    given_back = lab.get(job_id)
    assert (given_back.state, given_back.failures) == (State.PENDING, 0)
    assert lab.redis.hget(f"rq:job:{job_id}", "crashes") == b"0"
    assert [job_id.encode()] == lab.redis.lrange("rq:queue:lab:default", 0, -1)


def test_a_second_signal_gives_back_at_once(stack: Stack, lab: Lab) -> None:
    """Whoever cannot wait for the grace sends SIGTERM twice."""
    worker = stack.worker("lab", PORTARIA_GRACE_SECONDS="600")
    job_id, _, _ = _held(stack, lab)

    worker.terminate()
    worker.wait_for("worker stopping")
    worker.terminate()

    assert worker.wait(10) == 0
    assert lab.get(job_id).state == State.PENDING


def test_a_child_is_replaced_after_its_share_of_jobs(stack: Stack, lab: Lab) -> None:
    """PORTARIA_MAX_JOBS_PER_CHILD: a fresh process goes on, and no job is lost in between."""
    stack.worker("lab", PORTARIA_MAX_JOBS_PER_CHILD="3")
    gate, log = stack.folder / "gate", stack.folder / "log"
    gate.touch()

    jobs = [lab.submit(Wait(gate=str(gate), log=str(log))) for _ in range(10)]

    assert {State.SUCCEEDED} == {lab.wait(job_id).state for job_id in jobs}
    assert len({pid for _, pid, _ in _runs(log)}) == 4


def test_a_worker_that_takes_a_dead_ones_name_frees_its_jobs(stack: Stack, lab: Lab) -> None:
    """Killed and restarted under the same name: nobody waits for RQ to forget it."""
    first = stack.worker("lab", arguments=("--name", "porter"))
    job_id, gate, log = _held(stack, lab)
    os.kill(first.pid, signal.SIGKILL)

    stack.worker("lab", arguments=("--name", "porter"))
    eventually(lambda: len(_runs(log)) == 2, 4)
    gate.touch()

    assert lab.wait(job_id).state == State.SUCCEEDED


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_worker_whose_holds_were_taken_hears_it_at_once(stack: Stack, lab: Lab) -> None:
    """Another process closed its incarnation: the handler is told, and the child replaced."""
    worker = stack.worker("lab", arguments=("--name", "porter"))
    _, gate, log = _held(stack, lab)
    child = worker.descendants()[0].pid

    lab.redis.hset("portaria:holds", "porter-1", "another - - ")

    eventually(lambda: _is_gone(child), 8)
    gate.touch()
    following = lab.submit(Noop())
    assert lab.wait(following).state is State.SUCCEEDED
    assert len(_runs(log)) == 1


def _is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}/cmdline").exists() or _is_zombie(pid)
