"""Schedules over a socket: made, read, changed, paused, run by hand, removed."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from redis import Redis

from acme_jobs.lab.v1.lab_pb2 import Noop
from integration.frontdoor.conftest import OpenDoor
from integration.frontdoor.playing import Door, Worker, email, keyspace, refused, submission
from integration.frontdoor.scheduling import Schedules, refusal, schedule, seconds, stamp
from portaria.core.seal import load_key_ring
from portaria.schedules.definitions import Definitions
from portaria.settings import Settings
from portaria.store import keys
from portaria.store.schedules import Tick, replace, resume, tick
from portaria.v1 import schedules_service_pb2 as wire
from portaria.v1.job_pb2 import JOB_STATE_CANCELLED, JOB_STATE_PENDING, JOB_STATE_UNSPECIFIED
from portaria.v1.jobs_service_pb2 import CancelJobsRequest, JobSelector

ACTIVE, PAUSED = wire.SCHEDULE_STATE_ACTIVE, wire.SCHEDULE_STATE_PAUSED
ENDED, ERROR = wire.SCHEDULE_STATE_ENDED, wire.SCHEDULE_STATE_ERROR


@pytest.fixture
def schedules(door: Door) -> Schedules:
    return Schedules(door)


def now() -> datetime:
    return datetime.now(UTC)


# --- made and read --------------------------------------------------------------------------------


def test_a_schedule_is_made_and_read(schedules: Schedules) -> None:
    """With its words, its state and its next tick, in its own zone."""
    made = schedules.create(schedule(time_zone="Africa/Luanda", labels={"team": "ops"})).schedule

    assert made == schedules.get()
    assert (made.state, made.in_words) == (ACTIVE, "every day at 02:00 in Africa/Luanda")
    assert made.etag
    assert (made.paused, made.managed_by_config) == (False, False)
    following = made.next_run_time.ToDatetime(UTC)
    assert (following.hour, following.minute, following.second) == (1, 0, 0)
    assert timedelta() < following - now() <= timedelta(days=1)
    assert made.spec.payload.Is(email().DESCRIPTOR)
    assert dict(made.labels) == {"team": "ops"}
    assert made.create_time == made.update_time


def test_the_same_again_answers_it_and_another_is_refused(schedules: Schedules) -> None:
    """By content: the order of labels, and what is output only, is none."""
    made = schedules.create(schedule(labels={"a": "1", "b": "2"})).schedule
    again = schedule(labels={"b": "2", "a": "1"}, run_count=7, in_words="never")

    assert schedules.create(again).schedule == made
    told = refusal(schedules.create, schedule(labels={"a": "1"}))
    assert (told.code, told.reason) == (grpc.StatusCode.ALREADY_EXISTS, "SCHEDULE_EXISTS")
    assert schedules.get() == made


def test_checked_only_it_is_not_there(schedules: Schedules, redis: Redis) -> None:
    """And answered as it would be; what would be refused is."""
    before = keyspace(redis)
    answer = schedules.create(schedule(cron="* */6 * * *"), validate_only=True)

    assert (answer.schedule.state, answer.schedule.etag) == (ACTIVE, "")
    assert answer.schedule.HasField("next_run_time")
    assert keyspace(redis) == before
    assert any("did you mean `0 */6 * * *`" in each for each in answer.warnings)
    schedules.create()
    told = refusal(schedules.create, schedule(every=60), validate_only=True)
    assert told.reason == "SCHEDULE_EXISTS"


def test_one_without_a_tick_left_has_ended(schedules: Schedules) -> None:
    """It is kept, so that people can see why nothing runs."""
    made = schedules.create(schedule(end_time=stamp("2020-01-01T00:00"))).schedule

    assert made.state == ENDED
    assert not made.HasField("next_run_time")


def test_schedules_are_listed_in_pages(schedules: Schedules) -> None:
    """By id, each once; by domain where one is named; with how many schedulers live."""
    for number in range(5):
        schedules.create(schedule(f"mail-{number}"))
    schedules.create(schedule("lab-0", Noop()))
    found, token = [], ""
    while True:
        page = schedules.list(page_size=2, page_token=token)
        found += [each.schedule_id for each in page.schedules]
        token = page.next_page_token
        if not token:
            break

    assert found == ["lab-0", *(f"mail-{number}" for number in range(5))]
    of_lab = [each.schedule_id for each in schedules.list(domain="lab").schedules]
    assert of_lab == ["lab-0"]
    of_mail = schedules.list(domain="mail", page_size=1)
    assert [each.schedule_id for each in of_mail.schedules] == ["mail-0"]
    rest = schedules.list(domain="mail", page_token=of_mail.next_page_token)
    assert len(rest.schedules) == 4
    assert schedules.list(domain="nowhere").schedules == []
    assert schedules.list().schedulers == 0


def test_schedulers_that_live_are_counted(schedules: Schedules, redis: Redis) -> None:
    """Those that fell silent are not."""
    redis.zadd(keys.SCHEDULERS, {"one": time.time() + 60, "two": time.time() - 1})

    assert schedules.list().schedulers == 1


def test_nobody_knows_a_schedule_of_another_namespace(
    schedules: Schedules, open_door: OpenDoor, settings: Settings
) -> None:
    """It neither is read nor changed, nor in the way."""
    elsewhere = Schedules(open_door(settings.model_copy(update={"namespace": "other"})))
    schedules.create()

    assert refusal(elsewhere.get).reason == "SCHEDULE_NOT_FOUND"
    assert elsewhere.list().schedules == []
    elsewhere.create(schedule(every=60))
    elsewhere.delete()
    assert schedules.get().cron == "0 2 * * *"


@pytest.mark.parametrize(
    "deed", ["get", "delete", "pause", "resume", "trigger", "runs", "preview", "update"]
)
def test_a_schedule_that_is_not_there(schedules: Schedules, deed: str) -> None:
    """Is told as such by each RPC."""
    given: dict[str, Any] = {"preview": {"schedule_id": "nightly"}}.get(deed, {})
    arguments = [schedule()] if deed == "update" else []

    told = refusal(getattr(schedules, deed), *arguments, **given)

    assert (told.code.name, told.reason) == ("NOT_FOUND", "SCHEDULE_NOT_FOUND")


# --- changed --------------------------------------------------------------------------------------


def test_the_fields_of_a_mask_are_replaced(schedules: Schedules) -> None:
    """And no other; a cron takes the place of an interval; an absent one is cleared."""
    made = schedules.create(
        schedule(every=60, labels={"a": "1"}, jitter=seconds(5), time_zone="UTC")
    ).schedule
    changed = schedules.update(
        schedule(cron="* 3 * * *", labels={"b": "2"}, jitter=None), "when", "jitter"
    )

    after = changed.schedule
    assert (after.cron, after.HasField("interval"), after.HasField("jitter")) == (
        "* 3 * * *", False, False,
    )  # fmt: skip
    assert dict(after.labels) == {"a": "1"}
    assert after.etag != made.etag
    assert len(changed.warnings) == 1
    assert after.next_run_time.ToDatetime().hour == 3
    assert schedules.update(schedule(labels={"b": "2"}), "labels").schedule.labels == {"b": "2"}
    assert schedules.update(schedule(every=45), "cron").schedule.interval.seconds == 45


def test_without_a_mask_all_is_replaced(schedules: Schedules) -> None:
    """All that callers write."""
    schedules.create(schedule(labels={"a": "1"}, catch_up=wire.CATCH_UP_ALL))

    after = schedules.update(schedule(every=30)).schedule

    assert (after.interval.seconds, after.catch_up, dict(after.labels)) == (30, 0, {})


def test_a_change_of_its_own_fields_keeps_the_ticks_that_are_due(
    schedules: Schedules, redis: Redis
) -> None:
    """They are fired after it; where the ticks change they start anew."""
    schedules.create(schedule(every=60))
    redis.zadd(keys.ticks("default"), {"nightly": 60_000})

    labelled = schedules.update(schedule(labels={"a": "1"}), "labels").schedule
    assert labelled.next_run_time.seconds == 60
    same = schedules.update(schedule(every=60, labels={"a": "1"})).schedule
    assert same == labelled
    # The first tick of its new definition that was not over by the old plan.
    assert schedules.update(schedule(every=120), "interval").schedule.next_run_time.seconds == 120


@pytest.mark.parametrize("fields", ["interval", "end_time", "time_zone"])
def test_a_change_of_when_it_ticks_leaves_what_is_due_due(
    schedules: Schedules, redis: Redis, fields: str
) -> None:
    """A tick that the new definition has, too, is caught up as after any outage."""
    schedules.create(schedule(every=60))
    redis.zadd(keys.ticks("default"), {"nightly": 600_000})
    changed = schedule(every=30 if fields == "interval" else 60, time_zone="Asia/Tokyo")
    changed.end_time.FromDatetime(datetime(2040, 1, 1, tzinfo=UTC))

    schedules.update(changed, fields)

    assert redis.zscore(keys.ticks("default"), "nightly") == 600_000


def test_the_same_again_over_a_forged_definition_is_told(
    schedules: Schedules, redis: Redis
) -> None:
    """What fires is what is sealed, whatever the hash beside it says."""
    schedules.create()
    redis.hset(keys.schedule("default", "nightly"), "definition", b"forged")

    assert refusal(schedules.create).reason == "SCHEDULE_BROKEN"


def test_an_update_needs_the_newest_etag_where_it_has_one(schedules: Schedules) -> None:
    """So nobody overwrites what he has not seen; a delete, too."""
    first = schedules.create().schedule.etag
    second = schedules.update(schedule(every=60), etag=first).schedule.etag

    for deed in (
        lambda: schedules.update(schedule(every=90), etag=first),
        lambda: schedules.delete(etag=first),
    ):
        told = refusal(deed)
        assert (told.code.name, told.reason) == ("ABORTED", "ETAG_MISMATCH")
    assert schedules.get().interval.seconds == 60
    schedules.delete(etag=second)
    assert refusal(schedules.get).reason == "SCHEDULE_NOT_FOUND"


def test_updates_at_once_lose_nothing(schedules: Schedules) -> None:
    """Each changes its own field, without an etag."""
    schedules.create(schedule(every=60))
    changes = [
        (schedule(labels={"a": "1"}), "labels"),
        (schedule(jitter=seconds(7)), "jitter"),
        (schedule(time_zone="Africa/Luanda"), "time_zone"),
        (schedule(max_catch_up=9, catch_up=wire.CATCH_UP_ALL), "max_catch_up"),
    ]
    threads = [threading.Thread(target=schedules.update, args=each) for each in changes]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    after = schedules.get()
    assert dict(after.labels) == {"a": "1"}
    assert (after.jitter.seconds, after.time_zone, after.max_catch_up) == (7, "Africa/Luanda", 9)


def test_a_mask_is_refused_with_all_that_is_wrong_in_it(schedules: Schedules) -> None:
    """What is output only, and what is no field."""
    schedules.create()
    request = wire.UpdateScheduleRequest(schedule=schedule())
    request.update_mask.paths.extend(["labels", "run_count", "spec.options", "nothing", "paused"])

    told = refused(schedules.stub.UpdateSchedule, request)

    assert told.fields == {
        "update_mask.paths[1]": "OUTPUT_ONLY",
        "update_mask.paths[2]": "UNKNOWN",
        "update_mask.paths[3]": "UNKNOWN",
        "update_mask.paths[4]": "OUTPUT_ONLY",
    }


def test_a_declared_schedule_is_changed_where_it_is_declared(
    schedules: Schedules, settings: Settings, worker: Worker
) -> None:
    """It may be paused, and run by hand."""
    made = schedules.create().schedule
    definitions = Definitions(load_key_ring(settings.key_file), "default")
    declared = definitions.write(
        schedule(), content_hash="h", created_by="a", next_ms=1, owner="acme.list", release="7"
    )
    worker.store.run(replace("default", "nightly", declared))

    for call, request in (
        (schedules.stub.UpdateSchedule, wire.UpdateScheduleRequest(schedule=made)),
        (schedules.stub.DeleteSchedule, wire.DeleteScheduleRequest(schedule_id="nightly")),
    ):
        told = refused(call, request)
        assert (told.code.name, told.reason) == ("FAILED_PRECONDITION", "SCHEDULE_DECLARED")
        assert told.detail(ErrorInfo).metadata["owner"] == "acme.list"
    after = schedules.pause()
    assert (after.managed_by_config, after.owner, after.release) == (True, "acme.list", "7")
    assert schedules.trigger()


# --- paused ---------------------------------------------------------------------------------------


def test_a_paused_schedule_has_no_next_tick_until_it_goes_on(
    schedules: Schedules, redis: Redis
) -> None:
    """None of the pause is made up; pausing again replaces the reason; an update keeps it."""
    schedules.create(schedule(every=60))
    paused = schedules.pause(reason="repairs")

    assert (paused.state, paused.paused, paused.pause_reason) == (PAUSED, True, "repairs")
    assert not paused.HasField("next_run_time")
    assert schedules.pause(reason="more repairs").pause_reason == "more repairs"
    assert schedules.update(schedule(every=50)).schedule.state == PAUSED
    assert redis.zscore(keys.ticks("default"), "nightly") is None
    resumed = schedules.resume()
    assert (resumed.state, resumed.pause_reason) == (ACTIVE, "")
    assert timedelta() < resumed.next_run_time.ToDatetime(UTC) - now() <= timedelta(seconds=50)


def test_resuming_one_that_runs_skips_none_of_its_ticks(
    schedules: Schedules, redis: Redis, worker: Worker
) -> None:
    """What is due stays due, also where two resume it at once."""
    made = schedules.create(schedule(every=60)).schedule
    redis.zadd(keys.ticks("default"), {"nightly": 60_000})

    assert schedules.resume().next_run_time.seconds == 60
    worker.store.run(resume("default", "nightly", made.etag, 90_000))
    assert schedules.get().next_run_time.seconds == 60


# --- run by hand ----------------------------------------------------------------------------------


def test_a_run_by_hand_is_a_job_of_the_schedule(door: Door, schedules: Schedules) -> None:
    """Also of a paused one; its plan stays as it is."""
    plan = schedules.create().schedule.next_run_time
    job, deduplicated = schedules.trigger()

    assert (job.state, job.schedule_id, deduplicated) == (JOB_STATE_PENDING, "nightly", False)
    assert door.get(job.job_id).schedule_id == "nightly"
    after = schedules.get()
    assert (after.run_count, after.last_job_id, after.next_run_time) == (1, job.job_id, plan)
    assert timedelta() <= now() - after.last_run_time.ToDatetime(UTC) < timedelta(seconds=30)


def test_a_trigger_that_is_repeated_runs_once(schedules: Schedules) -> None:
    """Under its request_id, also while that run is open, and is counted once."""
    schedules.create()
    job, _ = schedules.trigger(request_id="r-1")

    again, deduplicated = schedules.trigger(request_id="r-1")

    assert (again.job_id, deduplicated) == (job.job_id, True)
    assert schedules.get().run_count == 1
    assert len(list(schedules.runs())) == 1


def test_a_request_id_that_stands_for_something_else_is_refused(
    door: Door, schedules: Schedules
) -> None:
    """For a job of nobody's, or a run of another schedule, however alike they are."""
    schedules.create()
    schedules.create(schedule("other"))
    door.jobs.SubmitJob(submission(email(), request_id="r-1"), timeout=5)
    schedules.trigger("other", request_id="r-2")

    for request_id in ("r-1", "r-2"):
        told = refusal(schedules.trigger, request_id=request_id)
        assert (told.code.name, told.reason) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    assert schedules.get().run_count == 0


