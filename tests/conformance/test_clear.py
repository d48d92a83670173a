"""clear: what waits in a queue is cancelled, a slice a call."""

from __future__ import annotations

from typing import Any

from conformance.kernel import QUEUE, Kernel
from portaria.core.states import State
from portaria.store import calls, keys
from portaria.store.calls import Cleared


def clear(kernel: Kernel, **given: Any) -> Cleared:
    return kernel.store.run(calls.clear("default", QUEUE, reason="gone", **given))


def submit(kernel: Kernel, *job_ids: str) -> None:
    for job_id in job_ids:
        kernel.submit(job_id)


def test_what_waits_is_cancelled(kernel: Kernel) -> None:
    """Told, counted, and purged like any cancelled job; whoever claims drops the ids."""
    submit(kernel, "j1", "j2")

    assert clear(kernel) == Cleared(2, -1)

    assert [kernel.state(each) for each in ("j1", "j2")] == [State.CANCELLED] * 2
    assert kernel.told("j1") == ["PENDING", "CANCELLED"]
    assert (kernel.field("j1", "cancel_reason"), kernel.depth()) == ("gone", 0)
    assert set(kernel.members(keys.PURGE)) == {"j1", "j2"}
    assert clear(kernel) == Cleared(0, -1)
    assert (kernel.turn().claims, kernel.queued()) == ([], [])


def test_a_slice_begins_where_the_last_one_ended(kernel: Kernel) -> None:
    """Behind it, though its ids are still there."""
    submit(kernel, *(f"j{number}" for number in range(5)))

    first = clear(kernel, most=2)
    second = clear(kernel, most=2, place=first.place, before=first.before)
    third = clear(kernel, most=2, place=second.place, before=second.before)

    assert [first, second, third] == [
        Cleared(2, 2, "j1"), Cleared(2, 4, "j3"), Cleared(1, -1),
    ]  # fmt: skip


def test_what_workers_took_away_in_between_hides_nothing(kernel: Kernel) -> None:
    """The place has moved to the front: it is found by the id before it, or is the front."""
    submit(kernel, *(f"j{number}" for number in range(6)))
    first = clear(kernel, most=2)
    kernel.redis.lpop(keys.queue(QUEUE))

    second = clear(kernel, most=2, place=first.place, before=first.before)
    kernel.redis.lpop(keys.queue(QUEUE), 3)
    third = clear(kernel, most=2, place=second.place, before=second.before)

    assert (second, third) == (Cleared(2, 3, "j3"), Cleared(2, 2, "j5"))
    assert clear(kernel, place=third.place, before=third.before) == Cleared(0, -1)


def test_only_what_is_old_enough_goes(kernel: Kernel) -> None:
    """The others keep their place in the queue."""
    submit(kernel, "new", "old", "newer")
    kernel.change("old", created=1)

    assert clear(kernel, older_ms=60_000) == Cleared(1, -1)

    assert (kernel.state("old"), kernel.depth()) == (State.CANCELLED, 2)
    assert [kernel.claim().job_id for _ in range(2)] == ["new", "newer"]


def test_what_runs_is_held_or_waits_elsewhere_stays(kernel: Kernel) -> None:
    """Running, held, scheduled, moved to another queue, parked, another namespace's."""
    submit(kernel, "running", "held")
    kernel.turn("ana", want=2)
    submit(kernel, "parked")
    assert kernel.turn("eva", served=" nothing ").claims == []
    submit(kernel, "moved")
    kernel.update("moved", queue="lab:high")
    kernel.submit("scheduled", delay_ms=60_000)
    kernel.submit("other", namespace="another")
    submit(kernel, "waits")

    assert clear(kernel).cancelled == 1

    assert kernel.state("waits") is State.CANCELLED
    kept = ("running", "held", "parked", "moved", "scheduled", "other")
    assert {kernel.state(each) for each in kept}.isdisjoint({State.CANCELLED, State.CANCELLING})
    assert (kernel.depth(), kernel.depth("lab:high")) == (1, 1)
    assert {kernel.claim().job_id for _ in range(2)} == {"moved", "other"}


def test_an_id_that_is_not_ours_is_left_for_the_claim_to_judge(kernel: Kernel) -> None:
    """It is kept among RQ's failed jobs then, for people to see."""
    kernel.redis.hset(keys.job("foreign"), "data", "x")
    kernel.redis.rpush(keys.queue(QUEUE), "foreign")
    submit(kernel, "j1")

    assert clear(kernel) == Cleared(1, -1)

    assert kernel.queued() == ["foreign", "j1"]
    assert list(kernel.turn().refused) == ["foreign"]
