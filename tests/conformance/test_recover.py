"""recover: what a child that died or stops held goes back, and only a begun job is charged."""

from __future__ import annotations

import pytest

from conformance.kernel import CRASHED, DOUBT, LOST, QUEUE, Kernel, ended
from portaria.core.states import State
from portaria.store import calls, keys


def test_an_orderly_end_gives_back_free_of_charge(kernel: Kernel) -> None:
    """To the front of the queue, so that nobody is overtaken; a worker is woken."""
    for number in range(3):
        kernel.submit(f"j{number}")
    kernel.turn(want=1)
    kernel.redis.delete(keys.wake(QUEUE))

    assert kernel.recover("ana", begun="j0") == ["j0"]

    record = kernel.record("j0")
    assert (record.state, record.attempt, record.failures) == (State.PENDING, 1, 0)
    assert (kernel.field("j0", "crashes"), kernel.field("j0", "losts")) == ("0", "0")
    assert kernel.queued() == ["j0", "j1", "j2"]
    assert (kernel.depth(), kernel.tokens(), kernel.leases()) == (3, 1, [])
    assert kernel.told("j0") == ["PENDING", "RUNNING", "PENDING"]


def test_a_crash_is_charged_to_the_begun_job_only(kernel: Kernel) -> None:
    """The others that the child held go back unburnt."""
    for number in range(3):
        kernel.submit(f"j{number}")
    kernel.turn(want=3)

    kernel.recover("ana", begun="j1", crashed=True)

    assert [kernel.field(f"j{number}", "crashes") for number in range(3)] == ["0", "1", "0"]
    assert {kernel.state(f"j{number}") for number in range(3)} == {State.PENDING}


def test_the_third_crash_is_final(kernel: Kernel) -> None:
    """FAILED with the failure that the caller gave; failures of the handler are not counted."""
    kernel.submit("j1")
    for crashes in range(1, calls.CRASH_BUDGET + 1):
        mine, next_one = f"i{crashes}", f"i{crashes + 1}"
        kernel.claim("ana", incarnation=mine)
        kernel.recover("ana", incarnation=mine, following=next_one, begun="j1", crashed=True)
        assert kernel.field("j1", "crashes") == str(crashes)

    record = kernel.record("j1")
    assert calls.CRASH_BUDGET == 3
    assert (record.state, record.failure, record.failures) == (State.FAILED, CRASHED, 0)
    assert kernel.members(f"rq:failed:{QUEUE}") == ["j1"]
    assert kernel.queued() == []


def test_a_repeat_finds_nothing_left(kernel: Kernel) -> None:
    """Sent twice, it charges once."""
    kernel.submit("j1")
    kernel.claim("ana")

    first = kernel.recover("ana", begun="j1", crashed=True)
    before = kernel.snapshot()
    again = kernel.recover("ana", begun="j1", crashed=True)

    assert (first, again) == (["j1"], [])
    assert kernel.snapshot() == before


def test_a_repeat_that_comes_late_takes_nothing_from_the_next_child(kernel: Kernel) -> None:
    """Also where it may end any incarnation: it closed its own before."""
    kernel.submit("j1")
    kernel.claim("ana")
    kernel.recover("ana", incarnation="*", following="second")
    kernel.claim("ana", incarnation="second")

    assert kernel.recover("ana", incarnation="*", following="second") == []
    assert kernel.state("j1") == State.RUNNING
    assert kernel.renew("ana", incarnation="second")[0].held == ["j1"]


def test_another_incarnation_is_left_alone(kernel: Kernel) -> None:
    """Who was replaced already has nothing to recover."""
    kernel.submit("j1")
    kernel.claim("ana", incarnation="second")

    assert kernel.recover("ana", incarnation="first", following="third") == []
    assert kernel.state("j1") == State.RUNNING
    assert kernel.renew("ana", incarnation="second")[0].held == ["j1"]


