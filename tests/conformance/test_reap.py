"""reap: the jobs of silent workers go to others, and only theirs."""

from __future__ import annotations

from conformance.kernel import LOST, QUEUE, QUEUES, Kernel
from portaria.core.states import State
from portaria.store import calls, keys


def test_a_lapsed_lease_gives_the_job_to_another(kernel: Kernel) -> None:
    """Back to the front of its queue, the loss counted, a worker woken."""
    kernel.submit("j1")
    kernel.submit("j2")
    stale = kernel.claim("ana")
    kernel.redis.delete(keys.wake(QUEUE))
    kernel.lapse(stale)

    assert kernel.reap_now() == ["j1"]

    record = kernel.record("j1")
    assert (record.state, record.failures, record.attempt) == (State.PENDING, 0, 1)
    assert (kernel.field("j1", "losts"), kernel.field("j1", "crashes")) == ("1", "0")
    assert kernel.queued() == ["j1", "j2"]
    assert (kernel.depth(), kernel.tokens(), kernel.leases()) == (2, 1, [])
    assert kernel.told("j1") == ["PENDING", "RUNNING", "PENDING"]
    assert kernel.claim("rui").attempt == 2


def test_a_lease_that_has_not_lapsed_is_left_alone(kernel: Kernel) -> None:
    """Only the clock of Redis judges."""
    kernel.submit("j1")
    kernel.claim("ana")

    assert kernel.reap_now() == []
    assert kernel.state("j1") == State.RUNNING


def test_a_short_lease_lapses_by_itself(kernel: Kernel) -> None:
    """The real passing of time, with a lease that is over at once."""
    kernel.submit("j1")
    kernel.claim("ana", lease_ms=0)

    assert kernel.reap_now() == ["j1"]


def test_the_first_reaping_ever_only_opens_a_grace(kernel: Kernel) -> None:
    """Nobody knows how long workers were kept from renewing."""
    kernel.submit("j1")
    kernel.lapse(kernel.claim("ana"))

    assert kernel.reap() == ("grace", [])
    assert kernel.reap() == ("grace", [])
    assert kernel.state("j1") == State.RUNNING


