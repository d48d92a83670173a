"""For each script, situations in which it has something to do: each builds one and answers a call.

What a scene builds is acknowledged; only the call that it answers will meet a fault.
"""

from __future__ import annotations

from typing import Any

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
)
from portaria.store import Finished, Verdict, calls, keys
from portaria.store.calls import Call


def submit_now(_: Kernel) -> Call[Any]:
    return calls.submit(submission("j1"))


def submit_later(_: Kernel) -> Call[Any]:
    return calls.submit(submission("j1", delay_ms=60_000))


def submit_with_a_unique_key(_: Kernel) -> Call[Any]:
    return calls.submit(submission("j1", unique_key="k"))


def submit_beside_a_unique_key(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1", unique_key="k")
    return calls.submit(submission("j2", unique_key="k", use_existing=True))


def submit_again(kernel: Kernel) -> Call[Any]:
    kernel.submit("j1")
    return calls.submit(submission("j2", request_id="r-j1"))


def _turn(*finished: Finished, want: int = 2) -> Call[Any]:
    return calls.turn(
        worker="ana", incarnation="first", token="t", queues=QUEUES, want=want, finished=finished
    )


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


def finish_in_every_way(kernel: Kernel) -> Call[Any]:
    for number in range(5):
        kernel.submit(f"j{number}")
    verdicts = [*Verdict, Verdict.RETRY]
    claims = kernel.turn("ana", want=5).claims
    kernel.change("j4", state="CANCELLING")
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
    return calls.renew([("ana", "first"), ("rui", "first"), ("new", "first")])


def _held_in_every_way(kernel: Kernel) -> None:
    kernel.submit("j1")
    kernel.submit("begun")
    kernel.submit("cancelled")
    kernel.submit("doubtful", at_most_once=True)
    kernel.submit("worn")
    claims = kernel.turn("ana", want=5).claims
    kernel.change("cancelled", state="CANCELLING")
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


def _reap(kernel: Kernel) -> Call[Any]:
    return calls.reap(run_id="run", lost_failure=LOST, doubt_failure=DOUBT)


def reap_a_silent_worker(kernel: Kernel) -> Call[Any]:
    _held_in_every_way(kernel)
    kernel.redis.zadd(f"rq:wip:{QUEUE}", {"j1:stale": 10_000_000_001})
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
    far = 4_000_000_000_000
    kernel.submit("began", before_ms=far, deadline_ms=far)
    claim = kernel.claim()
    kernel.submit("retried", deadline_ms=far)
    kernel.turn("ana", ended(kernel.claim(), Verdict.RETRY, wait_ms=60_000), want=0)
    kernel.submit("delayed", delay_ms=60_000, before_ms=far)
    kernel.submit("queued", before_ms=far)
    for job_id in ("delayed", "queued"):
        kernel.change(job_id, before=1)
    kernel.change("retried", deadline=1)
    for job_id in ("began", "retried", "delayed", "queued"):
        kernel.redis.zadd(keys.EXPIRY, {job_id: 1})
    assert claim.job_id == "began"
    return calls.expire()


def claim_past_what_is_late(kernel: Kernel) -> Call[Any]:
    kernel.submit("late", before_ms=4_000_000_000_000)
    kernel.change("late", before=1)
    kernel.submit("j1")
    return _turn()


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


def purge_what_is_due(kernel: Kernel) -> Call[Any]:
    for number, verdict in enumerate((Verdict.SUCCEEDED, Verdict.FAILED)):
        kernel.submit(f"j{number}")
        claim = kernel.claim()
        kernel.effect(claim, "begin", "k")
        kernel.turn("ana", ended(claim, verdict), want=0)
        kernel.redis.zadd(keys.PURGE, {f"j{number}": 1})
    return calls.purge()


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
    claim_across_queues, claim_past_what_is_not_ours, claim_from_empty_queues, finish_in_every_way,
    renew_all,
    recover_a_crash, recover_a_worn_out_job, recover_in_order, recover_an_unknown_incarnation,
    reap_a_silent_worker, reap_after_a_gap,
    expire_what_is_late, claim_past_what_is_late,
    promote_what_is_due, report_progress, begin_an_effect, end_an_effect, purge_what_is_due,
    tidy_after_the_dead,
]  # fmt: skip

__all__ = ["CRASHED", "SCENES"]
