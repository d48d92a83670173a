"""AT_MOST_ONCE: begun by leave only, alone in hand, and never run again once it may have run."""

from __future__ import annotations

import pytest

from conformance.kernel import DOUBT, QUEUE, Kernel, ended, wip
from portaria.core.states import State
from portaria.store import Claim, Verdict, keys
from portaria.store.calls import Began

TIMEOUT_S = 30
GRACE_S = 5


def held(kernel: Kernel) -> Claim:
    """One such job, held by ana, not begun."""
    kernel.submit("j1", at_most_once=True)
    return kernel.claim("ana")


def begun(kernel: Kernel) -> Claim:
    """One that ana has leave to run."""
    claim = held(kernel)
    assert kernel.begin(claim) == Began.YES
    return claim


def test_a_claim_does_not_begin_it(kernel: Kernel) -> None:
    """Its worker asks for leave when it is ready to start."""
    claim = held(kernel)

    assert (claim.at_most_once, claim.begun, claim.attempt) == (True, False, 1)
    assert (kernel.state("j1"), kernel.record("j1").attempt) == (State.PENDING, 0)
    assert kernel.told("j1") == ["PENDING"]


def test_it_is_handed_out_alone(kernel: Kernel) -> None:
    """Neither with others before it, nor with others after it."""
    kernel.submit("j0")
    kernel.submit("j1", at_most_once=True)
    kernel.submit("j2")

    handed = [[claim.job_id for claim in kernel.turn("ana", want=5).claims] for _ in range(3)]

    assert handed == [["j0"], ["j1"], ["j2"]]


def test_leave_is_given_once(kernel: Kernel) -> None:
    """And the same leave again to a turn that is sent twice."""
    claim = held(kernel)

    assert [kernel.begin(claim, token="t9") for _ in range(2)] == [Began.YES] * 2

    assert (kernel.state("j1"), kernel.record("j1").attempt) == (State.RUNNING, 1)
    assert kernel.told("j1") == ["PENDING", "RUNNING"]


def test_a_cancelled_one_gets_no_leave(kernel: Kernel) -> None:
    """And ends CANCELLED when its worker gives it back; nobody calls its handler."""
    claim = held(kernel)
    kernel.cancel("j1")

    assert kernel.begin(claim, token="t9") == Began.CANCELLED
    assert kernel.begin(claim, token="t9") == Began.CANCELLED
    kernel.give_back(claim)

    assert (kernel.state("j1"), kernel.record("j1").attempt) == (State.CANCELLED, 0)
    assert kernel.told("j1") == ["PENDING", "CANCELLING", "CANCELLED"]


def test_a_renewal_gives_no_leave(kernel: Kernel) -> None:
    """It may come while the worker still asks: cancelled by then, it must not begin."""
    claim = held(kernel)
    kernel.cancel("j1")

    kernel.renew("ana", running="j1")

    assert kernel.begin(claim) == Began.CANCELLED
    assert kernel.record("j1").attempt == 0


def test_a_lost_one_gets_no_leave(kernel: Kernel) -> None:
    """Another worker has it by now."""
    claim = held(kernel)
    kernel.lapse(claim)
    kernel.reap_now()
    other = kernel.claim("rui")

    assert kernel.begin(claim) == Began.LOST
    assert kernel.begin(other, "rui") == Began.YES


@pytest.mark.parametrize("state", ["PENDING", "CANCELLING"])
def test_a_silent_worker_that_had_no_leave_costs_nothing(kernel: Kernel, state: str) -> None:
    """Free back to the queue, or ended as was asked."""
    kernel.lapse(held(kernel))
    if state == "CANCELLING":
        kernel.cancel("j1")

    assert kernel.reap_now() == ["j1"]

    ended_as = State.PENDING if state == "PENDING" else State.CANCELLED
    assert (kernel.state("j1"), kernel.record("j1").attempt) == (ended_as, 0)
    assert kernel.field("j1", "losts") == "0"


