"""What becomes of stored schedules where a list is applied: a plan of records, and no Redis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from acme_jobs.lab.v1 import lab_pb2
from portaria.admission.rules import Rules
from portaria.core.errors import EtagMismatch, InvalidRequest, NewerRelease, ScheduleExists
from portaria.core.seal import KeyRing
from portaria.intake.admission import Admission
from portaria.intake.catalogue import Catalogue
from portaria.jobs.discovery import load_files
from portaria.jobs.schedule import Schedule
from portaria.schedules.applying import (
    ADDED,
    CHANGED,
    REMOVED,
    UNCHANGED,
    Applying,
    Wanted,
    check_release,
)
from portaria.schedules.checking import Checked, Checker
from portaria.schedules.declared import check_list
from portaria.schedules.definitions import Definitions
from portaria.store.releases import Standing
from portaria.store.schedule_records import ScheduleRecord
from portaria.store.schedules import Changed, Paused

OWNER = "team.schedules"
NOW_MS = 1_795_285_833_000
KEYS = KeyRing([bytes(32)])
DEFINITIONS = Definitions(KEYS, "default")
Check = Callable[..., Checked]


@pytest.fixture(scope="module")
def checker() -> Checker:
    catalogue, rules = Catalogue(load_files(["acme_jobs"])), Rules()
    catalogue.learn({})
    admission = Admission(catalogue=catalogue, rules=rules, keys=KEYS, namespace="default")
    return Checker(admission, rules)


@pytest.fixture
def check(checker: Checker) -> Check:
    """A schedule that was checked."""

    def checked(schedule_id: str, **given: Any) -> Checked:
        given = given or {"every": timedelta(hours=1)}
        return checker.check(Schedule(schedule_id, lab_pb2.Noop(), **given).to_proto())

    return checked


def stored(checked: Checked, *, owner: str = OWNER, **given: Any) -> ScheduleRecord:
    """A schedule as Redis holds it."""
    made = DEFINITIONS.write(
        checked.schedule, content_hash=checked.content_hash, created_by="x", next_ms=1, owner=owner
    )
    record = ScheduleRecord(
        namespace="default", schedule_id=checked.schedule.schedule_id, revision=made.revision,
        definition=made.sealed, content_hash=made.content_hash, owner=owner, release="1",
        paused=None, error="", next_ms=1, created_ms=1, updated_ms=1, last_tick_ms=0,
        last_job_id="", fired=0, passed=0,
    )  # fmt: skip
    return replace(record, **given)


def applying(*checked: Checked, release: str = "2", force: bool = False) -> Applying:
    """A list on its way."""
    wanted = Wanted(owner=OWNER, release=release, schedules=checked, force=force)
    return Applying(wanted, DEFINITIONS, "default")


def ops(one: Applying, *records: ScheduleRecord, release: str = "2") -> list[str]:
    """What would be sent, where this release has the list: what is done to each schedule."""
    calls = one.calls(Standing(release, NOW_MS, records))
    return [
        call.script.name if call.script.name == "release" else f"{call.arguments[0]} {_id(call)}"
        for call in calls
    ]


def _id(call: Any) -> str:
    return str(call.arguments[1])


def actions(one: Applying) -> dict[str, int]:
    """What became of each schedule."""
    return {change.schedule_id: change.action for change in one.changes}


def test_a_list_adds_changes_and_removes_what_it_owns(check: Check) -> None:
    """And leaves alone what is as declared, and what others own."""
    one = applying(check("new-one"), check("same"), check("other", cron="0 2 * * *"))

    sent = ops(
        one,
        stored(check("same")),
        stored(check("other")),
        stored(check("gone")),
        stored(check("by-hand"), owner=""),
        stored(check("of-others"), owner="others.schedules"),
    )

    assert sent == ["create new-one", "replace other", "remove gone"]
    assert actions(one) == {"new-one": ADDED, "same": UNCHANGED, "other": CHANGED, "gone": REMOVED}
    assert [change.in_words for change in one.changes] == [
        "every hour", "every hour", "every day at 02:00 in UTC", "every hour",
    ]  # fmt: skip


def test_what_is_written_follows_from_what_was_read(check: Check) -> None:
    """Every change names the revision that it replaces, and the release that may write it."""
    there = stored(check("other"))
    one = applying(check("other", cron="0 2 * * *"))

    (change,) = one.calls(Standing("2", NOW_MS, [there]))

    assert change.arguments[2] == there.revision
    assert change.arguments[-2:] == ("default:team.schedules", "2")


def test_a_paused_one_is_compared_as_any_other(check: Check) -> None:
    """Nothing is written of one that is as declared, so it stays paused; see schedule.lua."""
    there = stored(check("same"), paused=Paused("repairs", "ana", 1), next_ms=0)

    assert ops(applying(check("same")), there) == []


def test_a_definition_that_is_not_believed_is_written_anew(check: Check) -> None:
    """Whatever hash stands beside it: of what a schedule does only the seal tells."""
    forged = stored(check("same"), definition=b"x" * 80)
    swapped = replace(stored(check("other")), schedule_id="swapped")

    one = applying(check("same"), check("swapped"))

    assert ops(one, forged, swapped) == ["replace same", "replace swapped"]


def test_ids_of_somebody_else_are_refused(check: Check) -> None:
    """All of them are named, and there is nothing to send."""
    theirs = [stored(check("by-hand"), owner=""), stored(check("their-own"), owner="o.schedules")]

    with pytest.raises(ScheduleExists) as refusal:
        ops(applying(check("new-one"), check("by-hand"), check("their-own")), *theirs)

    assert "by-hand (made by hand), their-own (o.schedules)" in refusal.value.message


@pytest.mark.parametrize(
    ("there", "ours", "is_newer"),
    [
        ("", "1", False),
        ("1.9", "1.10", False),
        ("1.10", "1.9", True),
        ("1.0", "1.0.0", False),
        ("2026.11.1", "2026.11.1rc1", True),
        ("2026.11.1", "2026.11.1+hotfix.1", False),
        ("1", "0", True),
        ("spoilt by others", "1", False),
    ],
)
def test_an_older_release_never_overrides_a_newer(
    check: Check, there: str, ours: str, is_newer: bool
) -> None:
    """Versions are compared as Python's packages are; by force the older one does."""
    changed = check("same", cron="0 2 * * *")
    record = stored(check("same"))

    if is_newer:
        with pytest.raises(NewerRelease) as refusal:
            ops(applying(changed, release=ours), record, release=there)
        assert refusal.value.metadata == {"release": there}
    else:
        assert ops(applying(changed, release=ours), record, release=there) == ["release"]
    forced = applying(changed, release=ours, force=True)
    assert ops(forced, record, release=there) == ["release"]


