"""purge: finished jobs whose time is over are forgotten, with all that belongs to them."""

from __future__ import annotations

import pytest

from conformance.kernel import QUEUE, QUEUES, Kernel, ended
from portaria.core.states import State
from portaria.store import Verdict, calls, keys


def test_what_is_due_is_forgotten_whole(kernel: Kernel) -> None:
    """Hash, ledger and registry entry; watchers are told."""
    kernel.submit("j1")
    claim = kernel.claim()
    kernel.effect(claim, "begin", "k")
    kernel.turn("ana", ended(claim))
    _make_due(kernel, "j1")

    assert kernel.store.run(calls.purge()) == 1

    assert kernel.store.get("j1") is None
    assert not kernel.redis.exists(keys.job("j1"), keys.effects("j1"), keys.PURGE)
    assert kernel.members(f"rq:finished:{QUEUE}") == []
    assert kernel.told("j1")[-2:] == ["SUCCEEDED", "REMOVED"]


@pytest.mark.parametrize("verdict", [Verdict.SUCCEEDED, Verdict.FAILED])
@pytest.mark.parametrize("registry", ["finished", "failed", "canceled", "scheduled"])
def test_no_registry_of_rq_keeps_a_forgotten_job(
    kernel: Kernel, verdict: Verdict, registry: str
) -> None:
    """Not even one into which a fault had put it."""
    kernel.submit("j1")
    kernel.turn("ana", ended(kernel.claim(), verdict))
    kernel.redis.zadd(f"rq:{registry}:{QUEUE}", {"j1": 20_000_000_000})
    _make_due(kernel, "j1")

    kernel.store.run(calls.purge())

    assert kernel.members(f"rq:{registry}:{QUEUE}") == []


def test_what_is_not_due_is_kept(kernel: Kernel) -> None:
    """With everything that it has."""
    kernel.submit("j1")
    kernel.turn("ana", ended(kernel.claim(), output=b"x"))

    assert kernel.store.run(calls.purge()) == 0

    assert kernel.record("j1").output == b"x"
    assert kernel.members(keys.PURGE) == kernel.members(f"rq:finished:{QUEUE}") == ["j1"]


def test_a_job_that_is_not_finished_is_never_purged(kernel: Kernel) -> None:
    """Whatever a fault wrote down: the plan is dropped, the job stays."""
    kernel.submit("j1")
    kernel.redis.zadd(keys.PURGE, {"j1": 1})

    kernel.store.run(calls.purge())

    assert kernel.state("j1") == State.PENDING
    assert kernel.claim().job_id == "j1"
    assert kernel.members(keys.PURGE) == []


def test_at_most_so_many_at_once(kernel: Kernel) -> None:
    """A large purge never blocks Redis."""
    for number in range(5):
        kernel.submit(f"j{number}")
        kernel.turn("ana", ended(kernel.claim()))
        _make_due(kernel, f"j{number}")

    assert [kernel.store.run(calls.purge(most=2)) for _ in range(4)] == [2, 2, 1, 0]


def test_an_entry_of_a_job_that_is_gone_is_dropped(kernel: Kernel) -> None:
    """Somebody deleted the hash by hand."""
    kernel.redis.zadd(keys.PURGE, {"nobody": 1})

    kernel.store.run(calls.purge())

    assert not kernel.redis.exists(keys.PURGE)


def test_early_the_oldest_successes_are_forgotten_before_their_time(kernel: Kernel) -> None:
    """At most so many; with all that belongs to them."""
    for number in range(4):
        _end(kernel, f"j{number}")
        kernel.redis.zadd(f"rq:finished:{QUEUE}", {f"j{number}": 10_000_000_000 + number})

    assert kernel.store.run(calls.purge(most=3, early=True)) == 3

    assert [kernel.store.get(f"j{number}") is None for number in range(4)] == [True] * 3 + [False]
    assert kernel.told("j0")[-2:] == ["SUCCEEDED", "REMOVED"]
    rest = [keys.PURGE, f"rq:finished:{QUEUE}", keys.index("default")]
    assert [kernel.members(name) for name in rest] == [["j3"]] * 3


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.RETRY])
def test_early_nothing_else_is_forgotten(kernel: Kernel, verdict: Verdict) -> None:
    """Failures are for people to see; not even where a fault put them among the successes."""
    _end(kernel, "j1", verdict)
    kernel.submit("j2")
    kernel.submit("j3")
    kernel.cancel("j3")
    kernel.redis.zadd(f"rq:finished:{QUEUE}", {"j1": 1, "j2": 1, "j3": 1, "nobody": 1})
    planned = kernel.members(keys.PURGE)

    assert kernel.store.run(calls.purge(early=True)) == 0

    assert all(kernel.store.get(job_id) for job_id in ("j1", "j2", "j3"))
    assert kernel.members(keys.PURGE) == planned
    assert kernel.members(f"rq:finished:{QUEUE}") == []


def test_early_goes_over_all_queues(kernel: Kernel) -> None:
    """Call by call, until nothing is left that may go."""
    for queue in QUEUES:
        _end(kernel, f"of {queue}".replace(" ", "-"), queue=queue)

    assert [kernel.store.run(calls.purge(most=3, early=True)) for _ in range(3)] == [3, 1, 0]
    assert kernel.redis.keys("rq:job:*") == []


def test_early_keeps_the_request_record(kernel: Kernel) -> None:
    """A repeat of what was done is not done again."""
    _end(kernel, "j1")
    kernel.store.run(calls.purge(early=True))

    assert kernel.submit("j2", request_id="r-j1").deduplicated
    assert kernel.queued() == []


def _end(kernel: Kernel, job_id: str, verdict: Verdict = Verdict.SUCCEEDED, **given: str) -> None:
    kernel.submit(job_id, **given)
    kernel.turn("ana", ended(kernel.claim(), verdict, wait_ms=60_000), want=0)


def _make_due(kernel: Kernel, job_id: str) -> None:
    kernel.redis.zadd(keys.PURGE, {job_id: 1})
