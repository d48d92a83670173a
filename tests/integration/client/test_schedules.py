"""Schedules by the client and by commands, over a door's process."""

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from acme_jobs.lab.v1.lab_pb2 import Noop
from portaria.cli.app import app
from portaria.cli.running import run
from portaria.client import (
    AsyncClient,
    EtagMismatch,
    InvalidRequest,
    RunOpen,
    ScheduleBroken,
    ScheduleExists,
    ScheduleNotFound,
)
from portaria.v1.schedules_service_pb2 import (
    CATCH_UP_ALL,
    OVERLAP_POLICY_ALLOW,
    SCHEDULE_STATE_ACTIVE,
    SCHEDULE_STATE_PAUSED,
)
from portaria_workers.mail.v1.mail_pb2 import SendEmail

pytestmark = pytest.mark.usefixtures("standing_door")

MAIL = SendEmail(to="ana@example.com", template="welcome", variables={"name": "Ana"})
PAYLOAD = '{"to": "ana@example.com", "template": "welcome", "variables": {"name": "Ana"}}'


@pytest.fixture
def schedules(stack):
    """The client's part."""
    return stack.client.schedules


@pytest.fixture
def portaria(stack, monkeypatch, capsys):
    """Runs a command in this process; answers its code, stdout and stderr."""
    _ = stack.client
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)

    def running(*words):
        capsys.readouterr()
        code = run(app, words)
        said = capsys.readouterr()
        return int(code), said.out, said.err

    return running