def test_what_was_cut_off_is_completed(check: Check) -> None:
    """The release is there already, and half of the list: the rest is sent."""
    one = applying(check("done-one"), check("left-one"))

    assert ops(one, stored(check("done-one"))) == ["create left-one"]


def test_the_list_is_taken_over_before_it_is_compared(check: Check) -> None:
    """What an older release writes until then is seen; after that it writes nothing."""
    one = applying(check("new-one"))

    (first,) = one.calls(Standing("1", NOW_MS, []))

    assert first.arguments == ("default:team.schedules", "1", "2")
    assert not one.heard(Changed.OK)
    assert ops(one, stored(check("late-one"))) == ["create new-one", "remove late-one"]
    assert one.heard(Changed.OK)


def test_one_that_was_overtaken_stops(check: Check) -> None:
    """Once it has begun, whoever took the list over is right: a newer one, or a meant roll-back."""
    for rival in ("3", "1"):
        one = applying(check("new-one"))
        ops(one, release="1")
        assert not one.heard(Changed.OK)
        ops(one)
        assert not one.heard(Changed.STALE)

        with pytest.raises(NewerRelease) as refusal:
            one.calls(Standing(rival, NOW_MS, []))

        assert refusal.value.metadata == {"release": rival}


def test_one_that_was_late_to_begin_judges_anew(check: Check) -> None:
    """An older one took the list over in between: it is newer still."""
    one = applying(check("new-one"), release="3")
    ops(one, release="1")

    assert not one.heard(Changed.STALE)

    assert ops(one, release="2") == ["release"]


def test_changes_of_all_plans_are_told(check: Check) -> None:
    """What the first one added is no less added because the second one finds it."""
    one = applying(check("first-one"), check("second-one"))
    ops(one)

    ops(one, stored(check("first-one")), stored(check("second-one")), release="2")

    assert actions(one) == {"first-one": ADDED, "second-one": ADDED}
    assert isinstance(one.contended(), EtagMismatch)


def test_what_is_perhaps_not_meant_is_said(check: Check) -> None:
    """A fixed hour with any minute runs sixty times in it."""
    one = applying(check("cleanup", cron="* */6 * * *"))
    ops(one)

    (change,) = one.changes
    assert any("runs 60 times in each of the hours" in text for text in change.warnings)


@pytest.mark.parametrize("release", ["", "today", "1 2", "v-1", "1.0;2"])
def test_a_release_is_a_version(release: str) -> None:
    """Or nobody could say which is newer."""
    with pytest.raises(InvalidRequest) as refusal:
        check_release(release)

    (wrong,) = refusal.value.violations
    assert (wrong.field, wrong.reason) == ("release", "FORMAT")


def test_all_that_is_wrong_with_a_list_is_said_at_once(checker: Checker) -> None:
    """Of each schedule, of the release, and of ids that come twice."""
    good = Schedule("good", lab_pb2.Noop(), cron="0 2 * * *").to_proto()
    bad = Schedule("BAD", lab_pb2.Noop(), cron="61 * * * *", time_zone="Mars/X").to_proto()

    with pytest.raises(InvalidRequest) as refusal:
        check_list(checker, "x y", [good, bad, good])

    assert {each.field: each.reason for each in refusal.value.violations} == {
        "release": "FORMAT",
        "schedules[1].schedule_id": "FORMAT",
        "schedules[1].cron": "CRON_FORMAT",
        "schedules[1].time_zone": "UNKNOWN",
        "schedules[2].schedule_id": "DUPLICATE",
    }
