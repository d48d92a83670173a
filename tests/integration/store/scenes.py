"""For each script, situations in which it has something to do: each builds one and answers a call.

What a scene builds is acknowledged; only the call that it answers will meet a fault.
"""

from __future__ import annotations

from typing import Any

from conformance.batches import HandIn
from conformance.flows import ALLOW, chain, group, hand_in, leaf, leaves, written
from conformance.kernel import (
    CRASHED,
    DOUBT,
    LOST,
    QUEUE,
    QUEUES,
    Kernel,
    Setup,
    ended,
    recovery,
    submission,
    warnings,
    wip,
)
from portaria.store import Claim, Finished, Submission, Verdict, calls, keys
from portaria.store.batch import settle
from portaria.store.calls import Call
from portaria.store.schedules import Definition, Tick, create, tick

NOOP, OTHER = "acme_jobs.lab.v1.Noop", "acme_jobs.lab.v1.Other"
FAR_OFF = 4_000_000_000_000
"""Milliseconds of a moment that no test sees."""


def submit_now(_: Kernel) -> Call[Any]:
    return calls.submit(submission("j1"))


def submit_later(_: Kernel) -> Call[Any]:
    return calls.submit(submission("j1", delay_ms=60_000))


def submit_with_a_unique_key(_: Kernel) -> Call[Any]:
    return calls.submit(submission("j1", unique_key="k"))


