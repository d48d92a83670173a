"""promote: first runs that were delayed, and retries, when their moment has come."""

from __future__ import annotations

from conformance.kernel import QUEUE, Kernel, ended
from portaria.core.states import State
from portaria.store import Promotion, Verdict, keys


def test_a_delayed_job_is_queued_when_it_is_due(kernel: Kernel) -> None:
    """PENDING, told, a worker woken."""
    kernel.submit("j1", delay_ms=60_000)
    kernel.make_due("j1")

    assert kernel.promote() == Promotion(moved=1, next_ms=-1)

    assert kernel.state("j1") == State.PENDING
    assert (kernel.queued(), kernel.depth(), kernel.tokens()) == (["j1"], 1, 1)
    assert kernel.members(keys.DUE) == kernel.members(f"rq:scheduled:{QUEUE}") == []
    assert kernel.told("j1") == ["SCHEDULED", "PENDING"]
    assert kernel.events("j1")[-1].entry_id == kernel.record("j1").cursor


def test_a_retry_is_queued_when_it_is_due(kernel: Kernel) -> None:
    """RETRYING becomes PENDING."""
    kernel.submit("j1")
    kernel.turn("ana", ended(kernel.claim(), Verdict.RETRY, wait_ms=0))

    assert kernel.promote().moved == 1

    assert kernel.told("j1") == ["PENDING", "RUNNING", "RETRYING", "PENDING"]
    assert kernel.claim().attempt == 2


def test_what_is_not_due_stays(kernel: Kernel) -> None:
    """And the answer says how long the caller may sleep."""
    kernel.submit("j1", delay_ms=60_000)

    moved, next_ms = kernel.promote().moved, kernel.promote().next_ms

    assert moved == 0
    assert 58_000 < next_ms <= 60_000
    assert kernel.state("j1") == State.SCHEDULED


def test_nothing_waits(kernel: Kernel) -> None:
    """-1 where there is no next one."""
    assert kernel.promote() == Promotion(moved=0, next_ms=-1)


def test_at_most_so_many_the_longest_due_first(kernel: Kernel) -> None:
    """The rest is due at once."""
    for number in range(5):
        kernel.submit(f"j{number}", delay_ms=60_000)
        kernel.redis.zadd(keys.DUE, {f"j{number}": 10 - number})

    assert kernel.promote(most=2) == Promotion(moved=2, next_ms=0)
    assert kernel.queued() == ["j4", "j3"]


def test_entries_of_jobs_that_do_not_wait_are_dropped(kernel: Kernel) -> None:
    """Cancelled, queued by a run of this script that a fault cut off, or removed."""
    kernel.submit("cancelled", delay_ms=60_000)
    kernel.change("cancelled", state="CANCELLED")
    kernel.submit("queued")
    for job_id in ("cancelled", "queued", "nobody"):
        kernel.make_due(job_id)

    assert kernel.promote() == Promotion(moved=0, next_ms=-1)
    assert kernel.queued() == ["queued"]
    assert kernel.members(keys.DUE) == []


def test_a_repeat_queues_nothing_twice(kernel: Kernel) -> None:
    """Two parents promote at the same time."""
    kernel.submit("j1", delay_ms=60_000)
    kernel.make_due("j1")

    kernel.promote()
    kernel.promote()

    assert (kernel.queued(), kernel.depth()) == (["j1"], 1)
