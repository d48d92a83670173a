"""Several tiny jobs are claimed at once; a slow or deadly one among them holds up nobody."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from acme_jobs.lab.v1.lab_pb2 import Charge, Fail, Noop, Wait
from portaria.core.states import State
from portaria.runtime.pace import LOOK_BACK
from stack import Stack
from stack.eventually import eventually
from stack.lab import Lab

TINY = LOOK_BACK + 30


def _turns(lab: Lab) -> int:
    info: Any = lab.redis.info("commandstats")
    return int(info["cmdstat_evalsha"]["calls"])


def _at_once(lab: Lab, submit: Any) -> Any:
    """Lets the workers find all that `submit` hands in together."""
    lab.redis.set("rq:suspended", 1)
    for key in lab.redis.smembers("rq:workers"):
        eventually(lambda key=key: lab.redis.hget(key, "state") == b"suspended", 5)
    try:
        return submit()
    finally:
        lab.redis.delete("rq:suspended")


def test_tiny_jobs_share_round_trips(stack: Stack, lab: Lab) -> None:
    """Once the worker knows them as tiny, a turn ends and claims many."""
    jobs = [lab.submit(Noop()) for _ in range(600)]
    before = _turns(lab)

    stack.worker("lab", arguments=("--burst",)).wait(20)

    assert _turns(lab) - before < 300
    records = [lab.get(each) for each in jobs]
    assert {(each.state, each.attempt) for each in records} == {(State.SUCCEEDED, 1)}


def test_one_at_a_time_where_that_is_asked_for(stack: Stack, lab: Lab) -> None:
    """PORTARIA_PREFETCH=1 turns it off."""
    for _ in range(300):
        lab.submit(Noop())
    before = _turns(lab)

    stack.worker("lab", arguments=("--burst",), PORTARIA_PREFETCH="1").wait(20)

    assert _turns(lab) - before > 300


def test_a_slow_job_gives_back_what_waits_behind_it(stack: Stack, lab: Lab) -> None:
    """Others run it at once, free of charge, while the slow one goes on."""
    gate = stack.folder / "gate"
    stack.worker("lab")
    lab.wait_all([lab.submit(Noop()) for _ in range(TINY)])

    slow, behind = _at_once(
        lab, lambda: (lab.submit(Wait(gate=str(gate))), [lab.submit(Noop()) for _ in range(10)])
    )
    lab.wait(slow, State.RUNNING)
    stack.worker("lab", arguments=("--name", "other"))
    lab.wait_all(behind)

    assert lab.get(slow).state is State.RUNNING
    records = [lab.get(each) for each in behind]
    assert {(each.state, each.attempt) for each in records} == {(State.SUCCEEDED, 1)}
    assert {each.worker for each in records} == {"other-1"}
    gate.touch()
    assert lab.wait(slow).state is State.SUCCEEDED


def test_a_slow_job_behind_tiny_ones_is_seen_to_run(stack: Stack, lab: Lab) -> None:
    """And the ends of those before it are told, though it goes on."""
    gate = stack.folder / "gate"
    stack.worker("lab")
    lab.wait_all([lab.submit(Noop()) for _ in range(TINY)])

    before, slow = _at_once(
        lab, lambda: ([lab.submit(Noop()) for _ in range(5)], lab.submit(Wait(gate=str(gate))))
    )
    lab.wait(slow, State.RUNNING, within=5)
    lab.wait_all(before)

    gate.touch()
    done = lab.wait(slow)
    assert (done.state, done.attempt) == (State.SUCCEEDED, 1)
    assert lab.events(slow) == ["PENDING", "RUNNING", "SUCCEEDED"]


def test_a_deadly_job_is_charged_and_its_neighbours_are_not(stack: Stack, lab: Lab) -> None:
    """Three crashes of its own end it; whoever was claimed with it ran, and was never charged."""
    stack.worker("lab")
    lab.wait_all([lab.submit(Noop()) for _ in range(TINY)])

    def submit() -> tuple[list[str], str]:
        first = [lab.submit(Noop()) for _ in range(4)]
        deadly = lab.submit(Fail(how=Fail.HOW_CRASH, times=99))
        return first + [lab.submit(Noop()) for _ in range(4)], deadly

    neighbours, deadly = _at_once(lab, submit)
    lab.wait_all([deadly, *neighbours])

    record = lab.get(deadly)
    assert (record.state, lab.failure(record).reason) == (State.FAILED, "CRASHED")
    assert {lab.get(each).state for each in neighbours} == {State.SUCCEEDED}
    assert {lab.redis.hget(f"rq:job:{each}", "crashes") for each in neighbours} == {b"0"}


def test_what_must_not_run_twice_is_claimed_alone(stack: Stack, lab: Lab) -> None:
    """It begins by a round trip of its own, and each runs once."""
    log, gate = stack.folder / "log", stack.folder / "gate"
    gate.touch()
    stack.worker("lab")
    lab.wait_all([lab.submit(Noop()) for _ in range(TINY)])

    def submit() -> list[str]:
        return [
            lab.submit(payload)
            for _ in range(5)
            for payload in (Noop(), Charge(gate=str(gate), log=str(log)), Noop())
        ]

    jobs = _at_once(lab, submit)
    lab.wait_all(jobs)

    assert {lab.get(each).state for each in jobs} == {State.SUCCEEDED}
    assert log.read_text().splitlines() == ["1"] * 5


def test_a_job_with_a_limit_is_not_kept_waiting_in_hand(stack: Stack, lab: Lab) -> None:
    """It begins when it is claimed, so its limits are judged then."""
    stack.worker("lab")
    lab.wait_all([lab.submit(Noop()) for _ in range(TINY)])

    soon = timedelta(seconds=30)
    jobs = _at_once(lab, lambda: [lab.submit(Noop(), start_before=soon) for _ in range(6)])
    lab.wait_all(jobs)

    assert {lab.get(each).state for each in jobs} == {State.SUCCEEDED}
    assert {tuple(lab.events(each)) for each in jobs} == {("PENDING", "RUNNING", "SUCCEEDED")}


def test_a_worker_that_stops_gives_back_what_had_not_begun(stack: Stack, lab: Lab) -> None:
    """SIGTERM with a claim in hand: nothing is charged, the next worker runs it."""
    gate: Path = stack.folder / "gate"
    worker = stack.worker("lab")
    lab.wait_all([lab.submit(Noop()) for _ in range(TINY)])
    slow, behind = _at_once(
        lab, lambda: (lab.submit(Wait(gate=str(gate))), [lab.submit(Noop()) for _ in range(10)])
    )
    lab.wait(slow, State.RUNNING)

    worker.terminate()
    gate.touch()
    worker.wait(10)
    stack.worker("lab")
    records = lab.wait_all([slow, *behind])

    assert {(each.state, each.attempt) for each in records} == {(State.SUCCEEDED, 1)}
