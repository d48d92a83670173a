"""A declared list is applied over a socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from redis import Redis

from acme_jobs.lab.v1.lab_pb2 import Noop
from integration.frontdoor.playing import Door
from integration.frontdoor.scheduling import Schedules, refusal, schedule
from portaria.settings import Settings
from portaria.store import Store, keys
from portaria.store.connect import connect
from portaria.store.releases import take_over
from portaria.store.schedules import Applied, Changed, remove
from portaria.v1 import schedules_service_pb2 as wire
from portaria.v1.schedules_service_pb2 import Schedule

OWNER = "team.schedules"
SIGNS = {
    wire.ApplySchedulesResponse.ACTION_ADDED: "+",
    wire.ApplySchedulesResponse.ACTION_CHANGED: "~",
    wire.ApplySchedulesResponse.ACTION_REMOVED: "-",
    wire.ApplySchedulesResponse.ACTION_UNCHANGED: "=",
}


@pytest.fixture
def schedules(door: Door) -> Schedules:
    return Schedules(door)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """A rival."""
    with connect(settings.redis_url) as redis:
        yield Store(redis)


def listed(*ids: str, **given: Any) -> list[Schedule]:
    """Schedules that differ in nothing but their ids."""
    return [schedule(each, Noop(), **{"cron": "0 2 * * *", **given}) for each in ids]


def apply(
    schedules: Schedules, declared: list[Schedule], release: str = "1", **given: Any
) -> set[str]:
    """What became of each: "+first"."""
    return {f"{SIGNS[each.action]}{each.schedule_id}" for each in
            applied(schedules, declared, release, **given).changes}  # fmt: skip


def applied(
    schedules: Schedules, declared: list[Schedule], release: str = "1", **given: Any
) -> wire.ApplySchedulesResponse:
    request = wire.ApplySchedulesRequest(
        **{"owner": OWNER, "release": release, "schedules": declared, **given}
    )
    return schedules.stub.ApplySchedules(request, timeout=10)


def test_a_list_adds_changes_and_removes_what_it_owns(schedules: Schedules) -> None:
    """What is as declared is not written; what people made, and other lists, stays as it is."""
    schedules.create(schedule("by-hand"))
    apply(schedules, listed("theirs"), owner="others.schedules")
    assert apply(schedules, listed("kept", "other", "gone")) == {"+kept", "+other", "+gone"}
    before = {each.schedule_id: each for each in schedules.list().schedules}

    declared = listed("kept", "fresh") + listed("other", cron="0 3 * * *")
    done = apply(schedules, declared, "2")

    assert done == {"=kept", "+fresh", "~other", "-gone"}
    after = {each.schedule_id: each for each in schedules.list().schedules}
    assert after.keys() == {"by-hand", "theirs", "kept", "other", "fresh"}
    for name in ("by-hand", "theirs", "kept"):
        assert after[name] == before[name]
    other = after["other"]
    assert (other.in_words, other.owner, other.release, other.managed_by_config) == (
        "every day at 03:00 in UTC", OWNER, "2", True,
    )  # fmt: skip
    assert other.create_time == before["other"].create_time
    assert apply(schedules, declared, "2") == {"=kept", "=other", "=fresh"}


def test_a_paused_one_stays_paused(schedules: Schedules) -> None:
    """Also where it is changed: who paused it had a reason."""
    apply(schedules, listed("same", "other"))
    schedules.pause("same")
    schedules.pause("other", "broken")

    done = apply(schedules, listed("same") + listed("other", cron="0 3 * * *"), "2")

    assert done == {"=same", "~other"}
    assert schedules.get("same").paused
    other = schedules.get("other")
    assert (other.pause_reason, other.in_words) == ("broken", "every day at 03:00 in UTC")
    assert not other.HasField("next_run_time")
    assert schedules.resume("other").HasField("next_run_time")


def test_history_and_plan_of_what_is_unchanged_stay(schedules: Schedules, redis: Redis) -> None:
    """A deploy does not move a tick that is due."""
    apply(schedules, listed("same"))
    redis.zadd(keys.ticks("default"), {"same": 1_795_000_000_000})
    schedules.trigger("same")

    apply(schedules, listed("same"), "2")

    assert redis.zscore(keys.ticks("default"), "same") == 1_795_000_000_000
    assert len(schedules.runs("same")) == 1


def test_an_id_of_somebody_else_is_refused_and_nothing_is_written(schedules: Schedules) -> None:
    """Neither what is new nor what left the list."""
    schedules.create(schedule("by-hand"))
    apply(schedules, listed("kept"))

    refused = refusal(apply, schedules, listed("fresh", "by-hand"))

    assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "SCHEDULE_EXISTS")
    assert "by-hand" in refused.message
    assert [each.schedule_id for each in schedules.list().schedules] == ["by-hand", "kept"]


def test_an_older_release_changes_nothing_unless_it_is_meant(schedules: Schedules) -> None:
    """A machine that was not deployed yet must not undo what the others did; a roll-back may."""
    apply(schedules, listed("kept", "fresh"), "1.10")

    refused = refusal(apply, schedules, listed("kept"), "1.9")

    assert (refused.code, refused.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION, "NEWER_RELEASE",
    )  # fmt: skip
    assert dict(refused.detail(ErrorInfo).metadata)["release"] == "1.10"
    assert len(schedules.list().schedules) == 2
    assert apply(schedules, listed("kept"), "1.9", force=True) == {"=kept", "-fresh"}
    assert apply(schedules, listed("kept"), "1.9") == {"=kept"}


def test_a_dry_run_writes_nothing(schedules: Schedules, redis: Redis) -> None:
    """Not even that the release was there."""
    apply(schedules, listed("gone"))
    before = (redis.hgetall(keys.RELEASES), schedules.list().schedules)

    done = apply(schedules, listed("fresh"), "2", validate_only=True)

    assert done == {"+fresh", "-gone"}
    assert (redis.hgetall(keys.RELEASES), schedules.list().schedules) == before


def test_all_that_is_wrong_is_said_and_nothing_is_written(schedules: Schedules) -> None:
    """Of a bad list no schedule is taken, be it as good as it may."""
    bad = schedule("bad", Noop(), cron="61 * * * *", time_zone="America/Sao Paulo")

    refused = refusal(apply, schedules, [*listed("good", "good"), bad], "x y")

    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.fields == {
        "release": "FORMAT",
        "schedules[1].schedule_id": "DUPLICATE",
        "schedules[2].cron": "CRON_FORMAT",
        "schedules[2].time_zone": "UNKNOWN",
    }
    assert not schedules.list().schedules


def test_what_is_perhaps_not_meant_is_said(schedules: Schedules) -> None:
    """A fixed hour with any minute."""
    (change,) = applied(schedules, listed("cleanup", cron="* */6 * * *")).changes

    assert "did you mean `0 */6 * * *`?" in change.warnings[0]


def test_what_was_cut_off_half_way_is_completed(schedules: Schedules, store: Store) -> None:
    """By whoever comes next with the same release."""
    apply(schedules, listed("first", "second", "third"))
    assert store.run(remove("default", "second")) is Changed.OK

    assert apply(schedules, listed("first", "second", "fourth")) == {
        "=first", "+second", "+fourth", "-third",
    }  # fmt: skip


def test_one_that_was_overtaken_writes_nothing_more(schedules: Schedules, store: Store) -> None:
    """What it sends after a newer release has begun is stale, whatever it is."""
    apply(schedules, listed("kept"), "1")
    ours = Applied(OWNER, "1")

    assert store.run(take_over("default", Applied(OWNER, "2"), "1")) is Changed.OK

    assert store.run(remove("default", "kept", applied=ours)) is Changed.STALE
    assert store.run(take_over("default", ours, "1")) is Changed.STALE
    assert schedules.get("kept").release == "1"


def test_a_forged_one_is_mended(schedules: Schedules, redis: Redis) -> None:
    """Its definition is not believed, so it is not taken for what was declared."""
    apply(schedules, listed("forged"))
    redis.hset(keys.schedule("default", "forged"), "definition", b"x" * 80)

    assert apply(schedules, listed("forged")) == {"~forged"}
    assert apply(schedules, listed("forged")) == {"=forged"}