def test_a_worker_that_comes_back_under_its_name_frees_what_it_held(kernel: Kernel) -> None:
    """Whatever its last incarnation was; the old one is gone from then on."""
    kernel.submit("j1")
    kernel.claim("ana", incarnation="unknown")

    assert kernel.recover("ana", incarnation="*", following="second") == ["j1"]
    assert kernel.turn("ana", incarnation="unknown").word == "gone"
    assert kernel.claim("ana", incarnation="second").job_id == "j1"


def test_a_worker_that_ends_for_good_leaves_no_record(kernel: Kernel) -> None:
    """Holds of names that never come back do not pile up."""
    kernel.turn("ana")
    assert kernel.redis.hexists(keys.HOLDS, "ana")

    kernel.recover("ana", following="")

    assert not kernel.redis.exists(keys.HOLDS)


def test_a_worker_that_never_had_a_turn_can_be_recovered(kernel: Kernel) -> None:
    """Its next incarnation is noted, so that no older one is taken for it."""
    assert kernel.recover("new", incarnation="*", following="second") == []
    assert kernel.turn("new", incarnation="first").word == "gone"


def test_a_job_that_was_lost_before_is_not_touched(kernel: Kernel) -> None:
    """Another worker holds it now."""
    kernel.submit("j1")
    kernel.lapse(kernel.claim("ana"))
    kernel.reap_now()
    held = kernel.claim("rui")

    assert kernel.recover("ana", begun="j1", crashed=True) == []
    assert (kernel.state("j1"), kernel.field("j1", "crashes")) == (State.RUNNING, "0")
    assert kernel.turn("rui", ended(held)).taken == [True]


@pytest.mark.parametrize("crashed", [True, False])
def test_a_cancelled_run_is_not_repeated(kernel: Kernel, crashed: bool) -> None:
    """CANCELLING ends CANCELLED with the child."""
    kernel.submit("j1")
    kernel.claim("ana")
    kernel.change("j1", state="CANCELLING")

    kernel.recover("ana", begun="j1", crashed=crashed)

    assert kernel.state("j1") == State.CANCELLED
    assert kernel.queued() == []


@pytest.mark.parametrize("crashed", [True, False])
@pytest.mark.parametrize("state", ["RUNNING", "CANCELLING"])
@pytest.mark.parametrize(("incarnation", "begun"), [("first", "j1"), ("*", "")])
def test_a_begun_job_that_must_not_run_twice_ends_in_doubt(
    kernel: Kernel, crashed: bool, state: str, incarnation: str, begun: str
) -> None:
    """FAILED / OUTCOME_UNKNOWN, whatever ended the child; nobody knows what its run did.

    A worker that comes back under its name cannot tell what it ran: what had begun is enough.
    """
    kernel.submit("j1", at_most_once=True)
    kernel.begin(kernel.claim("ana"))
    kernel.change("j1", state=state)

    kernel.recover("ana", incarnation=incarnation, begun=begun, crashed=crashed)

    record = kernel.record("j1")
    assert (record.state, record.failure) == (State.FAILED, DOUBT)
    assert kernel.queued() == []


@pytest.mark.parametrize("asked", [True, False])
def test_a_job_that_must_not_run_twice_and_had_not_begun_goes_back(
    kernel: Kernel, asked: bool
) -> None:
    """The child died before its handler was called, whether or not it had leave to call it."""
    kernel.submit("j1", at_most_once=True)
    claim = kernel.claim("ana")
    if asked:
        kernel.begin(claim)

    kernel.recover("ana", begun="", crashed=True)

    assert kernel.state("j1") == State.PENDING
    assert kernel.queued() == ["j1"]


def test_a_worker_that_dies_whole_and_comes_back_is_charged_a_loss(kernel: Kernel) -> None:
    """A job that kills parent and child does not do so for ever, only because the name stays."""
    kernel.submit("j1")

    for losses in range(1, calls.LOSS_BUDGET + 1):
        kernel.claim("ana", incarnation=f"i{losses}")
        kernel.recover("ana", incarnation="*", following=f"i{losses + 1}")
        assert (kernel.field("j1", "losts"), kernel.field("j1", "crashes")) == (str(losses), "0")

    record = kernel.record("j1")
    assert (record.state, record.failure) == (State.FAILED, LOST)