def test_a_schedule_through_the_client(schedules):
    """Each call once, in both of its meanings."""
    told = []
    plan = {
        "time_zone": "Africa/Luanda", "overlap": "allow", "catch_up": "all", "max_catch_up": 7,
        "jitter": timedelta(seconds=3), "catchup_window": timedelta(hours=1), "priority": "low",
        "labels": {"team": "a"}, "start_time": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    made = schedules.create("nightly", MAIL, cron="* 2 * * *", on_warning=told.append, **plan)

    assert (made.overlap, made.catch_up, made.max_catch_up) == (
        OVERLAP_POLICY_ALLOW,
        CATCH_UP_ALL,
        7,
    )
    assert (made.jitter.seconds, made.catchup_window.seconds) == (3, 3_600)
    assert schedules.get("nightly") == made
    assert "runs 60 times" in told[0]
    assert schedules.create("nightly", MAIL, cron="* 2 * * *", **plan) == made
    changed = schedules.update("nightly", every=timedelta(minutes=5), clear=["start_time"])
    assert (changed.interval.seconds, changed.cron, changed.HasField("start_time")) == (
        300,
        "",
        False,
    )
    assert changed.time_zone == "Africa/Luanda"
    with pytest.raises(EtagMismatch):
        schedules.update("nightly", Noop(), etag=made.etag)
    handle = schedules.trigger("nightly", request_id="r")
    assert (handle.submitted.schedule_id, handle.deduplicated) == ("nightly", False)
    assert schedules.trigger("nightly", request_id="r").deduplicated
    assert [each.job_id for each in schedules.runs("nightly")] == [handle.id]
    assert schedules.pause("nightly", "repairs").state == SCHEDULE_STATE_PAUSED
    assert schedules.resume("nightly").state == SCHEDULE_STATE_ACTIVE
    assert [each.schedule_id for each in schedules.list()] == ["nightly"]
    assert schedules.page(domain="lab").schedules == []
    schedules.delete("nightly", etag=changed.etag)
    with pytest.raises(ScheduleNotFound):
        schedules.get("nightly")


def test_what_a_schedule_is_refused_for(stack, schedules):
    """As kinds of error that callers can tell apart; some before anything is sent."""
    schedules.create("nightly", MAIL, cron="0 2 * * *")
    first = schedules.trigger("nightly")

    with pytest.raises(RunOpen) as open_run:
        schedules.trigger("nightly")
    assert open_run.value.metadata == {"job_id": first.id}
    with pytest.raises(ScheduleExists):
        schedules.create("nightly", Noop(), cron="0 2 * * *")
    for wrong, field in (
        ({"cron": "0 2 * * *", "every": timedelta(1)}, "schedule.cron"),
        ({"cron": "61 * * * *"}, "schedule.cron"),
        ({"every": timedelta(1), "overlap": "never"}, "schedule.overlap"),
        ({"every": timedelta(1), "end_time": datetime(2030, 1, 1)}, "schedule.end_time"),  # noqa: DTZ001
    ):
        with pytest.raises(InvalidRequest) as refused:
            schedules.create("other", MAIL, **wrong)
        assert [each.field for each in refused.value.violations] == [field]
    for given in ({}, {"priority": "low"}):
        with pytest.raises(InvalidRequest):
            schedules.update("nightly", **given)
    stack.redis.hset("portaria:schedule:default:nightly", "definition", "spoilt")
    with pytest.raises(ScheduleBroken):
        schedules.preview("nightly")


def test_the_next_runs_in_two_zones(schedules):
    """As aware moments in UTC."""
    after = datetime(2027, 6, 1, tzinfo=UTC)
    for zone in ("Africa/Luanda", "America/Sao_Paulo"):
        found = schedules.preview(cron="0 2 * * *", time_zone=zone, after=after, count=2)

        expected = [datetime(2027, 6, day, 2, tzinfo=ZoneInfo(zone)) for day in (1, 2)]
        assert found.times == expected
        assert found.in_words == f"every day at 02:00 in {zone}"


def test_the_same_names_for_asyncio(stack):
    """And the same answers."""
    _ = stack.client

    async def calls():
        async with AsyncClient(stack.address) as client:
            made = await client.schedules.create("nightly", MAIL, cron="0 2 * * *")
            assert await client.schedules.get("nightly") == made
            updated = await client.schedules.update("nightly", labels={"a": "b"})
            assert dict(updated.labels) == {"a": "b"}
            assert [each.schedule_id async for each in client.schedules.list()] == ["nightly"]
            assert (await client.schedules.page()).schedulers == 0
            handle = await client.schedules.trigger("nightly")
            (ran,) = await client.schedules.runs("nightly")
            assert ran.job_id == handle.id
            assert (await client.schedules.pause("nightly", "repairs")).paused
            assert not (await client.schedules.resume("nightly")).paused
            assert len((await client.schedules.preview("nightly", count=3)).times) == 3
            await client.schedules.delete("nightly")

    asyncio.run(calls())


def test_a_schedule_by_commands(portaria):
    """Made, shown in words, run, paused, resumed, deleted."""
    new = ("schedules", "create", "nightly", "SendEmail", "--cron", "0 2 * * *", "--zone",
           "Africa/Luanda", "--json", PAYLOAD)  # fmt: skip
    checked = portaria(*new, "--check")
    code, out, err = portaria(*new)

    assert checked[1].startswith(
        "nightly would run every day at 02:00 in Africa/Luanda\n  next in "
    )
    assert (code, err) == (0, "")
    assert re.match(
        r"nightly runs every day at 02:00 in Africa/Luanda\n  next in .*, on .* 02:00:00 WAT\n$",
        out,
    )
    code, table, err = portaria("schedules", "list")
    assert "no scheduler runs" in err
    assert re.search(r"^nightly +active +in \d+ \w+ +\w+ 02:00 +every day at 02:00", table, re.M)
    assert portaria("schedules", "pause", "nightly", "--reason", "repairs")[1] == (
        "nightly is paused: repairs\n"
    )
    assert "nightly is paused: repairs" in portaria("schedules", "list")[1]
    assert re.search(r"^paused +repairs *$", portaria("schedules", "show", "nightly")[1], re.M)
    assert portaria("schedules", "resume", "nightly")[1].startswith("nightly runs every day")
    code, out, _ = portaria("schedules", "trigger", "nightly", "--json")
    job = json.loads(out)["job"]
    assert (code, job["schedule_id"]) == (0, "nightly")
    code, _, err = portaria("schedules", "trigger", "nightly")
    assert (code, job["job_id"] in err) == (2, True)
    assert job["job_id"] in portaria("schedules", "history", "nightly")[1]
    assert job["job_id"] in portaria("jobs", "list", "--schedule", "nightly")[1]
    assert portaria("jobs", "list", "--schedule", "other")[1] == "no such job\n"
    watched = portaria("watch", "--schedule", "nightly", "--timeout", "10ms")
    assert (watched[0], "cannot watch these jobs" in watched[2]) == (3, True)
    assert portaria("schedules", "delete", "nightly", "--yes")[:2] == (0, "nightly is gone\n")
    assert portaria("schedules", "list")[:2] == (
        0, "no schedule: make one with `portaria schedules create`\n",
    )  # fmt: skip


def test_commands_for_programs(portaria, schedules):
    """JSON on stdout and nothing else there; without a scheduler that is told on stderr."""
    schedules.create("nightly", MAIL, cron="0 2 * * *", time_zone="Africa/Luanda")
    schedules.trigger("nightly")

    (listed,) = json.loads(portaria("schedules", "list", "--json")[1])
    shown = json.loads(portaria("schedules", "show", "nightly", "--json")[1])
    (ran,) = json.loads(portaria("schedules", "history", "nightly", "--json")[1])
    preview = ("schedules", "preview", "nightly", "--after", "2027-03-01", "--count", "1", "--json")

    assert listed == shown
    assert shown["in_words"] == "every day at 02:00 in Africa/Luanda"
    assert shown["spec"]["payload"]["to"] == "ana@example.com"
    assert ran["state"] == "JOB_STATE_PENDING"
    # The day begins at midnight in the zone of the schedule.
    assert json.loads(portaria(*preview)[1])["times"] == ["2027-03-01T01:00:00Z"]


def test_a_preview_of_what_is_not_stored(portaria):
    """In its zone and in UTC; what is to be looked at is on stderr."""
    code, out, err = portaria(
        "schedules", "preview", "--cron", "* 2 * * *", "--zone", "America/New_York",
        "--after", "2027-03-13T02:58", "--count", "2",
    )  # fmt: skip

    assert code == 0
    assert "Sat 2027-03-13 02:59:00 EST" in out
    # The 14th has no hour from 02:00 to 03:00: all of it runs once, when it ends.
    assert "Sun 2027-03-14 03:00:00 EDT" in out
    assert "warning: runs 60 times in hour 2" in err


WRONG = {
    ("preview",): "give the ID of a schedule",
    ("preview", "a", "--every", "5m"): "give the ID of a schedule",
    ("preview", "--cron", "@reboot"): "--cron",
    ("preview", "--every", "5m", "--after", "soon"): '"soon" is no moment',
    ("show", "nobody"): "cannot show nobody: no such schedule",
    ("create", "a", "SendEmail", "--json", PAYLOAD): "give one of --cron and --every",
    ("create", "abc", "Nothing", "--every", "5m"): "Nothing",
    ("create", "X", "SendEmail", "--every", "5m", "--zone", "UTC+3", "--json", PAYLOAD): "--zone",
    ("create", "X", "SendEmail", "--every", "1ms", "--json", '{"to": "ana@"}'): '"ana@" is not',
    ("pause", "nightly"): "Missing option '--reason'",
}


def test_what_is_wrong_is_told_in_words(portaria):
    """Exit code 2, and the option that is at fault."""
    for words, told in WRONG.items():
        code, _, err = portaria("schedules", *words)

        assert code == 2, words
        assert told in err


def test_on_a_terminal_the_list_is_coloured(stack, schedules):
    """And no line is longer than the terminal is wide."""
    schedules.create("clean-up", Noop(), every=timedelta(minutes=15))
    schedules.create("nightly", MAIL, cron="0 2 * * *", time_zone="Africa/Luanda")
    schedules.create("weekly", MAIL, cron="0 2 * * MON")
    schedules.pause("nightly", "the warehouse moves")
    stack.redis.hset("portaria:schedule:default:weekly", "definition", "spoilt")

    screen, end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "portaria.cli.main", "schedules", "list"],
        stdin=end, stdout=end, stderr=end,
        env={**stack.env, "TERM": "xterm-256color", "COLUMNS": "80"},
    ) as process:  # fmt: skip
        os.close(end)
        shown = b""
        while process.poll() is None or not shown:
            try:
                shown += os.read(screen, 65_536)
            except OSError:
                break
    os.close(screen)

    text = shown.decode()
    assert "\x1b[32mactive\x1b[0m" in text
    assert "\x1b[33mnightly is paused: the warehouse moves\x1b[0m" in text
    assert "\x1b[31mweekly: its definition is not believed" in text
    assert "\x1b[31mno scheduler runs" in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert max(map(len, plain.splitlines())) <= 80
