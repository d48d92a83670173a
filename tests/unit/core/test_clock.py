"""Milliseconds and moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from portaria.core.clock import SystemClock, from_milliseconds, milliseconds, to_milliseconds


@given(milliseconds=st.integers(0, 4_102_444_800_000))
def test_milliseconds_survive_a_moment(milliseconds: int) -> None:
    """What Redis says is what watchers read, to the millisecond."""
    assert to_milliseconds(from_milliseconds(milliseconds)) == milliseconds


def test_a_moment_of_another_zone_is_the_same_moment() -> None:
    """12:00 in Luanda is 11:00 UTC."""
    luanda = datetime(2026, 11, 21, 12, tzinfo=timezone(timedelta(hours=1)))

    assert from_milliseconds(to_milliseconds(luanda)) == datetime(2026, 11, 21, 11, tzinfo=UTC)


def test_the_systems_clock_is_aware_and_never_goes_back() -> None:
    """The wall in UTC, and the stopwatch."""
    clock = SystemClock()

    assert clock.now().utcoffset() == timedelta()
    assert clock.monotonic() <= clock.monotonic()


@given(given=st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_milliseconds_of_a_message_are_protobufs_own(given: int) -> None:
    """Wherever protobuf has any."""
    moment = Timestamp()
    moment.FromMilliseconds(given)

    assert milliseconds(moment) == given


@pytest.mark.parametrize("kind", [Timestamp, Duration])
@pytest.mark.parametrize(
    ("seconds", "year"), [(-(2**63), 1), (-62_135_596_801, 1), (253_402_300_800, 9999)]
)
def test_no_message_is_too_far_off(
    kind: type[Timestamp] | type[Duration], seconds: int, year: int
) -> None:
    """What a caller sent must not be a fault of ours, and can be shown."""
    assert from_milliseconds(milliseconds(kind(seconds=seconds))).year == year
