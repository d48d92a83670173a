"""Crash loops, and the ways in which a worker is stopped."""

from __future__ import annotations

import signal
from itertools import pairwise
from pathlib import Path

from acme_jobs.lab.v1.lab_pb2 import Charge, Noop, Wait
from acme_jobs.mischief.v1.mischief_pb2 import Misbehave
from portaria.core.states import State
from stack import Stack
from stack.eventually import eventually
from stack.lab import Lab


def test_a_crash_loop_slows_down_and_can_be_stopped(stack: Stack, lab: Lab, tmp_path: Path) -> None:
    """Each child that dies young and has done nothing is followed later; a stop does not wait."""
    worker = stack.worker("mischief", PORTARIA_GRACE_SECONDS="600")
    log = tmp_path / "starts"
    for _ in range(2):
        lab.submit(Misbehave(how="exit_at_once", file=str(log)))

    eventually(lambda: log.exists() and len(log.read_text().splitlines()) == 5, 15)
    worker.wait_until(lambda: worker.output().count("child died") == 5)
    worker.terminate()

    assert worker.wait(1.5) == 0
    starts = [float(line) for line in log.read_text().splitlines()]
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    least = [0.0, 0.2, 0.4, 0.8]
    assert [gap >= wait for gap, wait in zip(gaps, least, strict=True)] == [True] * 4
    assert gaps[0] < 0.2


def test_a_poison_pill_among_good_jobs_slows_nobody_down(
    stack: Stack, lab: Lab, tmp_path: Path
) -> None:
    """A child that had done a job was able to work: the next one starts at once."""
    stack.worker("mischief")
    log = tmp_path / "starts"
    jobs = []
    for _ in range(6):
        jobs.append(lab.submit(Misbehave(how="look")))
        lab.wait(jobs[-1])
        jobs.append(lab.submit(Misbehave(how="exit_once", file=str(log))))
        lab.wait(jobs[-1])

    assert {lab.get(job_id).state for job_id in jobs} == {State.SUCCEEDED}
    starts = [float(line) for line in log.read_text().splitlines()]
    assert (len(starts), starts[-1] - starts[0] < 2) == (6, True)


def test_after_the_grace_a_job_that_must_not_run_twice_is_in_doubt(
    stack: Stack, lab: Lab, tmp_path: Path
) -> None:
    """It may have had its effect: it ends, and nobody repeats it."""
    worker = stack.worker("lab", PORTARIA_GRACE_SECONDS="0.3")
    charge = Charge(gate=str(tmp_path / "gate"), log=str(tmp_path / "log"))
    job_id = lab.submit(charge)
    lab.wait(job_id, State.RUNNING)

    worker.terminate()

    assert worker.wait(10) == 0
    done = lab.get(job_id)
    assert (done.state, lab.failure(done).reason) == (State.FAILED, "OUTCOME_UNKNOWN")


def test_ctrl_c_lets_what_runs_finish(stack: Stack, lab: Lab, tmp_path: Path) -> None:
    """It reaches parent, children and their programs alike; the parent alone decides."""
    worker = stack.worker("lab", concurrency=2)
    gate, log = tmp_path / "gate", tmp_path / "log"
    jobs = [lab.submit(Wait(gate=str(gate), log=str(log))) for _ in range(2)]
    eventually(lambda: log.exists() and len(log.read_text().splitlines()) == 2, 5)

    worker.send(signal.SIGINT, group=True)
    worker.wait_for("worker stopping")
    later = lab.submit(Noop())
    gate.touch()

    assert worker.wait(10) == 0
    ended = [(lab.get(job_id).state, lab.get(job_id).attempt) for job_id in jobs]
    assert ended == [(State.SUCCEEDED, 1)] * 2
    assert lab.get(later).state == State.PENDING


def test_a_second_ctrl_c_gives_all_back(stack: Stack, lab: Lab, tmp_path: Path) -> None:
    """Whatever signal came first, and however many children run."""
    worker = stack.worker("lab", concurrency=2, PORTARIA_GRACE_SECONDS="600")
    log = tmp_path / "log"
    jobs = [lab.submit(Wait(gate="/nowhere", log=str(log))) for _ in range(2)]
    eventually(lambda: log.exists() and len(log.read_text().splitlines()) == 2, 5)

    worker.terminate()
    worker.wait_for("worker stopping")
    worker.send(signal.SIGINT, group=True)

    assert worker.wait(10) == 0
    ended = [(lab.get(job_id).state, lab.get(job_id).failures) for job_id in jobs]
    assert ended == [(State.PENDING, 0)] * 2