def test_while_a_run_is_open_no_other_is_triggered(door: Door, schedules: Schedules) -> None:
    """Unless the schedule allows it; the refusal names the job."""
    schedules.create()
    schedules.create(schedule("many", overlap=wire.OVERLAP_POLICY_ALLOW))
    job, _ = schedules.trigger()

    told = refusal(schedules.trigger)

    assert (told.code.name, told.reason) == ("FAILED_PRECONDITION", "RUN_OPEN")
    assert told.detail(ErrorInfo).metadata["job_id"] == job.job_id
    assert schedules.trigger("many")[0].job_id != schedules.trigger("many")[0].job_id
    door.jobs.CancelJobs(CancelJobsRequest(selector=JobSelector(job_ids=[job.job_id])), timeout=5)
    assert schedules.trigger()[0].job_id != job.job_id


# --- previews and history -------------------------------------------------------------------------


def test_two_zones_in_one_door(schedules: Schedules) -> None:
    """02:00 is one instant in Luanda and another in São Paulo, and in New York it moves."""
    schedules.create(schedule("luanda", time_zone="Africa/Luanda"))
    schedules.create(schedule("sao-paulo", time_zone="America/Sao_Paulo"))
    after = stamp("2027-03-13T00:00")

    def instants(**given: Any) -> list[str]:
        answer = schedules.preview(count=3, after=after, **given)
        return [f"{each.ToDatetime():%d %H:%M}" for each in answer.times]

    assert instants(schedule_id="luanda") == ["13 01:00", "14 01:00", "15 01:00"]
    assert instants(schedule_id="sao-paulo") == ["13 05:00", "14 05:00", "15 05:00"]
    # On the 14th the clock goes from 02:00 to 03:00: the gap's 02:30 runs when it ends.
    gap = schedule(cron="30 2 * * *", time_zone="America/New_York")
    assert instants(schedule=gap) == ["13 07:30", "14 07:00", "15 06:30"]


