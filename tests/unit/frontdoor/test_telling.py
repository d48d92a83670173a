"""What is told together."""

from __future__ import annotations

import pytest

from portaria.frontdoor.subscription import Report
from portaria.frontdoor.telling import portions
from portaria.store.events import ProgressEvent, StateEvent, Tag

TAG = Tag(queue="mail:high", type="t", namespace="default", workflow_id="", labels={})
REPORT = Report(5, ProgressEvent("j", 1, TAG, b""))


def _change(state: str) -> StateEvent:
    return StateEvent(
        entry_id="5-0",
        job_id="j",
        state=state,
        attempt=1,
        previous="RUNNING",
        worker="",
        next_ms=0,
        tag=TAG,
    )


@pytest.mark.parametrize(
    ("state", "include_result", "sizes"),
    [
        ("FAILED", False, [50, 50, 20]),
        ("RETRYING", False, [50, 50, 20]),
        ("SUCCEEDED", False, [120]),
        ("SUCCEEDED", True, [10] * 12),
    ],
)
def test_few_records_are_read_at_once(state: str, include_result: bool, sizes: list[int]) -> None:
    """Fewer where each may hold a result."""
    told = [_change(state)] * 120

    assert [len(each) for each in portions(told, include_result=include_result)] == sizes


def test_what_needs_no_record_parts_nothing() -> None:
    """Everything is told once, in order; nothing is one piece."""
    told = [REPORT, _change("RUNNING")] * 100 + [_change("FAILED")] * 51

    pieces = portions(told, include_result=False)

    assert [len(each) for each in pieces] == [250, 1]
    assert [each for piece in pieces for each in piece] == told
    assert portions([], include_result=False) == [[]]
