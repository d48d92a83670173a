"""Events in order, in frames of a bearable size."""

from __future__ import annotations

from portaria.frontdoor.frames import in_order, outdates_progress, progress_event, split
from portaria.frontdoor.subscription import Report
from portaria.store.events import ProgressEvent, StateEvent, Tag
from portaria.v1.job_pb2 import JOB_STATE_CANCELLING, JOB_STATE_RUNNING
from portaria.v1.jobs_service_pb2 import JobEvent

TAG = Tag(queue="mail:high", type="t", namespace="default", workflow_id="", labels={})


def _change(
    entry_id: str, previous: str, state: str, job_id: str = "j", attempt: int = 1
) -> StateEvent:
    return StateEvent(
        entry_id=entry_id,
        job_id=job_id,
        state=state,
        attempt=attempt,
        previous=previous,
        worker="",
        next_ms=0,
        tag=TAG,
    )


def _report(time_ms: int, attempt: int = 1, *, cancelling: bool = False) -> Report:
    return Report(time_ms, ProgressEvent("j", attempt, TAG, b"", cancelling))


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


def test_changes_of_one_millisecond_keep_their_order() -> None:
    """A run that ended and the next one that began, whatever else was reported meanwhile."""
    changes = [
        _change("5-0", "RUNNING", "PENDING"),
        _change("5-1", "PENDING", "RUNNING", attempt=2),
        _change("5-2", "PENDING", "RUNNING", job_id="k"),
    ]

    of_first, of_second = _report(5), _report(5, attempt=2)

    assert in_order(changes, {"j": of_first}) == [of_first, *changes]
    assert in_order(changes, {"j": of_second}) == [*changes, of_second]


def test_progress_comes_before_the_request_to_end_or_after_it_as_it_was() -> None:
    """Within the millisecond of that request, by what the worker knew."""
    asked = _change("5-0", "RUNNING", "CANCELLING")
    ended = _change("5-1", "CANCELLING", "CANCELLED")
    before, after = _report(5), _report(5, cancelling=True)

    assert in_order([asked, ended], {"j": before}) == [before, asked, ended]
    assert in_order([asked, ended], {"j": after}) == [asked, after, ended]
    assert progress_event(before).state == JOB_STATE_RUNNING
    assert progress_event(after).state == JOB_STATE_CANCELLING


def test_what_leaves_a_running_state_outdates_its_progress() -> None:
    """So that it is told first; what begins a run does not."""
    assert outdates_progress(_change("1-0", "RUNNING", "PENDING"))
    assert outdates_progress(_change("1-0", "RUNNING", "CANCELLING"))
    assert outdates_progress(_change("1-0", "CANCELLING", "CANCELLED"))
    assert not outdates_progress(_change("1-0", "PENDING", "RUNNING"))


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
