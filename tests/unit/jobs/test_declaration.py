"""Declared lists: what a Schedule says, and the modules that hold them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from acme_jobs.lab.v1.lab_pb2 import Noop
from portaria.core.errors import ConfigurationError, InvalidRequest
from portaria.jobs import Schedule
from portaria.jobs.declaration import load_declared, modules_of, release_of
from portaria.v1 import schedules_service_pb2 as pb
from portaria.v1.job_pb2 import PRIORITY_CRITICAL, PRIORITY_LOW, SubmitOptions

HEAD = """
from datetime import timedelta
from acme_jobs.lab.v1.lab_pb2 import Noop
from portaria.jobs import Schedule
"""
HOUR = timedelta(hours=1)
Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes modules, importable until the test ends."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def module(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(HEAD + text)

    yield module
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_what_is_left_out_is_left_to_the_contract() -> None:
    """Only id, payload and when are asked for."""
    message = Schedule("hourly", Noop(), every=HOUR).to_proto()

    expected = pb.Schedule(
        schedule_id="hourly", time_zone="UTC", overlap=pb.OVERLAP_POLICY_SKIP,
        catch_up=pb.CATCH_UP_ONCE,
    )  # fmt: skip
    expected.interval.FromTimedelta(HOUR)
    expected.spec.payload.Pack(Noop())
    assert message == expected


def test_all_that_can_be_said_is_carried() -> None:
    """Each field in its place; the named priority wins over that of the options."""
    moment = datetime(2026, 12, 1, tzinfo=UTC)
    message = Schedule(
        "nightly", Noop(), cron="0 2 * * *", time_zone="Africa/Luanda", overlap="allow",
        catch_up="all", max_catch_up=7, catchup_window=2 * HOUR, jitter=HOUR, start=moment,
        end=moment + HOUR, labels={"team": "ops"}, priority="critical",
        options=SubmitOptions(priority=PRIORITY_LOW, labels={"a": "b"}),
    ).to_proto()  # fmt: skip

    assert (message.cron, message.time_zone) == ("0 2 * * *", "Africa/Luanda")
    assert (message.overlap, message.catch_up) == (pb.OVERLAP_POLICY_ALLOW, pb.CATCH_UP_ALL)
    assert message.max_catch_up == 7
    assert message.catchup_window.ToTimedelta() == 2 * HOUR
    assert message.jitter.ToTimedelta() == HOUR
    assert message.start_time.ToDatetime(UTC) == moment
    assert message.end_time.ToDatetime(UTC) == moment + HOUR
    assert dict(message.labels) == {"team": "ops"}
    options = message.spec.options
    assert (options.priority, dict(options.labels)) == (PRIORITY_CRITICAL, {"a": "b"})


def test_cron_wins_over_every() -> None:
    """Where both are given."""
    message = Schedule("both", Noop(), cron="0 2 * * *", every=HOUR).to_proto()

    assert message.WhichOneof("when") == "cron"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"every": 60}, "every TYPE"),
        ({"cron": 5}, "cron TYPE"),
        ({"payload": None}, "payload TYPE"),
        ({"payload": Noop}, "payload TYPE"),
        ({"jitter": "1 h"}, "jitter TYPE"),
        ({"start": datetime(2026, 1, 1)}, "start TIMEZONE_REQUIRED"),  # noqa: DTZ001 - meant
        ({"end": "2026-01-01"}, "end TYPE"),
        ({"overlap": "SKIP"}, "overlap UNKNOWN"),
        ({"catch_up": None}, "catch_up UNKNOWN"),
        ({"priority": "urgent"}, "priority UNKNOWN"),
        ({"max_catch_up": -1}, "max_catch_up OUT_OF_RANGE"),
        ({"max_catch_up": True}, "max_catch_up TYPE"),
        ({"labels": {"a": 1}}, "labels TYPE"),
        ({"options": {"priority": 3}}, "options TYPE"),
    ],
)
def test_what_the_wire_cannot_carry_is_named(given: dict[str, Any], field: str) -> None:
    """No trace of protobuf's."""
    given = {"id": "one", "payload": Noop(), **given}

    with pytest.raises(InvalidRequest) as refusal:
        Schedule(**given).to_proto()

    assert [f"{each.field} {each.reason}" for each in refusal.value.violations] == [field]


