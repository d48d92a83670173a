"""Workflows in the store, on each way to the scripts: steps, ends, what is mended."""

from __future__ import annotations

from typing import Any

from conformance.batches import HandIn
from conformance.flows import ALLOW, chain, group, hand_in, leaf, leaves, written
from conformance.kernel import Kernel, ended, submission
from portaria.store import Claim, Verdict, calls, keys
from portaria.store.batch import settle
from portaria.store.calls import Deleted


def state(kernel: Kernel, job_id: str) -> str:
    found: Any = kernel.redis.hget(keys.job(job_id), "state")
    return str(found.decode()) if found else ""


def states(kernel: Kernel, flow: HandIn) -> list[str]:
    return [state(kernel, job_id) for job_id in flow.ids]


def whole(kernel: Kernel, flow: HandIn) -> str:
    """The state of the workflow; empty while it is open."""
    found: Any = kernel.redis.hget(keys.batch(flow.id), "state")
    return str(found.decode()) if found else ""


def run(kernel: Kernel, *claims: Claim, verdict: Verdict = Verdict.SUCCEEDED) -> calls.Turn:
    return kernel.turn("ana", *(ended(each, verdict) for each in claims), want=0)


def claim(kernel: Kernel, most: int = 100) -> list[Claim]:
    found: list[Claim] = []
    while turn := kernel.turn("ana", want=min(most, 10)).claims:
        found += turn
        if len(found) >= most:
            break
    return found


def look(kernel: Kernel, flow: HandIn) -> None:
    """As the sweeps do, when its moment has come; long after its end, if it has ended."""
    if whole(kernel, flow):
        kernel.redis.hset(keys.batch(flow.id), "ended", "1")
    kernel.redis.zadd(keys.BATCHES, {flow.id: 1})
    kernel.store.run(settle())


def test_one_step_follows_the_other(kernel: Kernel) -> None:
    flow = written(kernel, chain(leaf(), group(*leaves(2)), leaf()))

    assert states(kernel, flow) == ["PENDING", "BLOCKED", "BLOCKED", "BLOCKED"]
    run(kernel, *claim(kernel))
    assert states(kernel, flow) == ["SUCCEEDED", "PENDING", "PENDING", "BLOCKED"]
    one, two = claim(kernel)
    run(kernel, two)
    assert claim(kernel) == []
    run(kernel, one)
    run(kernel, *claim(kernel))

    assert whole(kernel, flow) == "SUCCEEDED"
    assert [each.job_id for each in claim(kernel)] == ["good"]


def test_a_failure_ends_what_waits_for_it(kernel: Kernel) -> None:
    """With the id of the job whose failure it was; and one hook is submitted."""
    flow = written(kernel, chain(leaf(), *leaves(3)))

    run(kernel, *claim(kernel), verdict=Verdict.FAILED)

    assert states(kernel, flow) == ["FAILED", "CANCELLED", "CANCELLED", "CANCELLED"]
    failure = kernel.redis.hget(keys.job(flow.ids[3]), "failure")
    assert flow.ids[0].encode() in failure
    assert whole(kernel, flow) == "FAILED"
    assert [each.job_id for each in claim(kernel)] == ["bad"]


def test_a_spared_failure_lets_the_next_step_go(kernel: Kernel) -> None:
    flow = written(kernel, chain(chain(leaf(), leaf(), on_failure=ALLOW), leaf()))

    run(kernel, *claim(kernel), verdict=Verdict.FAILED)
    run(kernel, *claim(kernel))

    assert states(kernel, flow) == ["FAILED", "CANCELLED", "SUCCEEDED"]
    assert whole(kernel, flow) == "SUCCEEDED"


def test_a_wide_step_is_let_go_in_slices(kernel: Kernel) -> None:
    """The turn says so; each call of the sweep does as much as it may."""
    flow = written(kernel, chain(leaf(), group(*leaves(450)), leaf()))

    turn = run(kernel, *claim(kernel))

    assert turn.wide
    assert states(kernel, flow).count("PENDING") == 40
    kernel.store.run(settle())
    assert states(kernel, flow).count("PENDING") == 240
    kernel.store.run(settle())
    kernel.store.run(settle())
    assert states(kernel, flow).count("PENDING") == 450
    for _ in range(45):
        run(kernel, *claim(kernel, 10))
    run(kernel, *claim(kernel))
    assert whole(kernel, flow) == "SUCCEEDED"


