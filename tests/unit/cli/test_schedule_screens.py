"""Schedules, their next runs and their history as tables."""

import io
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from rich.console import Console

from portaria.cli.schedule_screens import (
    next_words,
    notes,
    preview_table,
    runs_table,
    schedule_view,
    schedules_table,
)
from portaria.v1 import job_pb2
from portaria.v1 import schedules_service_pb2 as wire
from portaria.v1.schedules_service_pb2 import ListScheduleRunsResponse, Schedule

Run = ListScheduleRunsResponse.Run


def drawn(renderable, width=100) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(renderable)
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.fixture
def nightly(at):
    return Schedule(
        schedule_id="nightly",
        cron="0 2 * * *",
        time_zone="Africa/Luanda",
        state=wire.SCHEDULE_STATE_ACTIVE,
        in_words="every day at 02:00 in Africa/Luanda",
        next_run_time=at(13 * 3_600),
    )


@pytest.mark.parametrize("width", [80, 120])
def test_a_schedule_says_when_it_runs_next(nightly, noon, at, width):
    """From now, and on the clock of its own zone; one that is late says how late."""
    nightly.next_run_time.CopyFrom(at(13 * 3_600))
    late = Schedule(schedule_id="late", next_run_time=at(-300), state=nightly.state)
    far = Schedule(schedule_id="far", next_run_time=at(40 * 86_400), state=9)

    _, first, *rest = drawn(schedules_table([nightly, late, far], noon), width)
    words = " ".join(first.split())

    assert words.startswith("nightly active in 13 h Thu 02:00 every day at 02:00 in")
    assert any(line.split()[:5] == ["late", "active", "5", "min", "late"] for line in rest)
    assert rest[-1].split() == ["far", "unknown", "in", "40", "d", "2026-12-14"]
    assert all(len(line) <= width for line in (first, *rest))


def test_what_is_wrong_has_a_line_of_its_own(nightly):
    """An error before a pause; no word of theirs moves the cursor."""
    nightly.paused, nightly.pause_reason = True, "re\x1b[31mpairs\n"
    broken = Schedule(schedule_id="broken", error="its type is not known", paused=True)

    assert [str(each) for each in notes([nightly, broken, Schedule()])] == [
        "nightly is paused: re [31mpairs",
        "broken: its type is not known",
    ]


def test_all_about_one(nightly, noon, at):
    """What it does, what it did, whose it is."""
    nightly.last_run_time.CopyFrom(at(-11 * 3_600))
    nightly.last_job_id, nightly.run_count, nightly.skipped_count = "j1", 1_200, 3
    nightly.catch_up, nightly.max_catch_up = wire.CATCH_UP_ALL, 5
    nightly.catchup_window.FromTimedelta(timedelta(hours=2))
    nightly.managed_by_config, nightly.owner, nightly.release = True, "acme.list", "7"
    nightly.spec.payload.type_url = "type.googleapis.com/acme.Nothing"
    text = "\n".join(drawn(schedule_view(nightly, noon)))

    for line in (
        "next      in 13 h, on Thu 2026-11-05 02:00:00 WAT",
        "last      11 h ago, on Wed 2026-11-04 02:00:00 WAT, job j1",
        "so far    1,200 runs, 3 skipped",
        "catch-up  up to 5 that were missed in the last 2 h are made up",
        "declared  in acme.list, release 7",
        "overlap   skips while a run is open",
    ):
        assert line in text


def test_a_run_that_nobody_fires_is_overdue(nightly, noon, at):
    """Beyond what a scheduler may take."""
    nightly.next_run_time.CopyFrom(at(-3))
    assert next_words(nightly, noon).plain.startswith("3 s ago, on")
    nightly.next_run_time.CopyFrom(at(-60))
    assert next_words(nightly, noon).plain.startswith("due since 1 min, Wed")
    nightly.ClearField("next_run_time")
    assert next_words(nightly, noon).plain == "never"


def test_a_preview_is_in_the_zone_and_in_utc(noon):
    """UTC once where it is the zone; a zone that is not known here is shown as UTC."""
    times = [noon + timedelta(hours=1)]

    assert drawn(preview_table(times, "Africa/Luanda", noon))[1].split() == [
        "Wed", "2026-11-04", "14:00:00", "WAT", "in", "1", "h", "2026-11-04", "13:00:00",
    ]  # fmt: skip
    assert drawn(preview_table(times, "", noon))[1].endswith("13:00:00 UTC    in 1 h")
    assert "13:00:00 UTC" in drawn(preview_table(times, "Mars/X", noon))[1]


def test_a_history_tells_runs_and_what_was_skipped(at):
    """With how late each was, and why."""
    runs = [
        Run(tick=at(60), skipped_reason="OVERLAP", skipped=1),
        Run(tick=at(0), skipped_reason="MISSED", skipped=1_200, lateness=Duration(seconds=90)),
        Run(tick=at(-60), job_id="j2", state=job_pb2.JOB_STATE_SUCCEEDED),
        Run(tick=at(-120), job_id="j1"),
    ]

    lines = [line.split() for line in drawn(runs_table(runs, "Africa/Luanda"))[1:]]

    assert lines[0][1:] == [
        "13:01:00",
        "0",
        "ms",
        "skipped",
        *["the", "run", "before", "was", "open"],
    ]
    assert lines[1][2:] == [
        "1", "min", "30", "s", "skipped", "1,200", *["ticks:", "no", "scheduler", "ran"],
    ]  # fmt: skip
    assert lines[2][4:] == ["SUCCEEDED", "j2"]
    assert lines[3][4:] == ["purged", "j1"]
