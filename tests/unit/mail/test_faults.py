"""How addresses ask the sandbox for faults."""

from __future__ import annotations

import pytest

from portaria_workers.mail.sandbox.faults import Fault, FaultKind, Faults, fault_of


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ana@example.com", None),
        ("refuse@example.com", None),
        ("refuse+250@example.com", None),
        ("refuse+550@a.example", Fault(FaultKind.REFUSE, reply="550 5.1.1 no such mailbox")),
        ("refuse+599.ana@a.example", Fault(FaultKind.REFUSE, reply="599 5.0.0 refused")),
        ("reject+554@a.example", Fault(FaultKind.REJECT, reply="554 5.7.1 message not wanted")),
        ("slow+2s@a.example", Fault(FaultKind.SLOW, seconds=2.0)),
        ("slow+50ms@a.example", Fault(FaultKind.SLOW, seconds=0.05)),
        ("cut@a.example", Fault(FaultKind.CUT)),
        ("cutter@a.example", None),
        ("cut-beforex3.rui@a.example", Fault(FaultKind.CUT_BEFORE, tries=3)),
    ],
)
def test_the_local_part_names_the_fault(address: str, expected: Fault | None) -> None:
    """Addresses that merely begin like a fault are ordinary ones."""
    assert expected == fault_of(address)


def test_a_limited_fault_ends_after_its_tries() -> None:
    """busy+450x2 is busy twice and free from then on; each address counts for itself."""
    faults = Faults()

    met = [faults.meet("busy+450x2@a.example") for _ in range(3)]

    assert [fault is not None for fault in met] == [True, True, False]
    assert faults.meet("busy+450x2.other@a.example") is not None