def test_a_long_rest_is_ended_in_slices(kernel: Kernel) -> None:
    flow = written(kernel, chain(leaf(), *leaves(450)))

    assert run(kernel, *claim(kernel), verdict=Verdict.FAILED).wide
    for _ in range(4):
        kernel.store.run(settle())

    assert states(kernel, flow) == ["FAILED"] + ["CANCELLED"] * 450
    assert whole(kernel, flow) == "FAILED"


def test_what_is_cancelled_before_its_turn_counts_when_that_comes(kernel: Kernel) -> None:
    """Nothing begins before what it waited for has ended."""
    flow = written(kernel, chain(leaf(), leaf(on_failure=ALLOW), leaf()))
    (first,) = claim(kernel)

    kernel.cancel(flow.ids[1])
    assert states(kernel, flow) == ["RUNNING", "CANCELLED", "BLOCKED"]
    run(kernel, first)

    assert states(kernel, flow) == ["SUCCEEDED", "CANCELLED", "PENDING"]


def test_a_tree_that_was_cancelled_while_it_waited_ends(kernel: Kernel) -> None:
    """However long the chain is: each of them lets the next one count."""
    flow = written(kernel, chain(leaf(), *(leaf(on_failure=ALLOW) for _ in range(450))))
    (first,) = claim(kernel)
    for start in range(1, 451, 150):
        kernel.store.run(calls.cancel("default", flow.ids[start : start + 150]))

    run(kernel, first)
    for _ in range(20):
        kernel.store.run(settle())

    assert whole(kernel, flow) == "SUCCEEDED"


def test_a_job_that_ended_without_telling_is_heard(kernel: Kernel) -> None:
    """A worker of a release without workflows ended it: it knew nothing of joins."""
    flow = written(kernel, chain(leaf(), leaf(), leaf()))
    for number, left in ((0, "PENDING"), (1, "PENDING")):
        (held,) = claim(kernel)
        assert held.job_id == flow.ids[number]
        _end_as_of_old(kernel, held)
        look(kernel, flow)
        assert state(kernel, flow.ids[number + 1]) == left
    _end_as_of_old(kernel, *claim(kernel))
    look(kernel, flow)

    assert whole(kernel, flow) == "SUCCEEDED"


def _end_as_of_old(kernel: Kernel, held: Claim) -> None:
    link = kernel.redis.hget(keys.job(held.job_id), "link")
    kernel.redis.hdel(keys.job(held.job_id), "link")
    run(kernel, held)
    kernel.redis.hset(keys.job(held.job_id), "link", link)


def test_a_child_that_ended_without_telling_is_heard(kernel: Kernel) -> None:
    flow = written(kernel, chain(leaf(), leaf()))
    (parent,) = claim(kernel)
    child = submission("child", workflow_id=flow.id, parent_job_id=parent.job_id, link="1 kid 0 -")
    kernel.store.run(calls.submit(child))
    (held,) = claim(kernel)
    run(kernel, parent)
    assert state(kernel, flow.ids[1]) == "BLOCKED"
    _end_as_of_old(kernel, held)

    look(kernel, flow)

    assert state(kernel, flow.ids[1]) == "PENDING"


def test_what_follows_waits_for_children(kernel: Kernel) -> None:
    """Whichever ends last; a failure of theirs is one of the step."""
    flow = written(kernel, chain(leaf(), leaf()))
    (parent,) = claim(kernel)
    child = submission("child", workflow_id=flow.id, parent_job_id=parent.job_id, link="1 kid 0 -")
    assert not kernel.store.run(calls.submit(child)).orphan
    run(kernel, parent)
    assert state(kernel, flow.ids[1]) == "BLOCKED"

    run(kernel, *claim(kernel), verdict=Verdict.FAILED)

    assert state(kernel, flow.ids[1]) == "CANCELLED"
    assert whole(kernel, flow) == "FAILED"


