"""Limits: a start that must come before some moment, a deadline for everything."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.kernel import QUEUE, Kernel, ended
from portaria.core.states import State
from portaria.store import Verdict, calls, keys

FAR = 4_000_000_000_000
PAST = 1


def _expire(kernel: Kernel) -> int:
    return kernel.store.run(calls.expire())


def _late(kernel: Kernel, job_id: str, **limits: Any) -> None:
    """Lets a limit pass without waiting for it."""
    kernel.change(job_id, **limits)
    kernel.redis.zadd(keys.EXPIRY, {job_id: PAST})


@pytest.mark.parametrize("limit", ["before", "deadline"])
@pytest.mark.parametrize("delay_ms", [0, 60_000])
def test_a_job_that_waits_too_long_is_expired(kernel: Kernel, limit: str, delay_ms: int) -> None:
    """In its queue or before its moment; it is told, counted out, and never begins."""
    kernel.submit("j1", delay_ms=delay_ms, **{f"{limit}_ms": FAR})
    _late(kernel, "j1", **{limit: PAST})

    _expire(kernel)

    assert kernel.state("j1") == State.EXPIRED
    assert kernel.told("j1")[-1] == "EXPIRED"
    assert kernel.turn("ana").claims == []
    assert (kernel.members(keys.DUE), kernel.members(keys.EXPIRY)) == ([], [])
    assert int(kernel.redis.hget(keys.DEPTH, QUEUE) or 0) == 0


def test_a_claim_never_begins_a_late_job(kernel: Kernel) -> None:
    """Also where nobody has looked at limits since: the next one is handed out instead."""
    kernel.submit("late", before_ms=FAR)
    kernel.change("late", before=PAST)
    kernel.submit("next")

    assert kernel.claim().job_id == "next"
    assert kernel.state("late") == State.EXPIRED


def test_a_late_job_is_not_queued_when_its_moment_comes(kernel: Kernel) -> None:
    """Its run_time and its limit passed while nobody worked."""
    kernel.submit("j1", delay_ms=60_000, deadline_ms=FAR)
    kernel.change("j1", deadline=PAST)
    kernel.make_due("j1")

    kernel.promote()

    assert kernel.state("j1") == State.EXPIRED


def test_a_start_in_time_frees_from_the_limit_for_the_start(kernel: Kernel) -> None:
    """What began may go on, and may be retried."""
    kernel.submit("j1", before_ms=FAR)
    claim = kernel.claim()
    _late(kernel, "j1", before=PAST)

    _expire(kernel)
    kernel.turn("ana", ended(claim, Verdict.RETRY, wait_ms=1), want=0)

    assert kernel.state("j1") == State.RETRYING
    assert kernel.members(keys.EXPIRY) == []


def test_a_running_job_keeps_its_deadline(kernel: Kernel) -> None:
    """It is its worker's to stop; the kernel looks again later."""
    kernel.submit("j1", deadline_ms=FAR)
    claim = kernel.claim()
    _late(kernel, "j1", deadline=PAST)

    _expire(kernel)

    assert claim.left_ms > 1_000_000
    assert kernel.state("j1") == State.RUNNING
    assert kernel.members(keys.EXPIRY) == ["j1"]


def test_no_retry_is_planned_beyond_the_deadline(kernel: Kernel) -> None:
    """The failure is final: the next attempt could not begin."""
    kernel.submit("j1", deadline_ms=FAR)
    claim = kernel.claim()
    seconds, _ = kernel.redis.time()
    kernel.change("j1", deadline=seconds * 1000 + 30_000)

    kernel.turn("ana", ended(claim, Verdict.RETRY, wait_ms=60_000, failure=b"f"), want=0)

    assert (kernel.state("j1"), kernel.record("j1").failure) == (State.FAILED, b"f")


def test_a_job_without_limits_is_written_down_nowhere(kernel: Kernel) -> None:
    """Most jobs have none, and pay nothing."""
    kernel.submit("j1")

    assert kernel.claim().left_ms == -1
    assert kernel.members(keys.EXPIRY) == []