def test_a_preview_of_one_that_is_not_stored(schedules: Schedules, redis: Redis) -> None:
    """Ten instants from now on; with words, and what to look at."""
    before = keyspace(redis)
    answer = schedules.preview(schedule=wire.Schedule(cron="* 5 * * *", time_zone="Africa/Luanda"))

    assert len(answer.times) == 10
    assert answer.in_words.endswith("in Africa/Luanda")
    assert "runs 60 times" in answer.warnings[0]
    assert keyspace(redis) == before


def test_the_history_tells_what_became_of_ticks(
    door: Door, schedules: Schedules, worker: Worker
) -> None:
    """Newest first: states of jobs as they are now, what was skipped and why, how late it was."""
    made = schedules.create().schedule
    job, _ = schedules.trigger()
    door.jobs.CancelJobs(CancelJobsRequest(selector=JobSelector(job_ids=[job.job_id])), timeout=5)
    gone, _ = schedules.trigger()
    worker.store.redis.delete(keys.job(gone.job_id))
    moment = made.next_run_time.ToMilliseconds()
    missed = Tick(
        namespace="default", schedule_id="nightly", revision=made.etag, seen_ms=moment,
        tick_ms=1_000, next_ms=moment, passed=2, reason="MISSED",
    )  # fmt: skip
    assert worker.store.run(tick(missed)).word == "passed"

    skipped, second, first = schedules.runs()

    assert (skipped.tick.seconds, skipped.skipped_reason, skipped.skipped) == (1, "MISSED", 3)
    assert (skipped.job_id, skipped.state) == ("", JOB_STATE_UNSPECIFIED)
    assert skipped.lateness.seconds > 1_000_000
    assert (second.job_id, second.state) == (gone.job_id, JOB_STATE_UNSPECIFIED)
    assert (first.job_id, first.state) == (job.job_id, JOB_STATE_CANCELLED)
    assert first.lateness.seconds < 5
    assert schedules.get().skipped_count == 3