def test_what_does_not_run_has_no_children(kernel: Kernel) -> None:
    flow = written(kernel, chain(leaf(), leaf()))
    child = submission("child", parent_job_id=flow.ids[0])

    assert kernel.store.run(calls.submit(child)).orphan
    assert not kernel.redis.exists(keys.job("child"))


def test_a_workflow_is_seen_when_all_of_it_is_there(kernel: Kernel) -> None:
    flow = hand_in(kernel, group(*leaves(250)))

    flow.write(0, 200)
    assert kernel.redis.zrange(keys.workflows("default"), 0, -1) == []
    assert claim(kernel) == []
    flow.write(200, 250)
    flow.place()
    flow.place()

    assert kernel.redis.zrange(keys.workflows("default"), 0, -1) == [flow.id.encode()]


def test_ends_before_all_is_placed_are_not_forgotten(kernel: Kernel) -> None:
    """The door places it slice by slice, and workers are fast."""
    pairs = [chain(leaf(), leaf()) for _ in range(150)]
    flow = hand_in(kernel, chain(group(*pairs), leaf()))
    for start in (0, 200):
        flow.write(start, min(start + 200, 301))
    kernel.redis.zadd(keys.BATCHES, {flow.id: 1})
    kernel.store.run(settle())
    for _ in range(20):
        if turn := claim(kernel, 10):
            run(kernel, *turn)
    for _ in range(60):
        if whole(kernel, flow):
            break
        look(kernel, flow)
        if turn := claim(kernel):
            run(kernel, *turn)

    assert whole(kernel, flow) == "SUCCEEDED"
    assert set(states(kernel, flow)) == {"SUCCEEDED"}


def test_results_live_as_long_as_their_workflow(kernel: Kernel) -> None:
    """Its jobs are purged after it, and then nothing of it is left."""
    flow = written(kernel, chain(leaf(), leaf()))
    run(kernel, *claim(kernel))
    _purge(kernel, flow)
    assert state(kernel, flow.ids[0]) == "SUCCEEDED"
    assert kernel.store.run(calls.delete("default", flow.ids[:1])) == [Deleted.OPEN]
    run(kernel, *claim(kernel))
    run(kernel, *claim(kernel))
    _purge(kernel, flow)
    assert states(kernel, flow) == ["SUCCEEDED", "SUCCEEDED"]

    look(kernel, flow)
    _purge(kernel, flow)

    assert states(kernel, flow) == ["", ""]
    left: Any = kernel.redis.keys(f"*{flow.id}*")
    assert left == []
    assert kernel.redis.exists(keys.workflows("default")) == 0


def _purge(kernel: Kernel, flow: HandIn) -> None:
    for job_id in flow.ids:
        if kernel.redis.zscore(keys.PURGE, job_id) is not None:
            kernel.redis.zadd(keys.PURGE, {job_id: 1})
    kernel.store.run(calls.purge())


def test_where_memory_runs_short_an_open_workflow_is_passed_over(kernel: Kernel) -> None:
    """And does not stand before those that may go."""
    flow = written(kernel, chain(group(*leaves(60)), leaf()))
    for _ in range(6):
        run(kernel, *claim(kernel, 10))
    for number in range(20):
        kernel.submit(f"plain{number}")
        run(kernel, *(each for each in claim(kernel) if each.job_id.startswith("plain")))

    for _ in range(40):
        kernel.store.run(calls.purge(50, early=True))

    assert [state(kernel, f"plain{number}") for number in range(20)] == [""] * 20
    assert states(kernel, flow)[:60] == ["SUCCEEDED"] * 60


def test_what_ended_of_a_batch_stays_until_all_of_it_has(kernel: Kernel) -> None:
    """Its counts do not go back."""
    batch = HandIn(kernel, 2)
    batch.write(0, 2)
    one, two = claim(kernel)
    run(kernel, one)
    _purge(kernel, batch)
    assert state(kernel, one.job_id) == "SUCCEEDED"
    run(kernel, two)
    kernel.redis.zadd(keys.BATCHES, {batch.id: 1})
    kernel.store.run(settle())

    _purge(kernel, batch)

    assert states(kernel, batch) == ["", ""]