@pytest.mark.parametrize("cancelled", [True, False])
def test_it_stays_open_for_as_long_as_it_may_run(kernel: Kernel, cancelled: bool) -> None:
    """Its worker is silent and may have done it: another look comes at its timeout and 5 s."""
    claim = begun(kernel)
    if cancelled:
        kernel.cancel("j1")
    kernel.lapse(claim)

    assert kernel.reap_now() == []
    assert kernel.reap_now() == []

    assert kernel.state("j1") == (State.CANCELLING if cancelled else State.RUNNING)
    assert kernel.field("j1", "hold") == claim.token
    left = kernel.lease_ms(claim) / 1000
    assert TIMEOUT_S + GRACE_S - 5 < left <= TIMEOUT_S + GRACE_S
    assert kernel.turn("rui").claims == []


@pytest.mark.parametrize("cancelled", [True, False])
def test_after_that_it_ends_in_doubt(kernel: Kernel, cancelled: bool) -> None:
    """FAILED, also where it was cancelled: nobody knows what its run did."""
    claim = begun(kernel)
    if cancelled:
        kernel.cancel("j1")
    kernel.lapse(claim)
    kernel.reap_now()
    kernel.lapse(claim)
    kernel.change("j1", open=1)

    assert kernel.reap_now() == ["j1"]

    record = kernel.record("j1")
    assert (record.state, record.failure, record.attempt) == (State.FAILED, DOUBT, 1)
    assert (kernel.queued(), kernel.leases()) == ([], [])


def test_looking_again_does_not_prolong_it(kernel: Kernel) -> None:
    """The first lapse set the moment; a reaper that looks often sets no later one."""
    claim = begun(kernel)
    kernel.lapse(claim)
    kernel.reap_now()
    until = kernel.field("j1", "open")
    kernel.lapse(claim)

    kernel.reap_now()

    assert kernel.field("j1", "open") == until
    score = kernel.redis.zscore(wip(QUEUE), f"j1:{claim.token}")
    assert score == pytest.approx(10_000_000_000 + int(until) / 1000)


@pytest.mark.parametrize(
    ("verdict", "state"), [(Verdict.SUCCEEDED, State.SUCCEEDED), (Verdict.RETRY, State.FAILED)]
)
def test_a_late_end_is_accepted_while_it_is_open(
    kernel: Kernel, verdict: Verdict, state: State
) -> None:
    """Its worker comes back, and knows what nobody else does."""
    claim = begun(kernel)
    kernel.lapse(claim)
    kernel.reap_now()

    assert kernel.turn("ana", ended(claim, verdict, failure=b"f"), want=0).taken == [True]

    assert kernel.state("j1") == state
    assert (kernel.leases(), kernel.members(keys.DUE)) == ([], [])


def test_an_end_after_that_is_refused(kernel: Kernel) -> None:
    """A terminal state never changes."""
    claim = begun(kernel)
    kernel.lapse(claim)
    kernel.change("j1", open=1)
    kernel.reap_now()

    assert kernel.turn("ana", ended(claim), want=0).taken == [False]
    assert kernel.record("j1").failure == DOUBT


def test_a_worker_that_renews_again_has_never_lost_it(kernel: Kernel) -> None:
    """It was away, and its handler still runs."""
    claim = begun(kernel)
    kernel.lapse(claim)
    kernel.reap_now()

    assert kernel.renew("ana", running="j1")[0].held == ["j1"]
    assert kernel.lease_ms(claim) < 10_000


@pytest.mark.parametrize("crashed", [True, False])
@pytest.mark.parametrize(("incarnation", "running"), [("first", ""), ("*", "")])
def test_a_worker_that_ends_without_leave_gives_it_back(
    kernel: Kernel, crashed: bool, incarnation: str, running: str
) -> None:
    """Whatever else is known: nothing had begun."""
    held(kernel)

    kernel.recover("ana", incarnation=incarnation, begun=running, crashed=crashed)

    assert (kernel.state("j1"), kernel.record("j1").attempt) == (State.PENDING, 0)
    assert kernel.queued() == ["j1"]


def test_a_parent_that_saw_it_run_is_believed(kernel: Kernel) -> None:
    """To the safe side, though Redis had heard of no begin."""
    held(kernel)

    kernel.recover("ana", begun="j1", crashed=True)

    assert (kernel.state("j1"), kernel.record("j1").failure) == (State.FAILED, DOUBT)
