"""update: a job that waits moves to another priority, another moment, or both."""

from __future__ import annotations

import pytest

from conformance.kernel import QUEUE, Kernel, ended
from portaria.core.states import State
from portaria.store import Verdict, keys
from portaria.store.calls import Updated

HIGH = "lab:high"
NOOP = "acme_jobs.lab.v1.Noop"
OK = Updated("ok")
FAR_OFF = 4_000_000_000_000


def now_ms(kernel: Kernel) -> int:
    seconds, micros = kernel.redis.time()
    return int(seconds * 1000 + micros // 1000)


def test_a_queued_job_moves_to_another_priority(kernel: Kernel) -> None:
    """Last in the new queue; its old id is dropped by who comes to it."""
    kernel.submit("j0", HIGH)
    kernel.submit("j1")
    kernel.redis.delete(keys.wake(HIGH))

    assert kernel.update("j1", queue=HIGH) == OK

    record = kernel.record("j1")
    assert (record.state, record.tag.queue, kernel.field("j1", "origin")) == (
        State.PENDING, HIGH, HIGH,
    )  # fmt: skip
    assert (record.tag.type, record.tag.namespace) == (NOOP, "default")
    event = kernel.events("j1")[-1]
    assert (event.state, event.previous, event.tag.queue) == ("PENDING", "PENDING", HIGH)
    assert event.entry_id == record.cursor
    assert (kernel.queued(HIGH), kernel.queued()) == (["j0", "j1"], ["j1"])
    assert (kernel.depth(HIGH), kernel.depth(), kernel.tokens(HIGH)) == (2, 0, 1)
    assert [kernel.claim().job_id for _ in range(2)] == ["j0", "j1"]
    assert (kernel.turn().claims, kernel.queued()) == ([], [])


def test_moving_there_and_back_leaves_one_job(kernel: Kernel) -> None:
    """Its id stands in three places, and is handed out once."""
    kernel.submit("j1")

    kernel.update("j1", queue=HIGH)
    kernel.update("j1", queue=QUEUE)

    assert (kernel.depth(HIGH), kernel.depth()) == (0, 1)
    assert [claim.queue for claim in kernel.turn("ana", want=5).claims] == [QUEUE]
    assert (kernel.turn("rui").claims, kernel.queued(), kernel.queued(HIGH)) == ([], [], [])


def test_a_queued_job_is_put_off(kernel: Kernel) -> None:
    """SCHEDULED, told, and out of the depth; at its moment it is queued once."""
    kernel.submit("j1")

    assert kernel.update("j1", run_at_ms=FAR_OFF) == OK

    record = kernel.record("j1")
    assert (record.state, record.due_ms, kernel.field("j1", "status")) == (
        State.SCHEDULED, FAR_OFF, "scheduled",
    )  # fmt: skip
    event = kernel.events("j1")[-1]
    assert (event.state, event.previous, event.next_ms) == ("SCHEDULED", "PENDING", FAR_OFF)
    assert event.entry_id == record.cursor
    assert kernel.members(keys.DUE) == kernel.members(f"rq:scheduled:{QUEUE}") == ["j1"]
    assert (kernel.depth(), kernel.turn().claims) == (0, [])
    kernel.make_due("j1")
    kernel.promote()
    assert kernel.claim().job_id == "j1"


def test_a_queued_job_is_put_off_into_another_queue(kernel: Kernel) -> None:
    """Both at once."""
    kernel.submit("j1")

    assert kernel.update("j1", queue=HIGH, run_at_ms=FAR_OFF) == OK

    assert kernel.members(f"rq:scheduled:{HIGH}") == ["j1"]
    assert kernel.events("j1")[-1].tag.queue == HIGH
    assert (kernel.depth(), kernel.depth(HIGH)) == (0, 0)
    kernel.make_due("j1")
    kernel.promote()
    assert (kernel.queued(HIGH), kernel.depth(HIGH)) == (["j1"], 1)


@pytest.mark.parametrize("state", [State.SCHEDULED, State.RETRYING])
@pytest.mark.parametrize("queue", ["", HIGH])
@pytest.mark.parametrize("run_at_ms", [-1, FAR_OFF, 0])
def test_what_waits_for_its_moment_moves(
    kernel: Kernel, state: State, queue: str, run_at_ms: int
) -> None:
    """To another moment, another queue or both; one that has come means: with the next look."""
    if state == State.SCHEDULED:
        kernel.submit("j1", delay_ms=60_000)
    else:
        kernel.submit("j1")
        kernel.turn("ana", ended(kernel.claim(), Verdict.RETRY, wait_ms=60_000), want=0)
    before = kernel.record("j1").due_ms
    told = kernel.told("j1")

    assert kernel.update("j1", queue=queue, run_at_ms=run_at_ms) == OK

    record, there = kernel.record("j1"), queue or QUEUE
    assert (record.state, record.tag.queue) == (state, there)
    assert record.due_ms == (before if run_at_ms < 0 else run_at_ms)
    assert kernel.redis.zscore(keys.DUE, "j1") == record.due_ms
    assert kernel.members(f"rq:scheduled:{there}") == ["j1"]
    assert kernel.redis.zcard(f"rq:scheduled:{QUEUE}") == (0 if queue else 1)
    moved = bool(queue) or run_at_ms >= 0
    assert kernel.told("j1") == told + [state] * moved
    event = kernel.events("j1")[-1]
    assert event.entry_id == record.cursor
    assert not moved or (event.previous, event.next_ms, event.tag.queue) == (
        state, record.due_ms, there,
    )  # fmt: skip
    kernel.make_due("j1")
    kernel.promote()
    assert (kernel.claim().queue, kernel.members(f"rq:scheduled:{there}")) == (there, [])


def test_a_parked_job_moves(kernel: Kernel) -> None:
    """It stays parked, and comes into its new queue."""
    kernel.submit("j1")
    kernel.turn("ana", served=" another ")

    assert kernel.update("j1", queue=HIGH) == OK

    assert (kernel.queued(HIGH), kernel.depth(HIGH), kernel.depth()) == ([], 0, 0)
    assert kernel.events("j1")[-1].tag.queue == HIGH
    assert kernel.unpark(NOOP) == 1
    assert kernel.claim().queue == HIGH


def test_a_parked_job_is_put_off(kernel: Kernel) -> None:
    """It is parked no more; at its moment somebody may serve it."""
    kernel.submit("j1")
    kernel.turn("ana", served=" another ")

    assert kernel.update("j1", run_at_ms=FAR_OFF) == OK

    assert (kernel.state("j1"), kernel.depth()) == (State.SCHEDULED, 0)
    assert kernel.members(keys.parked("lab", NOOP)) == []
    kernel.make_due("j1")
    kernel.promote()
    assert kernel.claim().job_id == "j1"


@pytest.mark.parametrize("given", [{"queue": QUEUE}, {"run_at_ms": 0}, {}])
def test_a_job_that_is_there_already_is_left_there(kernel: Kernel, given: dict[str, int]) -> None:
    """Neither last in its queue nor twice in it."""
    kernel.submit("j1")
    kernel.submit("j2")

    assert kernel.update("j1", **given) == OK

    assert (kernel.queued(), kernel.depth(), kernel.told("j1")) == (["j1", "j2"], 2, ["PENDING"])


@pytest.mark.parametrize(
    "given", [{"queue": HIGH}, {"run_at_ms": FAR_OFF}, {"queue": HIGH, "run_at_ms": FAR_OFF}]
)
def test_an_update_sent_twice_moves_once(kernel: Kernel, given: dict[str, str]) -> None:
    """The second finds it there."""
    kernel.submit("j1")
    for _ in range(2):
        assert kernel.update("j1", **given) == OK

    queue = given.get("queue", QUEUE)
    assert kernel.depth(queue) == ("run_at_ms" not in given)
    assert kernel.told("j1").count("SCHEDULED") == ("run_at_ms" in given)
    assert len(kernel.told("j1")) == 2
    if "run_at_ms" in given:
        kernel.make_due("j1")
        kernel.promote()
    assert [claim.queue for claim in kernel.turn("ana", want=5).claims] == [queue]


@pytest.mark.parametrize("limit", ["before_ms", "deadline_ms"])
def test_it_is_not_put_off_past_its_limit(kernel: Kernel, limit: str) -> None:
    """Nothing is written: it would only wait for its end."""
    kernel.submit("j1", **{limit: FAR_OFF})
    before = kernel.snapshot()

    assert kernel.update("j1", run_at_ms=FAR_OFF) == Updated("late")
    assert kernel.update("j1", run_at_ms=FAR_OFF + 1, queue=HIGH) == Updated("late")
    assert kernel.snapshot() == before

    assert kernel.update("j1", run_at_ms=FAR_OFF - 1) == OK


def test_a_limit_that_passed_allows_no_run_now(kernel: Kernel) -> None:
    """Its expiry has only not come to it yet; elsewhere it may still wait for that."""
    kernel.submit("j1", delay_ms=60_000, before_ms=FAR_OFF)
    kernel.change("j1", before=now_ms(kernel) - 1)

    assert kernel.update("j1", run_at_ms=0) == Updated("late")
    assert kernel.update("j1", queue=HIGH) == OK


def test_what_does_not_wait_is_left_alone(kernel: Kernel) -> None:
    """Running, held, cancelling, ended, blocked: the answer says which; nothing is written."""
    for number in range(2):
        kernel.submit(f"j{number}")
    running, held = kernel.turn("ana", want=2).claims
    kernel.submit("over")
    kernel.turn("rui", ended(kernel.claim("rui")), want=0)
    kernel.submit("blocked", delay_ms=60_000)
    kernel.change("blocked", state="BLOCKED")
    before = kernel.snapshot()

    answers = [
        kernel.update(job_id, queue=HIGH, run_at_ms=FAR_OFF)
        for job_id in (running.job_id, held.job_id, "over", "blocked")
    ]

    assert answers == [
        Updated("not waiting", state) for state in ("RUNNING", "PENDING", "SUCCEEDED", "BLOCKED")
    ]
    assert kernel.snapshot() == before
    kernel.cancel("j1")
    assert kernel.update("j1", queue=HIGH) == Updated("not waiting", "CANCELLING")


def test_a_job_of_another_namespace_is_missing(kernel: Kernel) -> None:
    """So is one that does not exist."""
    kernel.submit("j1")
    before = kernel.snapshot()

    assert kernel.update("j1", namespace="other", queue=HIGH) == Updated("missing")
    assert kernel.update("nobody", queue=HIGH) == Updated("missing")
    assert kernel.snapshot() == before


def test_a_moved_job_leaves_nothing_behind(kernel: Kernel) -> None:
    """Ended and purged, no registry of either queue knows it."""
    kernel.submit("j1")
    kernel.update("j1", queue=HIGH, run_at_ms=FAR_OFF)
    kernel.update("j1", queue=QUEUE)
    kernel.cancel("j1")

    for queue in (QUEUE, HIGH):
        assert kernel.members(f"rq:scheduled:{queue}") == []
    assert kernel.members(f"rq:canceled:{QUEUE}") == ["j1"]
