"""Each check of watches finds the fault that it is there for, and none where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from robustness.doors import Strike, broken_off, in_mid_stream
from robustness.stream import Change
from robustness.watched import Sight, Watch, check_watches

JOB = "j1"
LIFE = (
    Change(1_000, "PENDING", 0, "-", "-", "1000-0"),
    Change(1_010, "RUNNING", 1, "PENDING", "w1", "1010-0"),
    Change(1_050, "PENDING", 1, "RUNNING", "-", "1050-0"),
    Change(1_050, "RUNNING", 2, "PENDING", "w2", "1050-1"),
    Change(1_090, "SUCCEEDED", 2, "RUNNING", "w2", "1090-0"),
)


def _told(change: Change) -> Sight:
    previous = change.previous.replace("-", "")
    return Sight("state_change", JOB, change.at_ms, change.state, change.attempt, previous)


def _progress(at_ms: int, attempt: int, current: int, state: str = "RUNNING") -> Sight:
    return Sight("progress", JOB, at_ms, state, attempt, current=current)


SNAPSHOT = Sight("snapshot", JOB, 1_000, "PENDING", 0, entry="1000-0")
SEEN = [
    SNAPSHOT,
    _told(LIFE[1]),
    _progress(1_020, 1, 1),
    _progress(1_030, 1, 2),
    _told(LIFE[2]),
    _told(LIFE[3]),
    _progress(1_060, 2, 1),
    _told(LIFE[4]),
]


def _watch(*seen: Sight) -> Watch:
    return Watch("w", [JOB], seen=list(seen), is_over=True)


def _faults(watch: Watch) -> list[str]:
    return [check.name for check in check_watches([watch], {JOB: LIFE}) if check.faults]


def _without(*places: int) -> Watch:
    return _watch(*(each for number, each in enumerate(SEEN) if number not in places))


def _with(place: int, *more: Sight) -> Watch:
    return _watch(*SEEN[:place], *more, *SEEN[place:])


def _in_place(place: int, sight: Sight) -> Watch:
    return _watch(*SEEN[:place], sight, *SEEN[place + 1 :])


LEFT_OUT = "changes that were left out"
TWICE = "changes told twice"
DISORDER = "changes told out of order"
NEVER = "changes that never happened"
SNAPSHOTS = "snapshots of what never was"
NO_END = "jobs whose end"
PROGRESS = "progress of a run that was over"

FORGED: dict[str, tuple[Watch, str]] = {
    "a gap": (_without(4), LEFT_OUT),
    "a gap after the snapshot": (_without(1), LEFT_OUT),
    "a gap at the end": (_without(7), LEFT_OUT),
    "no end": (_without(7), NO_END),
    "nothing at all": (_watch(), LEFT_OUT),
    "a repeat": (_with(5, SEEN[4]), TWICE),
    "a repeat of the end": (_with(8, SEEN[7]), TWICE),
    "a repeat of what the snapshot knew": (_with(1, _told(LIFE[0])), TWICE),
    "two changed places": (_watch(*SEEN[:4], SEEN[5], SEEN[4], *SEEN[6:]), DISORDER),
    "a state that goes back": (_with(7, SEEN[1]), DISORDER),
    "a change of another attempt": (_in_place(5, replace(SEEN[5], attempt=3)), NEVER),
    "a change at another time": (_in_place(5, replace(SEEN[5], at_ms=1_051)), NEVER),
    "a change from another state": (_in_place(5, replace(SEEN[5], previous="RETRYING")), NEVER),
    "a second snapshot": (_with(3, SNAPSHOT), SNAPSHOTS),
    "a snapshot that comes late": (_watch(SEEN[1], SEEN[0], *SEEN[2:]), SNAPSHOTS),
    "a snapshot in a wrong state": (_in_place(0, replace(SNAPSHOT, state="RUNNING")), SNAPSHOTS),
    "a snapshot of nothing known": (_in_place(0, replace(SNAPSHOT, entry="9-9")), SNAPSHOTS),
    "a snapshot in spite of a cursor": (
        replace(_watch(*SEEN), cursor="g.1000-0"), SNAPSHOTS,
    ),
    "a gap at the begin, after a cursor before the job": (
        replace(_watch(*SEEN[1:]), cursor="g.999-0"), LEFT_OUT,
    ),
    "a gap after the cursor": (replace(_watch(*SEEN[5:]), cursor="g.1010-0"), LEFT_OUT),
    "a repeat of what is before the cursor": (
        replace(_watch(*SEEN[1:]), cursor="g.1010-0"), TWICE,
    ),
    "progress before the run": (_with(1, _progress(1_005, 0, 1)), PROGRESS),
    "progress after the run": (_with(5, _progress(1_040, 1, 3)), PROGRESS),
    "progress of the run before": (_with(6, _progress(1_040, 1, 3)), PROGRESS),
    "progress after the end": (_with(8, _progress(1_091, 2, 2)), PROGRESS),
    "progress that goes back": (_with(4, _progress(1_035, 1, 1)), PROGRESS),
    "progress that is repeated": (_with(4, _progress(1_035, 1, 2)), PROGRESS),
    "progress that undoes a cancel": (
        _in_place(3, _progress(1_030, 1, 2, "CANCELLING")), PROGRESS,
    ),
    "an event of another job": (_with(1, replace(SEEN[1], job_id="j2")), "events of other jobs"),
    "a job that is gone": (_with(1, replace(SEEN[1], kind="removed")), "events of other jobs"),
    "a watcher that raised": (replace(_watch(*SEEN), error="Oh"), "watchers that raised"),
    "a watch that hangs": (replace(_watch(*SEEN), is_over=False), "watches without an end"),
}  # fmt: skip


@pytest.mark.parametrize(
    "watch",
    [
        _watch(*SEEN),
        _watch(*(each for each in SEEN if each.kind != "progress")),
        _watch(replace(SNAPSHOT, entry="1050-1", state="RUNNING", attempt=2), *SEEN[6:]),
        _watch(replace(SNAPSHOT, entry="1090-0", state="SUCCEEDED", attempt=2)),
        replace(_watch(*SEEN[4:]), cursor="g.1010-0"),
        replace(_watch(_told(LIFE[0]), *SEEN[1:]), cursor="g.999-7"),
    ],
    ids=[
        "all",
        "no progress",
        "begun in the middle",
        "begun at the end",
        "from a cursor",
        "from a cursor before the job",
    ],
)
def test_a_sound_journal_has_no_faults(watch: Watch) -> None:
    """Wherever it begins, and however much of the progress it tells."""
    assert _faults(watch) == []


@pytest.mark.parametrize("fault", FORGED)
def test_a_forged_fault_is_found(fault: str) -> None:
    """Whatever is forged into a sound journal, the check for it speaks."""
    watch, expected = FORGED[fault]

    assert any(name.startswith(expected) for name in _faults(watch)), _faults(watch)


def test_a_job_that_the_stream_does_not_know_is_a_fault() -> None:
    """What was told of it cannot be judged."""
    checks = check_watches([_watch(*SEEN)], {})

    assert NEVER in [check.name for check in checks if check.faults]


def test_each_kill_is_charged_with_what_it_broke_off() -> None:
    """Streams that broke before the first one are nobody's."""
    strikes = [Strike(10.0, ["d0"], "SIGKILL"), Strike(20.0, ["d1"], "SIGTERM")]

    counts = [count for _, count in broken_off(strikes, [9.0, 10.1, 10.2, 19.9, 25.0])]

    assert counts == [3, 1]


def test_a_kill_counts_where_a_watch_of_that_very_door_broke_off() -> None:
    """Neither for the other door that was killed with it, nor for the one that was killed next."""
    strikes = [Strike(10.0, ["d0", "d1"], "SIGKILL"), Strike(20.0, ["d1"], "SIGKILL")]

    assert in_mid_stream(strikes, {"d0": [10.1, 20.1]}) == 1
    assert in_mid_stream(strikes, {"d0": [9.9], "d1": [20.1, 20.2]}) == 1
    assert in_mid_stream(strikes, {"d0": [10.1], "d1": [10.1, 20.1]}) == 3
