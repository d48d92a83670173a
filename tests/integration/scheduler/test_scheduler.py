"""Schedulers as processes: what they make up, what they wait for, and what stops only itself."""

from __future__ import annotations

import signal
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from acme_jobs.lab.v1.lab_pb2 import Noop
from portaria.store import Store, Submission, calls, keys
from portaria.store.schedules import Paused, pause, resume
from portaria.v1.schedules_service_pb2 import (
    CATCH_UP_ALL,
    CATCH_UP_NONE,
    CATCH_UP_ONCE,
    OVERLAP_POLICY_ALLOW,
    Schedule,
)
from stack import Stack, eventually
from stack.schedules import NAMESPACE, Planner, moments

MINUTE = timedelta(minutes=1)
OFTEN = timedelta(seconds=1)


POLICIES: dict[str, tuple[dict[str, Any], range]] = {
    "by default the last one is made up": ({}, range(9, 10)),
    "none": ({"catch_up": CATCH_UP_NONE}, range(0)),
    "once": ({"catch_up": CATCH_UP_ONCE, "overlap": OVERLAP_POLICY_ALLOW}, range(9, 10)),
    "all": ({"catch_up": CATCH_UP_ALL, "overlap": OVERLAP_POLICY_ALLOW}, range(10)),
    "at most three": (
        {"catch_up": CATCH_UP_ALL, "max_catch_up": 3, "overlap": OVERLAP_POLICY_ALLOW},
        range(7, 10),
    ),
    "within five minutes": (
        {
            "catch_up": CATCH_UP_ALL,
            "catchup_window": Duration(seconds=300),
            "overlap": OVERLAP_POLICY_ALLOW,
        },
        range(5, 10),
    ),
    "none within the window": ({"catchup_window": Duration(seconds=20)}, range(0)),
    "all, one at a time": ({"catch_up": CATCH_UP_ALL}, range(1)),
}


def test_after_ten_minutes_without_schedulers_each_policy_is_kept(
    stack: Stack, planner: Planner
) -> None:
    """Ten ticks were missed, the last one half a minute ago; the plan goes on as though not."""
    begin = planner.now().replace(microsecond=0) - 9 * MINUTE - MINUTE / 2
    ids = {name: f"policy-{number}" for number, name in enumerate(POLICIES)}
    for name, (given, _) in POLICIES.items():
        planner.create(ids[name], Noop(), every=MINUTE, start_time=_proto(begin), **given)
        planner.rewind(ids[name], begin)

    scheduler = stack.scheduler()

    scheduler.wait_until(lambda: not planner.is_behind(planner.now()))
    following = begin + 10 * MINUTE
    for name, (_, made_up) in POLICIES.items():
        assert moments(planner.ran(ids[name])) == [begin + n * MINUTE for n in made_up], name
        found = planner.record(ids[name])
        assert (found.fired, found.passed) == (len(made_up), 10 - len(made_up)), name
        assert found.next_ms == int(following.timestamp() * 1000), name


def test_a_tick_comes_at_its_moment(stack: Stack, planner: Planner) -> None:
    """A schedule that is made while all sleep wakes them: the next round is not waited for."""
    stack.scheduler()
    late = []
    for number in range(8):
        # Once, and sooner than anybody would look again by himself.
        moment = planner.now() + timedelta(milliseconds=60)
        moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        name = f"once-{number}"
        planner.create(
            name, Noop(), every=OFTEN, start_time=_proto(moment), end_time=_proto(moment)
        )
        eventually(lambda: planner.ran(name), 10)  # noqa: B023
        late.append(planner.ran(name)[0].late_ms)

    assert min(late) >= 0
    assert median(late) < 200


def test_a_delayed_job_is_queued_at_its_moment(stack: Stack, planner: Planner) -> None:
    """One that is due sooner than all others ends the sleep, too; no worker runs here."""
    stack.scheduler()
    store, late = Store(planner.redis), []
    for number in range(8):
        job_id = f"j{number}"
        submitted = store.run(calls.submit(_delayed(job_id, 60)))
        eventually(lambda: _is_queued(planner, job_id), 10)  # noqa: B023
        late.append(_updated(planner, job_id) - submitted.created_ms - 60)

    assert min(late) >= 0
    assert median(late) < 200


