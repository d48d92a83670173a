"""audit: what foreign tools took out of a list, a registry or a set is put back, and no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.kernel import QUEUE, Kernel, ended, wip
from portaria.core.states import State
from portaria.store import Claim, Verdict, calls, keys
from portaria.store.calls import Audited

NOOP = "acme_jobs.lab.v1.Noop"
LATER = 60_000


def in_every_state(kernel: Kernel) -> list[Claim]:
    """A job for each way to be open, and one that ended; all have stood still for long."""
    for job_id in ("running", "held", "cancelling"):
        kernel.submit(job_id)
    claims = kernel.turn("ana", want=3).claims
    kernel.cancel("cancelling")
    kernel.submit("retrying")
    kernel.turn("rui", ended(kernel.claim("rui"), Verdict.RETRY, wait_ms=LATER), want=0)
    kernel.submit("over")
    kernel.turn("rui", ended(kernel.claim("rui")), want=0)
    kernel.submit("parked")
    kernel.turn("rui", served=" another ", want=1)
    kernel.submit("scheduled", delay_ms=LATER)
    kernel.submit("pending")
    kernel.submit("pending2")
    kernel.stand_still(*ALL)
    return list(claims)


ALL = (
    "running", "held", "cancelling", "retrying", "over", "parked", "scheduled", "pending",
    "pending2",
)  # fmt: skip


def test_what_is_whole_is_left_alone(kernel: Kernel) -> None:
    """Not a byte but the audit's own is written."""
    in_every_state(kernel)
    before = kernel.snapshot()

    assert kernel.audit() == Audited(len(ALL), False, [])

    after = kernel.snapshot()
    assert after.pop(keys.AUDIT)
    assert after == before


def _remove_from_list(kernel: Kernel, job_id: str) -> None:
    assert kernel.redis.lrem(keys.queue(QUEUE), 0, job_id) == 1


def _remove_lease(kernel: Kernel, job_id: str) -> None:
    assert kernel.redis.zrem(wip(QUEUE), f"{job_id}:{kernel.field(job_id, 'hold')}") == 1


def _remove_moment(kernel: Kernel, job_id: str) -> None:
    assert kernel.redis.zrem(keys.DUE, job_id) == 1


def _unpark_wrongly(kernel: Kernel, job_id: str) -> None:
    assert kernel.redis.zrem(keys.parked("lab", NOOP), job_id) == 1


REMOVED: dict[str, Callable[[Kernel, str], None]] = {
    "pending": _remove_from_list,
    "pending2": _remove_from_list,
    "running": _remove_lease,
    "held": _remove_lease,
    "cancelling": _remove_lease,
    "scheduled": _remove_moment,
    "retrying": _remove_moment,
    "parked": _unpark_wrongly,
}


@pytest.mark.parametrize("job_id", REMOVED)
def test_what_was_removed_is_put_back_once(kernel: Kernel, job_id: str) -> None:
    """And nothing else is touched."""
    in_every_state(kernel)
    whole = kernel.snapshot()
    REMOVED[job_id](kernel, job_id)

    assert kernel.audit_all() == [job_id]
    assert kernel.audit_all() == []

    after = kernel.snapshot()
    changed = {name for name in whole | after if whole.get(name) != after.get(name)}
    touched = {
        _remove_from_list: {keys.queue(QUEUE), keys.wake(QUEUE)},
        _remove_lease: {wip(QUEUE)},
        _remove_moment: {keys.DUE},
        _unpark_wrongly: {keys.parked("lab", NOOP)},
    }
    assert changed - {keys.AUDIT} <= touched[REMOVED[job_id]]


def test_a_job_that_was_put_back_runs(kernel: Kernel) -> None:
    """Each by the way on which it waits: nothing is left open at the end."""
    in_every_state(kernel)
    for job_id, remove in REMOVED.items():
        remove(kernel, job_id)

    assert sorted(kernel.audit_all()) == sorted(REMOVED)

    for member in kernel.leases():
        kernel.redis.zadd(wip(QUEUE), {member: 10_000_000_001})
    kernel.reap_now()
    for job_id in kernel.members(keys.DUE):
        kernel.make_due(job_id)
    kernel.promote()
    kernel.unpark(NOOP)
    while claims := kernel.turn("eva", want=5).claims:
        kernel.turn("eva", *map(ended, claims), want=0)
    assert {kernel.state(job_id) for job_id in ALL} == {State.SUCCEEDED, State.CANCELLED}


def test_a_moment_is_the_one_that_it_had(kernel: Kernel) -> None:
    """Not at once."""
    kernel.submit("j1", delay_ms=LATER)
    _remove_moment(kernel, "j1")

    kernel.audit()

    assert kernel.redis.zscore(keys.DUE, "j1") == kernel.record("j1").due_ms


def test_a_lease_that_was_removed_is_a_whole_new_one(kernel: Kernel) -> None:
    """Its worker renews, or is silent: time tells."""
    kernel.submit("j1")
    claim = kernel.claim("ana")
    _remove_lease(kernel, "j1")

    kernel.audit(lease_ms=5_000)

    assert 4_000 < kernel.lease_ms(claim) <= 5_000
    kernel.lapse(claim)
    assert kernel.reap_now() == ["j1"]


