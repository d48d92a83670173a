"""By how much a run is put off after its tick."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from portaria.schedules.jitter import jitter_ms
from portaria.v1.schedules_service_pb2 import Schedule


def test_it_follows_from_schedule_and_tick() -> None:
    """All schedulers agree, those of another release, too."""
    schedule = Schedule(schedule_id="nightly", jitter=Duration(seconds=60))

    assert [jitter_ms(schedule, tick) for tick in (0, 60_000, 120_000)] == [33140, 56253, 30560]


def test_it_is_spread_evenly_from_none_to_the_widest() -> None:
    """Over many ticks."""
    schedule = Schedule(schedule_id="nightly", jitter=Duration(seconds=10))

    drawn = [jitter_ms(schedule, tick * 60_000) for tick in range(2_000)]

    assert 0 <= min(drawn) < 50
    assert 9_950 < max(drawn) <= 10_000
    assert 4_700 < sum(drawn) / len(drawn) < 5_300


def test_without_one_a_run_is_not_put_off() -> None:
    """As by default."""
    assert jitter_ms(Schedule(schedule_id="nightly"), 60_000) == 0