def test_jitter_is_spread(stack: Stack, planner: Planner) -> None:
    """The tick stays what it is; its job waits a little longer."""
    begin = planner.now().replace(microsecond=0) - 9 * MINUTE
    for number in range(8):
        planner.create(
            f"spread-{number}", Noop(), every=MINUTE, start_time=_proto(begin),
            jitter=Duration(seconds=3600),
        )  # fmt: skip
        planner.rewind(f"spread-{number}", begin + 8 * MINUTE)

    stack.scheduler()

    eventually(lambda: not planner.is_behind(planner.now()), 10)
    (due, *_) = waits = [
        int(planner.redis.hget(keys.job(each.job_id), "due") or 0) - each.tick_ms  # type: ignore[arg-type]
        for number in range(8)
        for each in planner.ran(f"spread-{number}")[:1]
    ]
    assert len(set(waits)) > 4
    assert all(0 <= wait <= 3_600_000 for wait in waits)
    assert due != 0


def test_what_cannot_fire_stops_no_other(stack: Stack, planner: Planner) -> None:
    """A definition that was tampered with, one of another schedule, a type that is not known, and
    a key that is no schedule at all."""
    for schedule_id in ("forged", "swapped", "vanished", "other-kind", "fine"):
        planner.create(schedule_id, Noop(), every=OFTEN, overlap=OVERLAP_POLICY_ALLOW)
    redis, key = planner.redis, keys.schedule
    definition: Any = redis.hget(key(NAMESPACE, "forged"), "definition")
    redis.hset(key(NAMESPACE, "forged"), "definition", definition[:-1] + b"x")
    definition = redis.hget(key(NAMESPACE, "fine"), "definition")
    redis.hset(key(NAMESPACE, "swapped"), "definition", definition)
    _retype(planner, "vanished", "acme_jobs.lab.v1.Gone")
    redis.set(key(NAMESPACE, "other-kind"), "no hash")

    scheduler = stack.scheduler()

    scheduler.wait_until(lambda: len(planner.ran("fine")) >= 2)
    errors = {name: planner.record(name).error for name in ("forged", "swapped", "vanished")}
    assert "not believed" in errors["forged"]
    assert "belongs to another schedule" in errors["swapped"]
    assert "spec.payload" in errors["vanished"]
    assert planner.record("fine").error == ""
    assert [planner.ran(name) for name in errors] == [[], [], []]
    assert redis.zscore(keys.ticks(NAMESPACE), "other-kind") is None


def test_redis_may_go_away(stack: Stack, planner: Planner) -> None:
    """The scheduler waits for it, and makes up what its schedules want."""
    planner.create(
        "often", Noop(), every=OFTEN, catch_up=CATCH_UP_ALL, overlap=OVERLAP_POLICY_ALLOW
    )
    scheduler = stack.scheduler()
    scheduler.wait_until(lambda: planner.ran("often"))

    stack.redis_server.process.send(signal.SIGKILL)
    scheduler.wait_for("redis cannot be reached")
    stack.restart_redis()
    back = planner.now()

    scheduler.wait_until(lambda: planner.ran("often")[-1].tick_ms > back.timestamp() * 1000 + 1000)
    ticks = moments(planner.ran("often"))
    assert [after - before for before, after in pairwise(ticks)] == [OFTEN] * (len(ticks) - 1)


def test_a_full_redis_keeps_ticks_due_and_the_rest_going(stack: Stack, planner: Planner) -> None:
    """What frees memory goes on; what waited is fired once there is room."""
    planner.create("often", Noop(), every=OFTEN, catch_up=CATCH_UP_ALL)
    store = Store(planner.redis)
    store.prepare()
    store.run(calls.submit(_delayed("j1", 1500)))
    planner.redis.config_set("maxmemory", 1)

    scheduler = stack.scheduler()

    scheduler.wait_for("redis is full")
    scheduler.wait_until(lambda: planner.redis.lrange("rq:queue:lab:low", 0, -1) == [b"j1"])
    assert planner.ran("often") == []
    planner.redis.config_set("maxmemory", 0)
    scheduler.wait_until(lambda: planner.ran("often"))


