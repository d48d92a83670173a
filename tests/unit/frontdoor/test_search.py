"""Selectors of lists and deeds."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from portaria.core.states import State
from portaria.frontdoor.search import search_faults, search_from_proto
from portaria.store.events import Tag
from portaria.store.listing import bounds
from portaria.v1.job_pb2 import JobState
from portaria.v1.jobs_service_pb2 import JobSelector

TAG = Tag(queue="mail:high", type="a.B", namespace="default", workflow_id="w", labels={"x": "1"})


def matches(*, created_ms: int = 1_000, state: State = State.FAILED, **given: object) -> bool:
    selector = JobSelector(**given)  # type: ignore[arg-type]
    assert not list(search_faults(selector))
    return search_from_proto(selector, "default").matches(TAG, state, created_ms)


@pytest.mark.parametrize("state", State)
def test_every_state_can_be_searched(state: State) -> None:
    """Values of one field are ORed."""
    wanted = [JobState.Value(f"JOB_STATE_{state}"), JobState.JOB_STATE_BLOCKED]

    assert matches(state=state, states=wanted)
    assert matches(state=state, states=wanted[:0])
    assert state is State.BLOCKED or not matches(state=state, states=wanted[1:])


@pytest.mark.parametrize(
    ("after", "before", "expected"),
    [
        (Timestamp(seconds=1), None, False),
        (Timestamp(nanos=999_999_999), None, True),
        (None, Timestamp(seconds=1), False),
        (None, Timestamp(seconds=1, nanos=1), True),
        (Timestamp(nanos=999_999_999), Timestamp(seconds=1, nanos=1), True),
        (Timestamp(), Timestamp(seconds=2), True),
    ],
)
def test_moments_are_not_part_of_what_they_bound(
    after: Timestamp | None, before: Timestamp | None, expected: bool
) -> None:
    """After is after, before is before; to the nanosecond, though jobs have milliseconds."""
    assert matches(created_after=after, created_before=before) is expected


def test_the_walk_is_cut_with_room_for_clocks_that_differ() -> None:
    """The ids between start and end hold every job that can match, in either order."""
    moment_ms = 1_700_000_000_000
    early, late = (f"{ms << 16:016x}" for ms in (moment_ms - 500_000, moment_ms + 500_000))
    early, late = (f"{each[:8]}-{each[8:12]}-7fff-8000-000000000000" for each in (early, late))

    start, end = bounds(
        newest_first=False, after_ns=moment_ms * 10**6, before_ns=moment_ms * 10**6 + 1
    )

    assert start < early < late < end
    assert bounds(
        newest_first=True, after_ns=moment_ms * 10**6, before_ns=moment_ms * 10**6 + 1
    ) == (end, start)
    assert bounds(newest_first=True, after_ns=None, before_ns=None) == ("", "")
    assert bounds(newest_first=False, after_ns=-(10**18), before_ns=10**25)


@pytest.mark.parametrize(
    ("before", "created_ms", "expected"),
    [
        (None, 1_000, True),
        (None, 1_001, False),
        (Timestamp(seconds=9), 1_000, True),
        (Timestamp(seconds=9), 1_001, False),
        (Timestamp(nanos=1), 0, True),
        (Timestamp(), 0, False),
    ],
)
def test_a_search_may_end_at_a_moment(
    before: Timestamp | None, created_ms: int, expected: bool
) -> None:
    """The moment is part of it; an earlier end of its own stays."""
    selector = JobSelector(created_before=before)
    search = search_from_proto(selector, "default").until(1_000)

    assert search.matches(TAG, State.FAILED, created_ms) is expected
