"""renew: one call prolongs what all children of a parent hold."""

from __future__ import annotations

from conformance.kernel import Kernel, ended
from portaria.store import Renewal


def test_leases_are_prolonged(kernel: Kernel) -> None:
    """From now on, by a whole lease."""
    kernel.submit("j1")
    claim = kernel.claim("ana", lease_ms=1_000)

    (renewal,) = kernel.renew("ana", lease_ms=60_000)

    assert renewal == Renewal(held=["j1"], lost=[], cancelled=[], killed=[])
    assert 59_000 < kernel.lease_ms(claim) <= 60_000


def test_each_worker_has_its_own_answer_in_order(kernel: Kernel) -> None:
    """A worker that had no turn yet holds nothing, and is not gone."""
    kernel.submit("j1")
    kernel.submit("j2")
    kernel.claim("ana")
    kernel.claim("rui")

    ana, new, rui = kernel.renew("ana", "new", "rui")

    nothing = Renewal(lost=[], cancelled=[], killed=[], held=[])
    assert (ana.held, new, rui.held) == (["j1"], nothing, ["j2"])


def test_a_lapsed_lease_that_nobody_reaped_is_still_held(kernel: Kernel) -> None:
    """Late is not lost: only reaping takes a job away."""
    kernel.submit("j1")
    claim = kernel.claim("ana")
    kernel.lapse(claim)

    assert kernel.renew("ana")[0].held == ["j1"]
    assert kernel.lease_ms(claim) > 0
    assert kernel.reap_now() == []


def test_a_job_that_was_given_away_is_lost(kernel: Kernel) -> None:
    """And its new hold is not touched."""
    kernel.submit("j1")
    kernel.lapse(kernel.claim("ana"))
    kernel.reap_now()
    held = kernel.claim("rui", lease_ms=1_000)

    (renewal,) = kernel.renew("ana", lease_ms=60_000)

    assert (renewal.lost, renewal.held) == (["j1"], [])
    assert kernel.lease_ms(held) <= 1_000
    assert kernel.leases() == [f"j1:{held.token}"]


def test_a_request_to_cancel_comes_with_the_answer(kernel: Kernel) -> None:
    """The job is still held until its handler has heeded it."""
    kernel.submit("j1")
    kernel.claim("ana")
    kernel.change("j1", state="CANCELLING")

    (renewal,) = kernel.renew("ana")

    assert (renewal.cancelled, renewal.held, renewal.lost) == (["j1"], ["j1"], [])


def test_a_closed_incarnation_is_gone(kernel: Kernel) -> None:
    """Its child must end."""
    kernel.submit("j1")
    kernel.claim("ana")
    kernel.recover("ana", following="second")

    assert kernel.renew("ana", incarnation="first") == [Renewal(gone=True)]
    assert kernel.renew("ana", incarnation="second")[0].gone is False


def test_a_finished_job_is_not_renewed(kernel: Kernel) -> None:
    """Nothing comes back into the registry of leases."""
    kernel.submit("j1")
    kernel.turn("ana", ended(kernel.claim("ana")))

    (renewal,) = kernel.renew("ana")

    assert (renewal.held, renewal.lost) == ([], [])
    assert kernel.leases() == []


def test_renewing_nobody_is_harmless(kernel: Kernel) -> None:
    """A parent between two children asks all the same."""
    assert kernel.renew() == []