def test_a_gap_between_reapings_opens_a_grace(kernel: Kernel) -> None:
    """Longer than half a lease: Redis was away, and so was every renewal."""
    kernel.submit("j1")
    kernel.lapse(kernel.claim("ana"))
    _reaped_before(kernel, milliseconds=calls.LEASE_MS // 2 + 200)

    assert kernel.reap() == ("grace", [])
    assert kernel.state("j1") == State.RUNNING


def test_a_short_gap_opens_none(kernel: Kernel) -> None:
    """One parent that stops does not delay recovery."""
    kernel.submit("j1")
    kernel.lapse(kernel.claim("ana"))
    _reaped_before(kernel, milliseconds=calls.LEASE_MS // 2 - 500)

    assert kernel.reap() == ("reaped", ["j1"])


def test_another_run_of_redis_opens_a_grace(kernel: Kernel) -> None:
    """Its restart may have taken a moment only, yet broke every connection."""
    kernel.submit("j1")
    kernel.lapse(kernel.claim("ana"))
    _reaped_before(kernel, milliseconds=500)

    assert kernel.reap(run_id="another") == ("grace", [])
    assert kernel.state("j1") == State.RUNNING


def test_workers_renew_within_the_grace_and_keep_their_jobs(kernel: Kernel) -> None:
    """The silent one loses its job when the grace ends, the others do not."""
    kernel.submit("j1")
    kernel.submit("j2")
    kernel.lapse(kernel.claim("silent"))
    kernel.lapse(kernel.claim("alive"))
    kernel.reap()
    kernel.renew("alive")

    _end_grace(kernel)

    assert kernel.reap() == ("reaped", ["j1"])
    assert (kernel.state("j1"), kernel.state("j2")) == (State.PENDING, State.RUNNING)


def test_a_grace_that_ended_is_followed_by_a_reaping_whatever_happened(kernel: Kernel) -> None:
    """Or a store that keeps failing would never be reaped."""
    kernel.submit("j1")
    kernel.lapse(kernel.claim("ana"))
    kernel.reap()
    _end_grace(kernel, last=1, graces=3)

    assert kernel.reap(run_id="another") == ("reaped", ["j1"])


def test_many_parents_ask_and_one_look_is_enough(kernel: Kernel) -> None:
    """A second call within a quarter of a second does nothing."""
    kernel.submit("j1")
    kernel.reap_now()
    kernel.lapse(kernel.claim("ana"))

    assert kernel.reap() == ("early", [])
    assert kernel.state("j1") == State.RUNNING


def test_what_a_fault_left_among_the_leases_is_removed(kernel: Kernel) -> None:
    """An entry whose token is not the job's hold, or whose job is gone."""
    kernel.submit("j1")
    held = kernel.claim("ana")
    kernel.redis.zadd(f"rq:wip:{QUEUE}", {"j1:stale": 10_000_000_001, "nobody:t": 10_000_000_001})

    assert kernel.reap_now() == []
    assert kernel.leases() == [f"j1:{held.token}"]
    assert kernel.state("j1") == State.RUNNING


def test_the_tenth_loss_is_final(kernel: Kernel) -> None:
    """FAILED with the failure that the caller gave."""
    kernel.submit("j1")
    for losses in range(1, calls.LOSS_BUDGET + 1):
        kernel.lapse(kernel.claim("ana"))
        kernel.reap_now()
        assert kernel.field("j1", "losts") == str(losses)

    record = kernel.record("j1")
    assert calls.LOSS_BUDGET == 10
    assert (record.state, record.failure, record.failures) == (State.FAILED, LOST, 0)


def test_a_cancelled_job_of_a_silent_worker_is_cancelled(kernel: Kernel) -> None:
    """It is not repeated."""
    kernel.submit("j1")
    kernel.lapse(kernel.claim("ana"))
    kernel.change("j1", state="CANCELLING")

    kernel.reap_now()

    assert kernel.state("j1") == State.CANCELLED


def test_all_queues_are_reaped(kernel: Kernel) -> None:
    """Also those that no worker here serves."""
    for queue in (*QUEUES, "other:low"):
        kernel.submit(queue, queue)
        kernel.lapse(kernel.claim("ana", queues=(queue,)))

    assert sorted(kernel.reap_now()) == sorted((*QUEUES, "other:low"))


def test_one_reaping_is_bounded(kernel: Kernel) -> None:
    """At most a hundred at a time; the next ones take the rest."""
    for number in range(105):
        kernel.submit(f"j{number}")
    for claim in kernel.turn(want=105).claims:
        kernel.lapse(claim)

    assert len(kernel.reap_now()) == 100
    assert len(kernel.reap_now()) == 5


def _reaped_before(kernel: Kernel, *, milliseconds: int) -> None:
    seconds, micros = kernel.redis.time()
    last = seconds * 1000 + micros // 1000 - milliseconds
    kernel.redis.hset(keys.REAPER, mapping={"last": last, "grace": 0, "run": "run"})


def _end_grace(kernel: Kernel, **fields: int) -> None:
    for name, value in {"grace": 1, **fields}.items():
        kernel.redis.hset(keys.REAPER, name, value)


def test_an_outage_within_a_grace_opens_another(kernel: Kernel) -> None:
    """Workers that had no time to renew keep their jobs; the third grace in a row is the last."""
    kernel.submit("j1")
    kernel.lapse(kernel.claim("ana"))
    words = [kernel.reap()[0]]

    for _ in range(3):
        _end_grace(kernel, last=1)
        words.append(kernel.reap()[0])

    assert words == ["grace", "grace", "grace", "reaped"]
    assert kernel.state("j1") == State.PENDING