# --- spoilt ---------------------------------------------------------------------------------------


def test_a_definition_that_was_tampered_with_stops_no_other(
    schedules: Schedules, redis: Redis
) -> None:
    """It shows its id and why; it is mended by a new definition as a whole, or deleted."""
    for schedule_id in ("aaa", "nightly", "swapped", "wrong", "zzz"):
        schedules.create(schedule(schedule_id))
    other = redis.hget("portaria:schedule:default:aaa", "definition")
    assert isinstance(other, bytes)
    redis.hset("portaria:schedule:default:nightly", "definition", b"spoilt")
    redis.hset("portaria:schedule:default:swapped", "definition", other)
    redis.set("portaria:schedule:default:wrong", "no hash")

    found = {each.schedule_id: each for each in schedules.list().schedules}

    assert {name: each.state for name, each in found.items()} == {
        "aaa": ACTIVE, "nightly": ERROR, "swapped": ERROR, "zzz": ACTIVE,
    }  # fmt: skip
    assert "not believed" in found["nightly"].error
    assert not found["swapped"].HasField("spec")
    for deed, given in (
        (schedules.preview, {"schedule_id": "nightly"}),
        (schedules.trigger, {}),
    ):
        assert refusal(deed, **given).reason == "SCHEDULE_BROKEN"
    assert refusal(schedules.update, schedule(), "labels").reason == "SCHEDULE_BROKEN"
    schedules.delete("swapped")
    assert schedules.update(schedule()).schedule.state == ACTIVE


def test_one_whose_type_vanished_says_so(
    schedules: Schedules, open_door: OpenDoor, settings: Settings
) -> None:
    """Before a tick of it is due; a trigger is refused as a submit is."""
    schedules.create(schedule("lab-0", Noop()))
    schedules.create()
    without = Schedules(open_door(settings.model_copy(update={"jobs": ["portaria_workers"]})))

    states = {each.schedule_id: each for each in without.list().schedules}

    assert (states["lab-0"].state, states["nightly"].state) == (ERROR, ACTIVE)
    assert "job type" in states["lab-0"].error
    assert refusal(without.trigger, "lab-0").reason == "UNKNOWN_JOB_TYPE"