def submit_beside_a_unique_key(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1", unique_key="k")
    return calls.submit(submission("j2", unique_key="k", use_existing=True))


def submit_with_everything(kernel: Kernel) -> Call[Any]:
    """Each index, both limits, and a job that it repeats."""
    kernel.submit("j0")
    job = submission(
        "j1", before_ms=FAR_OFF, deadline_ms=FAR_OFF, workflow_id="w", labels=[("a", "1")],
        retried_from="j0",
    )  # fmt: skip
    return calls.submit(job)


def fire_a_tick(kernel: Kernel) -> Call[Any]:
    schedule = Definition(revision="one", sealed=b"s", content_hash="c", next_ms=1_000)
    kernel.store.run(create("default", "nightly", schedule))
    job = submission("j1", request_id="nightly@1000", schedule_id="nightly")
    return tick(
        Tick(
            namespace="default", schedule_id="nightly", revision="one", seen_ms=1_000,
            tick_ms=1_000, next_ms=FAR_OFF, submission=job,
        )
    )  # fmt: skip


def _hooks(name: str, **given: Any) -> list[tuple[str, Submission]]:
    """All three, each another way; `given` is of the first one."""
    ways: dict[str, dict[str, Any]] = {
        "on_success": {"labels": [("a", "1")], **given},
        "on_failure": {"delay_ms": 60_000, "deadline_ms": FAR_OFF},
        "on_retry": {},
    }
    return [
        (hook, submission(f"{hook}-of-{name}", "lab:low", request_id="", **way))
        for hook, way in ways.items()
    ]


def _submit_with_hooks(kernel: Kernel, *job_ids: str, **given: Any) -> None:
    for job_id in job_ids:
        kernel.submit(job_id, hooks=_hooks(job_id), **given)


def submit_with_hooks(_: Kernel) -> Call[Any]:
    return calls.submit(submission("j1", hooks=_hooks("j1")))


def submit_a_slice_with_hooks(kernel: Kernel) -> Call[Any]:
    change = {number: {"hooks": _hooks(f"j{number}")} for number in (0, 2)}
    batch = HandIn(kernel, 4, change=change)
    batch.write(0, 1)
    return batch.call(1, 4)


def finish_with_hooks(kernel: Kernel) -> Call[Any]:
    """In every way, and cancelled; with a hook that is claimed at once."""
    names = [f"j{number}" for number in range(5)]
    _submit_with_hooks(kernel, *names)
    claims = kernel.turn("ana", want=5).claims
    kernel.cancel("j4")
    ends = [*Verdict, Verdict.RETRY]
    return _turn(
        *(
            ended(claim, verdict, wait_ms=50_000)
            for claim, verdict in zip(claims, ends, strict=True)
        ),
        want=1,
    )


def expire_with_hooks(kernel: Kernel) -> Call[Any]:
    _submit_with_hooks(kernel, "j1", "j2", before_ms=FAR_OFF)
    for job_id in ("j1", "j2"):
        kernel.change(job_id, before=1)
        kernel.redis.zadd(keys.EXPIRY, {job_id: 1})
    return calls.expire()


def claim_past_what_is_late_with_hooks(kernel: Kernel) -> Call[Any]:
    _submit_with_hooks(kernel, "late", before_ms=FAR_OFF)
    kernel.change("late", before=1)
    return _turn()


def recover_a_worn_out_job_with_hooks(kernel: Kernel) -> Call[Any]:
    _submit_with_hooks(kernel, "worn")
    kernel.begin(kernel.claim("ana"))
    kernel.change("worn", crashes=2)
    return recovery("ana", begun="worn", crashed=True)


def submit_again(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1")
    return calls.submit(submission("j2", request_id="r-j1"))


def _batch(kernel: Kernel, size: int = 3) -> HandIn:
    """A key, a moment, limits, and labels."""
    change: dict[int, dict[str, Any]] = {
        0: {"unique_key": "k", "labels": [("a", "1")]},
        1: {"delay_ms": 60_000, "deadline_ms": FAR_OFF},
        2: {"unique_key": "k2", "before_ms": FAR_OFF},
    }
    return HandIn(kernel, size, change=change)


def submit_a_batch(kernel: Kernel) -> Call[Any]:
    return _batch(kernel).call(0, 3)


def submit_a_batch_again(kernel: Kernel) -> Call[Any]:
    _batch(kernel).write(0, 3)
    return _batch(kernel).call(0, 3)


def submit_a_batch_beside_a_unique_key(kernel: Kernel) -> Call[Any]:
    kernel.submit("holder", unique_key="k2")
    return HandIn(
        kernel, 3, change={0: {"unique_key": "k2", "use_existing": True}, 1: {"unique_key": "k2"}},
        partial=True,
    ).call(0, 3)  # fmt: skip


def submit_the_first_slice(kernel: Kernel) -> Call[Any]:
    return _batch(kernel).call(0, 2)


def submit_the_last_slice(kernel: Kernel) -> Call[Any]:
    batch = _batch(kernel)
    batch.write(0, 1)
    return batch.call(1, 3)


def submit_a_slice_beside_a_unique_key(kernel: Kernel) -> Call[Any]:
    kernel.submit("holder", unique_key="k2")
    batch = _batch(kernel)
    batch.write(0, 2)
    return batch.call(2, 3)


def place_a_batch(kernel: Kernel) -> Call[Any]:
    batch = _batch(kernel)
    batch.write(0, 1)
    batch.write(1, 3)
    return batch.call(3, 3)


def _settle(kernel: Kernel, batch: HandIn) -> Call[Any]:
    kernel.redis.zadd(keys.BATCHES, {batch.id: 1, "nobody": 1})
    return settle()


def settle_what_broke_off(kernel: Kernel) -> Call[Any]:
    batch = _batch(kernel)
    batch.write(0, 1)
    batch.write(1, 2)
    return _settle(kernel, batch)


def settle_what_is_whole(kernel: Kernel) -> Call[Any]:
    batch = _batch(kernel)
    batch.write(0, 2)
    batch.write(2, 3)
    return _settle(kernel, batch)


def settle_what_has_ended(kernel: Kernel) -> Call[Any]:
    batch = HandIn(kernel, 3)
    batch.write(0, 3)
    for claim in kernel.turn("ana", want=3).claims:
        kernel.turn("ana", ended(claim), want=0)
    return _settle(kernel, batch)


def settle_what_runs(kernel: Kernel) -> Call[Any]:
    batch = HandIn(kernel, 3)
    batch.write(0, 3)
    kernel.turn("ana", ended(kernel.claim()), want=0)
    return _settle(kernel, batch)


def submit_a_workflow(kernel: Kernel) -> Call[Any]:
    change = {1: {"delay_ms": 60_000, "deadline_ms": FAR_OFF}, 2: {"unique_key": "k"}}
    root = chain(leaf(), group(leaf(), leaf()), leaf())
    return hand_in(kernel, root, change=change).call(0, 4)


def submit_the_last_slice_of_a_workflow(kernel: Kernel) -> Call[Any]:
    flow = hand_in(kernel, chain(leaf(), group(leaf(), leaf())))
    flow.write(0, 1)
    return flow.call(1, 3)


def _finish(kernel: Kernel, verdict: Verdict = Verdict.SUCCEEDED) -> Call[Any]:
    """The end of the job that is next."""
    return _turn(ended(kernel.claim("ana"), verdict, failure=b"f"))


def finish_what_a_step_waits_for(kernel: Kernel) -> Call[Any]:
    change = {1: {"delay_ms": 60_000}, 2: {"before_ms": FAR_OFF}}
    written(kernel, chain(leaf(), group(*leaves(3)), leaf()), change=change)
    return _finish(kernel)


def finish_a_workflow(kernel: Kernel) -> Call[Any]:
    written(kernel, group(leaf(), leaf()))
    kernel.turn("rui", ended(kernel.claim("rui")), want=0)
    return _finish(kernel)


def fail_before_the_rest_of_a_workflow(kernel: Kernel) -> Call[Any]:
    written(kernel, chain(chain(leaf(), group(*leaves(2)), on_failure=ALLOW), leaf(), leaf()))
    return _finish(kernel, Verdict.FAILED)


def fail_a_workflow(kernel: Kernel) -> Call[Any]:
    written(kernel, chain(group(leaf(), leaf()), leaf()))
    kernel.turn("rui", ended(kernel.claim("rui")), want=0)
    return _finish(kernel, Verdict.FAILED)


def settle_a_wide_step(kernel: Kernel) -> Call[Any]:
    written(kernel, chain(leaf(), group(*leaves(45)), leaf()))
    kernel.store.run(_finish(kernel))
    return settle(3)


def settle_a_wide_rest(kernel: Kernel) -> Call[Any]:
    written(kernel, chain(leaf(), *leaves(45)))
    kernel.store.run(_finish(kernel, Verdict.FAILED))
    return settle(10)


def finish_before_what_was_cancelled(kernel: Kernel) -> Call[Any]:
    """It was over before its turn came: so is what waits for it, or that is let go."""
    flow = written(kernel, chain(group(leaf(), chain(leaf(), leaf(on_failure=ALLOW))), leaf()))
    kernel.cancel(flow.ids[2])
    kernel.turn("rui", ended(kernel.claim("rui")), want=0)
    return _finish(kernel)


def cancel_what_waits_in_a_workflow(kernel: Kernel) -> Call[Any]:
    flow = written(kernel, chain(leaf(), leaf(), leaf()))
    return calls.cancel("default", flow.ids, reason="r")


def _parent(kernel: Kernel) -> tuple[HandIn, Claim]:
    flow = written(kernel, chain(leaf(), leaf()))
    return flow, kernel.claim("ana")


def _child(flow: HandIn) -> Submission:
    return submission("child", workflow_id=flow.id, parent_job_id=flow.ids[0], link="1 kid 0 -")


def submit_a_child(kernel: Kernel) -> Call[Any]:
    return calls.submit(_child(_parent(kernel)[0]))


def finish_a_child(kernel: Kernel) -> Call[Any]:
    """After its parent."""
    flow, claim = _parent(kernel)
    kernel.store.run(calls.submit(_child(flow)))
    kernel.turn("ana", ended(claim), want=0)
    return _finish(kernel)


def settle_a_workflow_that_is_over(kernel: Kernel) -> Call[Any]:
    flow = written(kernel, leaf())
    kernel.store.run(_finish(kernel))
    return _settle(kernel, flow)


def _turn(*finished: Finished, want: int = 2, **given: Any) -> Call[Any]:
    return calls.turn(
        worker="ana", incarnation="first", token="t", queues=QUEUES, want=want, finished=finished,
        **given,
    )  # fmt: skip


def _hold(*claims: Claim) -> list[tuple[str, str]]:
    return [(claim.job_id, claim.token) for claim in claims]


def claim_across_queues(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1", "lab:high")
    kernel.submit("j2", "lab:low")
    kernel.submit("j3", "lab:low")
    return _turn()


def claim_past_what_is_not_ours(kernel: Kernel) -> Call[Any]:
    kernel.redis.hset(keys.job("foreign"), "data", "x")
    kernel.redis.rpush(keys.queue(QUEUE), "foreign", "nobody")
    kernel.submit("j1")
    return _turn()


def claim_from_empty_queues(_: Kernel) -> Call[Any]:
    return _turn()


def claim_one_that_must_not_run_twice(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1", at_most_once=True)
    kernel.submit("j2")
    return _turn()


def claim_up_to_one_that_must_not_run_twice(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1")
    kernel.submit("j2")
    kernel.submit("j3", at_most_once=True)
    return _turn(want=4)


def claim_past_what_nobody_here_serves(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1", type=OTHER)
    kernel.submit("j2")
    kernel.submit("j3", "lab:low", type=OTHER)
    return _turn(served=f" {NOOP} ")


def begin_one_that_must_not_run_twice(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1", at_most_once=True)
    return _turn(begun=_hold(kernel.claim("ana"))[0], want=0)


def begin_one_that_was_cancelled(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1", at_most_once=True)
    claim = kernel.claim("ana")
    kernel.cancel("j1")
    return _turn(begun=_hold(claim)[0], want=0)


def report_all_that_was_held(kernel: Kernel) -> Call[Any]:
    """Ended with a begin and without, running, given back, given back and cancelled, and kept."""
    for number in range(6):
        kernel.submit(f"j{number}")
    one, two, three, four, five, _ = kernel.turn("ana", want=6).claims
    kernel.cancel("j4")
    kernel.submit("next")
    ends = [ended(one), ended(two, Verdict.RETRY, wait_ms=50_000)]
    return _turn(*ends, begun=_hold(three)[0], returned=_hold(four, five), want=2)


def finish_in_every_way(kernel: Kernel) -> Call[Any]:
    for number in range(5):
        kernel.submit(f"j{number}")
    verdicts = [*Verdict, Verdict.RETRY]
    claims = kernel.turn("ana", want=5).claims
    kernel.cancel("j4")
    kernel.submit("next")
    made = {"output": b"o", "failure": b"f", "progress": b"p", "warnings": warnings("w")}
    ends = [
        ended(claim, verdict, wait_ms=50_000, **made)
        for claim, verdict in zip(claims, verdicts, strict=True)
    ]
    return _turn(*ends, want=1)


def renew_all(kernel: Kernel) -> Call[Any]:
    for number in range(3):
        kernel.submit(f"j{number}")
    kernel.turn("ana", want=2)
    kernel.turn("rui", want=1)
    return calls.renew([("ana", "first", "j1"), ("rui", "first", ""), ("new", "first", "")])


def _held_in_every_way(kernel: Kernel) -> None:
    """By ana: `begun`, `worn` and `doubtful` have begun; the leases of all have lapsed."""
    for job_id in ("begun", "j1", "cancelled", "worn"):
        kernel.submit(job_id)
    claims = [*kernel.turn("ana", want=4).claims]
    kernel.submit("doubtful", at_most_once=True)
    claims += kernel.turn("ana").claims
    kernel.begin(claims[3])
    kernel.begin(claims[4])
    kernel.cancel("cancelled")
    kernel.change("worn", losts=9, crashes=2)
    for claim in claims:
        kernel.lapse(claim)


def recover_a_crash(kernel: Kernel) -> Call[Any]:
    _held_in_every_way(kernel)
    return recovery("ana", begun="begun", crashed=True)


def recover_a_worn_out_job(kernel: Kernel) -> Call[Any]:
    _held_in_every_way(kernel)
    return recovery("ana", begun="worn", crashed=True)


def recover_in_order(kernel: Kernel) -> Call[Any]:
    _held_in_every_way(kernel)
    return recovery("ana", begun="doubtful", following="")


def recover_an_unknown_incarnation(kernel: Kernel) -> Call[Any]:
    _held_in_every_way(kernel)
    return recovery("ana", incarnation="*", following="second")


def recover_what_ran_unsaid(kernel: Kernel) -> Call[Any]:
    _held_in_every_way(kernel)
    return recovery("ana", begun="j1", crashed=True)


def _reap(kernel: Kernel) -> Call[Any]:
    return calls.reap(run_id="run", lost_failure=LOST, doubt_failure=DOUBT)


def reap_a_silent_worker(kernel: Kernel) -> Call[Any]:
    _held_in_every_way(kernel)
    kernel.redis.zadd(f"rq:wip:{QUEUE}", {"j1:stale": 10_000_000_001})
    kernel.redis.hset(keys.REAPER, mapping={"last": 1, "grace": 1, "run": "run"})
    return _reap(kernel)


def reap_what_must_not_run_twice(kernel: Kernel) -> Call[Any]:
    """Not begun, begun, begun and open for too long, begun and cancelled, too."""
    for job_id in ("held", "late", "cancelled"):
        kernel.submit(job_id, at_most_once=True)
        claim = kernel.claim(job_id)
        if job_id != "held":
            kernel.begin(claim, job_id)
            kernel.change(job_id, open=1)
        kernel.lapse(claim)
    kernel.cancel("cancelled")
    kernel.redis.hset(keys.REAPER, mapping={"last": 1, "grace": 1, "run": "run"})
    return _reap(kernel)


def reap_after_a_gap(kernel: Kernel) -> Call[Any]:
    _held_in_every_way(kernel)
    return _reap(kernel)


def promote_what_is_due(kernel: Kernel) -> Call[Any]:
    kernel.submit("delayed", delay_ms=60_000)
    kernel.submit("retried")
    kernel.turn("ana", ended(kernel.claim(), Verdict.RETRY, wait_ms=60_000), want=0)
    kernel.submit("queued")
    kernel.submit("notdue", delay_ms=60_000)
    for job_id in ("delayed", "retried", "queued"):
        kernel.make_due(job_id)
    return calls.promote()


def expire_what_is_late(kernel: Kernel) -> Call[Any]:
    """One that waits in each way, one that began in time, one with a deadline still to come."""
    kernel.submit("began", before_ms=FAR_OFF, deadline_ms=FAR_OFF)
    claim = kernel.claim()
    kernel.submit("retried", deadline_ms=FAR_OFF)
    kernel.turn("ana", ended(kernel.claim(), Verdict.RETRY, wait_ms=60_000), want=0)
    kernel.submit("delayed", delay_ms=60_000, before_ms=FAR_OFF)
    kernel.submit("queued", before_ms=FAR_OFF)
    for job_id in ("delayed", "queued"):
        kernel.change(job_id, before=1)
    kernel.change("retried", deadline=1)
    for job_id in ("began", "retried", "delayed", "queued"):
        kernel.redis.zadd(keys.EXPIRY, {job_id: 1})
    assert claim.job_id == "began"
    return calls.expire()


def claim_past_what_is_late(kernel: Kernel) -> Call[Any]:
    kernel.submit("late", before_ms=FAR_OFF)
    kernel.change("late", before=1)
    kernel.submit("j1")
    return _turn()


def expire_what_is_parked(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1", before_ms=FAR_OFF)
    _park(kernel)
    kernel.change("j1", before=1)
    kernel.redis.zadd(keys.EXPIRY, {"j1": 1})
    return calls.expire()


def report_progress_of_what_is_held(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1")
    kernel.submit("j2")
    _, held = kernel.turn("ana", want=2).claims
    return calls.progress("j2", held.token, b"report")


def report_progress(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1")
    kernel.redis.set(keys.WATCHED, "1")
    return calls.progress("j1", kernel.claim().token, b"report")


def begin_an_effect(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1")
    return calls.effect("j1", kernel.claim().token, "begin", "k")


def end_an_effect(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1")
    claim = kernel.claim()
    kernel.effect(claim, "begin", "k")
    return calls.effect("j1", claim.token, "done", "k", "1")


def take_a_moment(_kernel: Kernel) -> Call[Any]:
    return calls.throttle("smtp:mail.example", every_ms=1000, burst=1, ahead_ms=5000)


def look_at_effects(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1")
    claim = kernel.claim()
    kernel.effect(claim, "begin", "k")
    kernel.effect(claim, "done", "k", "1")
    return calls.look_at_effects("j1", claim.token, ["k", "l"])


def purge_what_is_due(kernel: Kernel) -> Call[Any]:
    for number, verdict in enumerate((Verdict.SUCCEEDED, Verdict.FAILED)):
        kernel.submit(f"j{number}")
        claim = kernel.claim()
        kernel.effect(claim, "begin", "k")
        kernel.turn("ana", ended(claim, verdict), want=0)
        kernel.redis.zadd(keys.PURGE, {f"j{number}": 1})
    return calls.purge()


def purge_early(kernel: Kernel) -> Call[Any]:
    for number, verdict in enumerate((Verdict.SUCCEEDED, Verdict.FAILED)):
        kernel.submit(f"j{number}", labels=[("a", "1")])
        kernel.turn("ana", ended(kernel.claim(), verdict), want=0)
    return calls.purge(early=True)


def delete_what_is_done(kernel: Kernel) -> Call[Any]:
    """Ended in each way, beside one that is open and one that is gone."""
    for number, verdict in enumerate((Verdict.SUCCEEDED, Verdict.FAILED)):
        kernel.submit(f"j{number}", labels=[("a", "1")], workflow_id="w")
        claim = kernel.claim()
        kernel.effect(claim, "begin", "k")
        kernel.turn("ana", ended(claim, verdict), want=0)
    kernel.submit("over", unique_key="k")
    kernel.cancel("over")
    kernel.submit("open")
    return calls.delete("default", ["j0", "nobody", "open", "j1", "over"])


def submit_beside_a_repeat(kernel: Kernel) -> Call[Any]:
    """The job that it repeats is repeated already."""
    kernel.submit("j0")
    kernel.cancel("j0")
    kernel.submit("j1", retried_from="j0")
    return calls.submit(submission("j2", retried_from="j0"))


def _park(kernel: Kernel) -> None:
    """Parks all that waits in a queue."""
    assert kernel.turn("eva", served=" nothing ").claims == []


def cancel_what_waits(kernel: Kernel) -> Call[Any]:
    kernel.submit("parked")
    _park(kernel)
    kernel.submit("retrying")
    kernel.turn("ana", ended(kernel.claim(), Verdict.RETRY, wait_ms=60_000), want=0)
    kernel.submit("scheduled", delay_ms=60_000, deadline_ms=FAR_OFF)
    kernel.submit("pending", unique_key="k")
    return calls.cancel("default", ["parked", "retrying", "scheduled", "pending"], reason="r")


def cancel_what_is_held(kernel: Kernel) -> Call[Any]:
    for job_id in ("running", "held", "cancelling"):
        kernel.submit(job_id)
    kernel.turn("ana", want=3)
    kernel.cancel("cancelling")
    kernel.submit("once", at_most_once=True)
    kernel.claim("rui")
    ids = ["running", "held", "cancelling", "once", "nobody"]
    return calls.cancel("default", ids, force=True)


def pause_a_queue(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1", "lab:low")
    return calls.pause(QUEUE, reason="r", by="ana")


def resume_a_queue(kernel: Kernel) -> Call[Any]:
    """An empty one: a fault may leave it paused, and what waits there would wait on."""
    kernel.submit("j1", "lab:low")
    kernel.store.run(calls.pause(QUEUE))
    return calls.resume(QUEUE)


def claim_past_a_paused_queue(kernel: Kernel) -> Call[Any]:
    kernel.store.run(calls.pause(QUEUE))
    kernel.submit("j1", "lab:low")
    return _turn()


def clear_a_queue(kernel: Kernel) -> Call[Any]:
    """What waits there between what does not: ended, parked, moved, another's, not ours."""
    for job_id in ("ended", "first", "moved", "second"):
        kernel.submit(job_id)
    kernel.cancel("ended")
    kernel.update("moved", queue="lab:high")
    kernel.submit("other", namespace="another")
    kernel.redis.rpush(keys.queue(QUEUE), "nobody")
    kernel.submit("last")
    return calls.clear("default", QUEUE, reason="r")


def _update(**given: Any) -> Call[Any]:
    return calls.update("default", "j1", **given)


def update_the_priority(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1")
    return _update(queue="lab:high")


def update_to_later(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1")
    return _update(run_at_ms=FAR_OFF)


def update_to_later_elsewhere(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1")
    return _update(queue="lab:high", run_at_ms=FAR_OFF)


def update_what_is_scheduled(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1", delay_ms=60_000)
    return _update(queue="lab:high", run_at_ms=FAR_OFF)


def update_what_is_retried(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1")
    kernel.turn("ana", ended(kernel.claim(), Verdict.RETRY, wait_ms=60_000), want=0)
    return _update(queue="lab:high", run_at_ms=0)


def update_the_priority_of_what_is_parked(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1")
    _park(kernel)
    return _update(queue="lab:high")


def update_what_is_parked_to_later(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1")
    _park(kernel)
    return _update(queue="lab:high", run_at_ms=FAR_OFF)


def unpark_what_is_served(kernel: Kernel) -> Call[Any]:
    """Of two types and queues; one is gone, and one has ended though a fault left it there."""
    kernel.submit("j1")
    kernel.submit("j2", "lab:high")
    kernel.submit("j3", type=OTHER)
    _park(kernel)
    kernel.submit("over")
    kernel.cancel("over")
    kernel.redis.zadd(keys.parked("lab", NOOP), {"over": 1, "nobody": 1})
    return calls.unpark([("lab", NOOP), ("lab", OTHER)])


def audit_what_was_taken_apart(kernel: Kernel) -> Call[Any]:
    """Each entry by which an open job would be found is gone."""
    kernel.submit("running")
    kernel.submit("held")
    kernel.turn("ana", want=2)
    kernel.submit("parked")
    _park(kernel)
    kernel.submit("scheduled", delay_ms=60_000)
    kernel.submit("pending", namespace="another")
    kernel.stand_still("pending")
    gone = [keys.queue(QUEUE), wip(QUEUE), keys.DUE, keys.parked("lab", NOOP)]
    assert kernel.redis.delete(*gone) == len(gone)
    kernel.redis.zadd(keys.index("default"), {"nobody": 0})
    assert kernel.audit(most=3).goes_on
    return calls.audit(pause_ms=0, gap_ms=0)


def tidy_after_the_dead(kernel: Kernel) -> Call[Any]:
    """One that is gone and holds nothing, one that is gone and holds a job, one that lives."""
    for worker in ("idle", "holding", "living"):
        kernel.submit(f"of-{worker}")
        claim = kernel.claim(worker)
        if worker != "holding":
            kernel.turn(worker, ended(claim), want=0)
    kernel.redis.hset("rq:worker:living", "state", "idle")
    return calls.tidy()


SCENES: list[Setup] = [
    submit_now, submit_later, submit_with_a_unique_key, submit_beside_a_unique_key, submit_again,
    fire_a_tick,
    submit_with_everything, submit_with_hooks, submit_a_slice_with_hooks,
    finish_with_hooks, expire_with_hooks, claim_past_what_is_late_with_hooks,
    recover_a_worn_out_job_with_hooks,
    submit_a_batch, submit_a_batch_again, submit_a_batch_beside_a_unique_key,
    submit_the_first_slice, submit_the_last_slice, submit_a_slice_beside_a_unique_key,
    place_a_batch, settle_what_broke_off, settle_what_is_whole, settle_what_has_ended,
    settle_what_runs,
    submit_a_workflow, submit_the_last_slice_of_a_workflow, finish_what_a_step_waits_for,
    finish_a_workflow, fail_before_the_rest_of_a_workflow, fail_a_workflow,
    settle_a_wide_step, settle_a_wide_rest,
    finish_before_what_was_cancelled, cancel_what_waits_in_a_workflow, submit_a_child,
    finish_a_child, settle_a_workflow_that_is_over,
    claim_across_queues, claim_past_what_is_not_ours, claim_from_empty_queues, finish_in_every_way,
    claim_one_that_must_not_run_twice, claim_up_to_one_that_must_not_run_twice,
    claim_past_what_nobody_here_serves, begin_one_that_must_not_run_twice,
    begin_one_that_was_cancelled, report_all_that_was_held,
    renew_all,
    recover_a_crash, recover_a_worn_out_job, recover_in_order, recover_an_unknown_incarnation,
    recover_what_ran_unsaid,
    reap_a_silent_worker, reap_what_must_not_run_twice, reap_after_a_gap,
    expire_what_is_late, expire_what_is_parked, claim_past_what_is_late,
    promote_what_is_due, report_progress, report_progress_of_what_is_held, begin_an_effect,
    end_an_effect, look_at_effects, take_a_moment, purge_what_is_due, purge_early,
    cancel_what_waits, cancel_what_is_held, delete_what_is_done, submit_beside_a_repeat,
    pause_a_queue, resume_a_queue, claim_past_a_paused_queue, clear_a_queue,
    update_the_priority, update_to_later, update_to_later_elsewhere, update_what_is_scheduled,
    update_what_is_retried, update_the_priority_of_what_is_parked, update_what_is_parked_to_later,
    unpark_what_is_served, audit_what_was_taken_apart,
    tidy_after_the_dead,
]  # fmt: skip

__all__ = ["CRASHED", "SCENES"]