def test_a_stopped_scheduler_ends_at_once_and_says_so(stack: Stack, planner: Planner) -> None:
    """Also from a long sleep; rq-scheduler's tools see it come and go."""
    scheduler = stack.scheduler()
    names = stack.redis.keys("rq:scheduler_instance:*")
    assert len(names) == 1
    assert stack.redis.zcard(keys.SCHEDULERS) == 1

    scheduler.terminate()

    assert scheduler.wait(2) == 0
    assert stack.redis.keys("rq:scheduler*") == []
    assert stack.redis.zcard(keys.SCHEDULERS) == 0


def test_a_pause_holds_ticks_until_the_one_that_a_resume_names(
    stack: Stack, planner: Planner
) -> None:
    """Others go on meanwhile."""
    store = Store(planner.redis)
    first = planner.create("often", Noop(), every=OFTEN, overlap=OVERLAP_POLICY_ALLOW)
    store.run(pause(NAMESPACE, "often", Paused("holiday", "ana", 1)))
    planner.create("other", Noop(), every=OFTEN, overlap=OVERLAP_POLICY_ALLOW)
    scheduler = stack.scheduler()
    scheduler.wait_until(lambda: len(planner.ran("other")) >= 2)
    assert planner.ran("often") == []

    again = first + 60 * OFTEN
    store.run(resume(NAMESPACE, "often", planner.record("often").revision, _ms(again)))

    assert planner.record("often").next_ms == _ms(again)


def test_a_burst_fires_what_is_due_and_ends(stack: Stack, planner: Planner) -> None:
    """For those who let cron start it."""
    begin = planner.create("hourly", Noop(), every=timedelta(hours=1)) - timedelta(hours=1)
    planner.rewind("hourly", begin)

    burst = stack.processes.portaria("scheduler", "scheduler", "--burst")

    assert burst.wait(20) == 0
    assert moments(planner.ran("hourly")) == [begin]


def test_a_burst_that_cannot_fire_says_so(stack: Stack, planner: Planner) -> None:
    """Redis is full, say: whoever started it is told by its exit code."""
    for number in range(150):
        planner.create(f"hourly-{number:03d}", Noop(), every=timedelta(hours=1))
        planner.redis.zadd(keys.ticks(NAMESPACE), {f"hourly-{number:03d}": 3_600_000})
    Store(planner.redis).prepare()
    planner.redis.config_set("maxmemory", 1)
    assert stack.processes.portaria("scheduler", "scheduler", "--burst").wait(20) == 3
    planner.redis.config_set("maxmemory", 0)

    assert stack.processes.portaria("scheduler", "scheduler", "--burst").wait(20) == 0
    assert planner.redis.zcount(keys.ticks(NAMESPACE), "-inf", 3_600_000) == 0


def _delayed(job_id: str, delay_ms: int) -> Submission:
    return Submission(
        namespace=NAMESPACE, request_id=job_id, content_hash="c", job_id=job_id, queue="lab:low",
        type="acme_jobs.lab.v1.Noop", envelope=b"e", timeout_s=1, delay_ms=delay_ms, ttl_ms=60_000,
        max_attempts=1,
    )  # fmt: skip


def _is_queued(planner: Planner, job_id: str) -> bool:
    return planner.redis.hget(keys.job(job_id), "state") == b"PENDING"


def _updated(planner: Planner, job_id: str) -> int:
    return int(planner.redis.hget(keys.job(job_id), "updated") or 0)  # type: ignore[arg-type]


def _proto(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _retype(planner: Planner, schedule_id: str, job_type: str) -> None:
    """As though a later release had taken the type away."""
    record = planner.record(schedule_id)
    schedule = Schedule()
    schedule.CopyFrom(planner.definitions.read(record).schedule)
    schedule.spec.payload.type_url = f"type.googleapis.com/{job_type}"
    made = planner.definitions.write(schedule, content_hash="x", created_by="ana", next_ms=0)
    fields: dict[str, Any] = {"definition": made.sealed, "revision": made.revision}
    planner.redis.hset(keys.schedule(NAMESPACE, schedule_id), mapping=fields)
