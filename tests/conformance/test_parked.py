"""Parked: a job whose type nobody here serves leaves its queue until somebody does."""

from __future__ import annotations

from conformance.kernel import QUEUE, Kernel
from portaria.core.states import State
from portaria.store import calls, keys

NOOP, OTHER = "acme_jobs.lab.v1.Noop", "acme_jobs.lab.v1.Other"
PARKED = keys.parked("lab", NOOP)
SERVES_OTHER = f" {OTHER} acme_jobs.lab.v1.NoopToo "
SERVES_BOTH = f" {OTHER} {NOOP} "


def park(kernel: Kernel, *job_ids: str) -> None:
    """Submits these and lets a worker find them that does not serve their type."""
    for job_id in job_ids:
        kernel.submit(job_id)
    assert kernel.turn("ana", served=SERVES_OTHER).claims == []


def test_what_nobody_here_serves_leaves_the_queue(kernel: Kernel) -> None:
    """Still PENDING, told nobody, counted in no depth, in the set of its domain and type."""
    park(kernel, "j1", "j2")

    assert (kernel.state("j1"), kernel.told("j1")) == (State.PENDING, ["PENDING"])
    assert kernel.field("j1", "parked") == "1"
    assert kernel.members(PARKED) == ["j1", "j2"]
    assert (kernel.queued(), kernel.depth(), kernel.leases()) == ([], 0, [])


def test_what_is_served_passes_it(kernel: Kernel) -> None:
    """One unknown type stops nobody."""
    kernel.submit("j1")
    kernel.submit("j2", type=OTHER)

    claims = kernel.turn("ana", want=2, served=SERVES_OTHER).claims

    assert [claim.job_id for claim in claims] == ["j2"]
    assert kernel.members(PARKED) == ["j1"]


def test_a_worker_that_serves_all_parks_nothing(kernel: Kernel) -> None:
    """As do workers of the release before, which name no types."""
    kernel.submit("j1")
    kernel.submit("j2")

    assert kernel.claim("ana", served=SERVES_BOTH).job_id == "j1"
    assert kernel.claim("rui", served="").job_id == "j2"


def test_a_name_is_compared_whole(kernel: Kernel) -> None:
    """Neither as a part of another one, nor as a pattern."""
    kernel.submit("j1")

    for served in (f" {NOOP}Too ", " x.acme_jobs.lab.v1.Noop ", " acme_jobs.lab.v1.N... "):
        assert kernel.turn("ana", served=served).claims == []
        assert kernel.unpark(NOOP) == 1


def test_it_comes_back_when_somebody_serves_it(kernel: Kernel) -> None:
    """To the front, in the order in which it came; a worker is woken for each."""
    park(kernel, "j1", "j2", "j3")
    kernel.submit("j4", type=OTHER)
    kernel.redis.delete(keys.wake(QUEUE))

    assert kernel.unpark(NOOP) == 3

    assert kernel.queued() == ["j1", "j2", "j3", "j4"]
    assert (kernel.depth(), kernel.tokens(), kernel.members(PARKED)) == (4, 3, [])
    assert kernel.field("j1", "parked") == ""
    claims = kernel.turn("ana", want=5, served=SERVES_BOTH).claims
    assert [claim.job_id for claim in claims] == ["j1", "j2", "j3", "j4"]


def test_many_come_back_in_their_order_too(kernel: Kernel) -> None:
    """At most so many a call."""
    for number in range(7):
        park(kernel, f"j{number}")

    assert [kernel.unpark(NOOP, most=3) for _ in range(4)] == [3, 3, 1, 0]
    assert kernel.queued() == [f"j{number}" for number in range(7)]


def test_each_comes_back_to_its_own_queue(kernel: Kernel) -> None:
    """One set has those of all priorities."""
    kernel.submit("low", "lab:low")
    kernel.submit("high", "lab:high")
    kernel.turn("ana", served=SERVES_OTHER)
    assert sorted(kernel.members(PARKED)) == ["high", "low"]

    kernel.unpark(NOOP)

    assert (kernel.queued("lab:high"), kernel.queued("lab:low")) == (["high"], ["low"])


def test_only_what_is_served_comes_back(kernel: Kernel) -> None:
    """Of its own domain, and of these types."""
    park(kernel, "j1")
    kernel.submit("foreign", "acme:low", type=OTHER)
    kernel.turn("ana", queues=("acme:low",), served=f" {NOOP} ")

    assert kernel.unpark(OTHER) == 0
    assert kernel.unpark(NOOP, domain="acme") == 0
    assert kernel.unpark() == 0
    assert kernel.store.run(calls.unpark([("lab", NOOP), ("acme", OTHER)])) == 2


def test_an_unpark_sent_twice_queues_once(kernel: Kernel) -> None:
    """The second finds nothing."""
    park(kernel, "j1")

    assert [kernel.unpark(NOOP), kernel.unpark(NOOP)] == [1, 0]
    assert (kernel.queued(), kernel.depth()) == (["j1"], 1)


def test_a_parked_job_still_expires(kernel: Kernel) -> None:
    """Waiting for a release is waiting."""
    kernel.submit("j1", before_ms=4_000_000_000_000)
    kernel.turn("ana", served=SERVES_OTHER)
    kernel.change("j1", before=1)
    kernel.redis.zadd(keys.EXPIRY, {"j1": 1})

    kernel.store.run(calls.expire())

    assert (kernel.state("j1"), kernel.members(PARKED), kernel.depth()) == (State.EXPIRED, [], 0)


def test_a_late_one_is_not_parked(kernel: Kernel) -> None:
    """It ends at once."""
    kernel.submit("j1", before_ms=4_000_000_000_000)
    kernel.change("j1", before=1)

    kernel.turn("ana", served=SERVES_OTHER)

    assert (kernel.state("j1"), kernel.members(PARKED)) == (State.EXPIRED, [])


def test_many_unknown_types_do_not_block_redis(kernel: Kernel) -> None:
    """At most 200 a turn, and lower queues wait until all were looked at."""
    for number in range(210):
        kernel.submit(f"j{number}", "lab:high")
    kernel.submit("low", "lab:low", type=OTHER)

    full = kernel.turn("ana", served=SERVES_OTHER)

    assert (full.word, full.claims, len(kernel.members(PARKED))) == ("full", [], 200)
    assert kernel.claim("ana", served=SERVES_OTHER).job_id == "low"
    assert len(kernel.members(PARKED)) == 210


def test_an_id_left_in_the_list_by_a_fault_is_dropped(kernel: Kernel) -> None:
    """Parked is what the job says: it comes back through its set, and only so."""
    park(kernel, "j1")
    kernel.redis.lpush(keys.queue(QUEUE), "j1")

    assert kernel.turn("rui", served=SERVES_BOTH).claims == []
    assert kernel.queued() == []
    assert kernel.unpark(NOOP) == 1
    assert kernel.claim("rui", served=SERVES_BOTH).job_id == "j1"


def test_an_entry_of_a_job_that_is_not_parked_is_dropped(kernel: Kernel) -> None:
    """It ended, runs, or is gone: a fault left the entry."""
    kernel.submit("j1")
    kernel.claim("ana")
    kernel.redis.zadd(PARKED, {"j1": 1, "nobody": 1})

    assert kernel.unpark(NOOP) == 0
    assert (kernel.state("j1"), kernel.members(PARKED), kernel.queued()) == (State.RUNNING, [], [])