def test_all_of_a_queue_that_was_emptied_come_back(kernel: Kernel) -> None:
    """As `rq empty` does it; by age."""
    for number in range(3):
        kernel.submit(f"j{number}")
    kernel.stand_still("j0", "j1", "j2")
    kernel.redis.delete(keys.queue(QUEUE))

    assert kernel.audit_all() == kernel.queued() == ["j0", "j1", "j2"]
    assert (kernel.depth(), kernel.tokens()) == (3, 6)


def test_one_removed_from_among_others_comes_back(kernel: Kernel) -> None:
    """To the end of the queue: that it stood further ahead is known to nobody."""
    for number in range(3):
        kernel.submit(f"j{number}")
    kernel.stand_still("j0", "j1", "j2")
    _remove_from_list(kernel, "j1")

    assert kernel.audit_all() == ["j1"]
    assert kernel.queued() == ["j0", "j2", "j1"]


def test_what_changed_a_moment_ago_is_left_alone(kernel: Kernel) -> None:
    """It may be on its way."""
    kernel.submit("j1")
    _remove_from_list(kernel, "j1")

    assert kernel.audit_all() == []
    kernel.stand_still("j1")
    assert kernel.audit_all() == ["j1"]


def test_a_long_list_is_not_searched(kernel: Kernel) -> None:
    """Nothing is pushed on a guess; what it lacks is put back when it has become shorter."""
    kernel.submit("j1")
    kernel.submit("j2")
    kernel.stand_still("j1", "j2")
    _remove_from_list(kernel, "j2")
    kernel.redis.rpush(keys.queue(QUEUE), *[f"dead{number}" for number in range(1000)])

    assert kernel.audit_all() == []
    kernel.redis.ltrim(keys.queue(QUEUE), 0, 500)
    assert kernel.audit_all() == ["j2"]


def test_an_index_entry_of_a_deleted_job_is_removed(kernel: Kernel) -> None:
    """RQ's `job.delete()` knows nothing of our indexes."""
    kernel.submit("j1")
    kernel.submit("j2")
    kernel.redis.delete(keys.job("j1"))

    assert kernel.audit_all() == []
    assert kernel.members(keys.index("default")) == ["j2"]


def test_what_is_not_ours_is_left_alone(kernel: Kernel) -> None:
    """A hash that others overwrote is no job, and is still there."""
    kernel.submit("j1")
    kernel.redis.hdel(keys.job("j1"), "env")

    assert kernel.audit_all() == []
    assert kernel.members(keys.index("default")) == ["j1"]


def test_a_submission_that_was_cut_off_is_placed(kernel: Kernel) -> None:
    """Written, indexed, and in no queue: its caller may never come back."""
    kernel.submit("j1")
    kernel.redis.delete(keys.queue(QUEUE), keys.DEPTH)
    kernel.redis.hdel(keys.job("j1"), "cursor")
    kernel.stand_still("j1")

    assert kernel.audit_all() == ["j1"]
    assert kernel.submit("j1").job_id == "j1"
    assert [claim.job_id for claim in kernel.turn("ana", want=5).claims] == ["j1"]


def test_a_round_goes_over_all_namespaces_slice_by_slice(kernel: Kernel) -> None:
    """Where it stopped, the next call goes on, whoever makes it."""
    for number in range(5):
        for namespace in ("a", "b", "c"):
            kernel.submit(f"{namespace}{number}", namespace=namespace)
    ids = [f"{namespace}{number}" for namespace in "abc" for number in range(5)]
    kernel.stand_still(*ids)
    kernel.redis.delete(keys.queue(QUEUE))

    slices = [kernel.audit(most=2)]
    while slices[-1].goes_on:
        slices.append(kernel.audit(most=2))

    assert [each.looked for each in slices] == [2, 2, 1] * 3
    assert [job_id for each in slices for job_id in each.mended] == ids


def test_a_slice_that_ends_with_its_namespace_is_followed_by_an_empty_one(kernel: Kernel) -> None:
    """Nobody can tell that it was the last."""
    kernel.submit("j1")
    kernel.submit("j2")

    assert [kernel.audit(most=2), kernel.audit(most=2)] == [
        Audited(2, True, []), Audited(0, False, []),
    ]  # fmt: skip


def test_between_two_rounds_is_a_pause(kernel: Kernel) -> None:
    """Many ask; one a minute looks. A round that has begun is finished at once."""
    for number in range(3):
        kernel.submit(f"j{number}")

    looked = [kernel.audit(pause_ms=60_000, most=2).looked for _ in range(4)]
    assert looked == [2, 1, 0, 0]

    kernel.redis.hset(keys.AUDIT, "ended", 1)
    assert kernel.audit(pause_ms=60_000, most=2).looked == 2


def test_without_a_job_there_is_nothing_to_do(kernel: Kernel) -> None:
    """And nothing is written."""
    assert kernel.audit() == Audited(0, False, [])
    assert kernel.redis.dbsize() == 0


def test_jobs_of_an_older_release_do_not_disturb_it(kernel: Kernel) -> None:
    """They stand in no index, and lack what this one writes."""
    kernel.submit("old")
    kernel.submit("new")
    kernel.redis.delete(keys.index("default"))
    kernel.redis.zadd(keys.index("default"), {"new": 0, "old": 0})
    kernel.redis.hdel(keys.job("old"), "begun", "parked", "retried_from", "updated")

    assert kernel.audit_all() == []
    assert kernel.store.run(calls.expire()) == 0
    assert [claim.job_id for claim in kernel.turn("ana", want=5).claims] == ["old", "new"]