def test_a_list_is_read_with_its_owner_and_its_release(write: Write) -> None:
    """In its order; the module's name is the owner."""
    write("one_list", "SCHEDULES = [Schedule('b-1', Noop(), every=timedelta(hours=1)),"
                      " Schedule('a-1', Noop(), cron='0 2 * * *')]")  # fmt: skip
    write("empty_list", "SCHEDULES = ()")

    one, empty = load_declared(["one_list", "empty_list", "one_list"], release="7")

    assert (one.owner, one.release) == ("one_list", "7")
    assert [each.schedule_id for each in one.schedules] == ["b-1", "a-1"]
    assert (empty.owner, list(empty.schedules)) == ("empty_list", [])


def test_who_renames_a_module_keeps_what_it_owns(write: Write) -> None:
    """Pauses, plans and histories stay with the owner."""
    write("renamed_list", "OWNER = 'one_list'\nSCHEDULES = []")
    write("odd_list", "OWNER = 'one list'\nSCHEDULES = []")

    (renamed,) = load_declared(["renamed_list"])

    assert renamed.owner == "one_list"
    with pytest.raises(ConfigurationError, match="OWNER is no module's name"):
        load_declared(["odd_list"])


def test_a_value_that_no_message_can_hold_is_named(write: Write) -> None:
    """It ends no process: what is stored goes on firing."""
    write(
        "old_list",
        "from datetime import datetime, timezone\n"
        "begin = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=3)))\n"
        "SCHEDULES = [Schedule('one', Noop(), cron='0 2 * * *', start=begin)]",
    )
    write("ending_list", "raise SystemExit(3)")

    with pytest.raises(ConfigurationError) as refusal:
        load_declared(["old_list", "ending_list"])

    assert "old_list: one: cannot be used" in str(refusal.value)
    assert 'cannot import "ending_list"' in str(refusal.value)


def test_all_that_is_wrong_with_any_list_is_said_at_once(write: Write) -> None:
    """Each with its module, and with the schedule that it is about."""
    write("no_list", "SCHEDULE = []")
    write("broken_list", "1 / 0")
    write("bad_list", "SCHEDULES = [Schedule('twice', Noop(), cron='x'), 'nightly',"
                      " Schedule('twice', Noop(), every=60)]")  # fmt: skip
    write("other_list", "SCHEDULES = [Schedule('twice', Noop(), cron='0 2 * * *')]")

    with pytest.raises(ConfigurationError) as refusal:
        load_declared(["no_such_list", "no_list", "broken_list", "bad_list", "other_list"])

    assert refusal.value.message.splitlines() == [
        "PORTARIA_SCHEDULES: cannot import \"no_such_list\": No module named 'no_such_list'",
        "no_list: expected a list SCHEDULES",
        'PORTARIA_SCHEDULES: cannot import "broken_list": division by zero',
        "bad_list: SCHEDULES[1] is no Schedule: str",
        "bad_list: twice is declared twice",
        "bad_list: twice: every is a timedelta, not int",
        "other_list: twice is declared in bad_list, too",
    ]


def test_a_package_may_have_a_list(write: Write) -> None:
    """Those of PORTARIA_JOBS that have a module `schedules`."""
    assert modules_of(["portaria_workers", "acme_jobs", "no_such_package"]) == (
        "portaria_workers.schedules",
    )


def test_the_release_of_a_list_is_that_of_its_distribution(write: Write) -> None:
    """ "0" where no distribution has it: then whoever comes last is right."""
    write("loose_list", "SCHEDULES = []")
    (loose,) = load_declared(["loose_list"])

    assert loose.release == "0"
    assert release_of(ModuleType("redis.somewhere")) == version("redis")
    # Its distribution has another name than its package.
    assert release_of(ModuleType("grpc.somewhere")) == version("grpcio")


def test_the_shipped_list_is_one() -> None:
    """It needs nothing beyond the messages of its jobs."""
    (shipped,) = load_declared(["portaria_workers.schedules"], release="1")

    assert {each.schedule_id: each.cron for each in shipped.schedules} == {
        "self-test": "",
        "process-daily-reports": "0 0 * * *",
        "cleanup-documents": "0 */6 * * *",
    }
