"""Schedules in which something is wrong: refused by its path, and nothing is written."""

from __future__ import annotations

import time
from collections.abc import Iterator

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from redis import Redis

from integration.frontdoor.playing import Door, email, keyspace
from integration.frontdoor.scheduling import Schedules, refusal, schedule, seconds, stamp
from portaria.v1.job_pb2 import JobSpec, SubmitOptions
from portaria.v1.schedules_service_pb2 import Schedule

HOUR = Duration(seconds=3_600)


def of_type(name: str) -> JobSpec:
    return JobSpec(payload=AnyMessage(type_url=f"type.googleapis.com/{name}"))


def with_options(**given: object) -> Schedule:
    made = schedule()
    made.spec.options.CopyFrom(SubmitOptions(**given))  # type: ignore[arg-type] # of a table
    return made


def wrong() -> Iterator[tuple[str, Schedule, dict[str, str]]]:
    """A name, a schedule, and path -> reason of what is wrong with it."""
    for cron in ("0 0 2 * * *", "61 * * * *", "@reboot", "", "* * * *", "0 0 L * *", "a b c d e"):
        yield f"cron {cron}", schedule(cron=cron), {"cron": "CRON_FORMAT"}
    yield "never", schedule(cron="0 0 30 2 *"), {"cron": "NEVER_FIRES"}
    yield "long cron", schedule(cron="0," * 200), {"cron": "TOO_LONG"}
    for span in (seconds(0), seconds(0.1), Duration(seconds=-5), Duration(seconds=367 * 86_400),
                 Duration(seconds=1, nanos=1), Duration(seconds=2**40)):  # fmt: skip
        yield f"every {span.seconds}", schedule(interval=span), {"interval": "OUT_OF_RANGE"}
    for zone in ("America/Sao Paulo", "UTC+3", "Mars/X", "../etc/passwd", "localtime", "\0"):
        yield f"zone {zone!r}", schedule(time_zone=zone), {"time_zone": "UNKNOWN"}
    both = schedule(start_time=stamp("2030-01-01T00:00"), end_time=stamp("2029-01-01T00:00"))
    yield "ends first", both, {"end_time": "NEVER_FIRES"}
    yield "no when", Schedule(schedule_id="nightly", spec=schedule().spec), {"when": "REQUIRED"}
    yield "no id", schedule(""), {"schedule_id": "FORMAT"}
    yield "id", schedule("Nightly"), {"schedule_id": "FORMAT"}
    no_spec = {"spec": "REQUIRED", "spec.payload": "REQUIRED"}
    yield "no spec", Schedule(schedule_id="nightly", cron="0 2 * * *"), no_spec
    unknown = schedule(spec=of_type("acme.Nothing"))
    yield "unknown type", unknown, {"spec.payload": "UNKNOWN_JOB_TYPE"}
    refused = schedule(payload=email("nobody", template="welcome"))
    yield "payload", refused, {"spec.payload.to": "EMAIL_FORMAT"}
    for name in ("run_time", "start_before_time", "deadline"):
        made = with_options(**{name: Timestamp(seconds=int(time.time()) + 3_600)})
        yield name, made, {f"spec.options.{name}": "NOT_SUPPORTED"}
    yield "delay", with_options(delay=HOUR), {"spec.options.delay": "NOT_SUPPORTED"}
    yield "jitter", schedule(jitter=seconds(3_601)), {"jitter": "OUT_OF_RANGE"}
    yield "window", schedule(catchup_window=seconds(0)), {"catchup_window": "OUT_OF_RANGE"}
    yield "most", schedule(max_catch_up=1_001), {"max_catch_up": "OUT_OF_RANGE"}
    yield "overlap", schedule(overlap=9), {"overlap": "UNKNOWN"}
    yield "labels", schedule(labels={"A": "b"}), {'labels["A"]': "FORMAT"}
    many = schedule("N", refused.spec.payload, cron="@daily", time_zone="Mars/X", jitter=HOUR)
    many.spec.CopyFrom(refused.spec)
    all_of_it = {"schedule_id": "FORMAT", "cron": "CRON_FORMAT", "time_zone": "UNKNOWN",
                 "spec.payload.to": "EMAIL_FORMAT"}  # fmt: skip
    yield "all at once", many, all_of_it


WRONG = list(wrong())


def test_what_is_wrong_is_refused_by_its_path(door: Door, redis: Redis) -> None:
    """By a create, checked only or not, and by an update; nothing is written."""
    schedules = Schedules(door)
    schedules.create(schedule("standing"))
    before, found = keyspace(redis), []
    for name, made, expected in WRONG:
        paths = {f"schedule.{path}": reason for path, reason in expected.items()}
        tries = {
            "create": lambda made=made: schedules.create(made),
            "check": lambda made=made: schedules.create(made, validate_only=True),
            "update": lambda made=made: schedules.update(made),
        }
        for how, deed in tries.items():
            told = refusal(deed)
            if (told.code.name, told.fields) != ("INVALID_ARGUMENT", paths):
                found.append(f"{how} {name}: {told.code.name} {told.message} {told.fields}")
    assert not found, "\n".join(found)
    assert keyspace(redis) == before


def test_a_preview_refuses_what_a_create_would(door: Door) -> None:
    """Of when it ticks; it reads nothing else."""
    schedules, found = Schedules(door), []
    ticks = ("cron", "interval", "time_zone", "start_time", "end_time", "when")
    for name, made, expected in WRONG:
        judged = {f"schedule.{path}" for path in expected if path in ticks}
        if judged:
            told = refusal(schedules.preview, schedule=made)
            if told.fields.keys() != judged:
                found.append(f"{name}: {told.fields}")
        else:
            schedules.preview(schedule=made)
    assert not found, "\n".join(found)
    assert refusal(schedules.preview).fields == {"what": "REQUIRED"}
    assert refusal(schedules.preview, schedule=schedule(), count=1_001).fields == {
        "count": "OUT_OF_RANGE"
    }


def test_a_token_of_nobody_is_refused(door: Door) -> None:
    """Whether it is no base64, or no text."""
    schedules = Schedules(door)
    for token in ("!", "_____w", "a"):
        assert refusal(schedules.list, page_token=token).fields == {"page_token": "FORMAT"}
