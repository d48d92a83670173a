"""Events in order, in frames of a bearable size."""

from __future__ import annotations

from portaria.frontdoor.frames import in_order, run_ended, split
from portaria.frontdoor.subscription import Report
from portaria.store.events import ProgressEvent, StateEvent, Tag
from portaria.v1.jobs_service_pb2 import JobEvent

TAG = Tag(queue="mail:high", type="t", namespace="default", workflow_id="", labels={})


def _change(entry_id: str, previous: str, state: str, job_id: str = "j") -> StateEvent:
    return StateEvent(
        entry_id=entry_id,
        job_id=job_id,
        state=state,
        attempt=1,
        previous=previous,
        worker="",
        next_ms=0,
        tag=TAG,
    )


def _report(time_ms: int) -> Report:
    return Report(time_ms, ProgressEvent("j", 1, TAG, b""))


def test_within_a_millisecond_progress_is_inside_its_run() -> None:
    """After RUNNING, before what ended the run."""
    began = _change("5-0", "PENDING", "RUNNING")
    ended = _change("5-1", "RUNNING", "SUCCEEDED")
    report = _report(5)

    assert in_order([began, ended], {"j": report}) == [began, report, ended]


def test_otherwise_the_clock_orders() -> None:
    """Entry ids are numbers: 10 comes after 9."""
    first, second = _change("9-9", "PENDING", "RUNNING"), _change("10-0", "RUNNING", "RETRYING")

    assert in_order([first, second], {"j": _report(8)}) == [_report(8), first, second]


def test_a_run_ends_with_any_state_that_does_not_run() -> None:
    """Cancelling is still running."""
    assert run_ended(_change("1-0", "RUNNING", "PENDING"))
    assert run_ended(_change("1-0", "CANCELLING", "CANCELLED"))
    assert not run_ended(_change("1-0", "RUNNING", "CANCELLING"))
    assert not run_ended(_change("1-0", "PENDING", "RUNNING"))


def test_frames_are_split_by_size() -> None:
    """At least one event each, all of them, in order; one frame for none."""
    small = [JobEvent(job_id=str(number)) for number in range(10)]
    large = JobEvent(job_id="x" * 500)

    pieces = list(split([*small, large, *small], limit=100))

    assert [each for piece in pieces for each in piece] == [*small, large, *small]
    assert [large] in pieces
    assert all(
        sum(each.ByteSize() for each in piece) <= 100 for piece in pieces if large not in piece
    )
    assert list(split([])) == [[]]
