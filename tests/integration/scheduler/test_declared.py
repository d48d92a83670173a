"""Declared lists, applied by schedulers when they start."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from acme_jobs.lab.v1.lab_pb2 import Noop
from portaria.core.errors import NewerRelease
from portaria.jobs import Schedule
from portaria.scheduler.applying import apply
from portaria.schedules.applying import Applying, Wanted
from portaria.store import Store, keys
from portaria.store.connect import connect
from portaria.store.schedules import Paused, pause
from stack import Process, Stack
from stack.schedules import NAMESPACE, Planner

LIST = "our_list"
HEAD = """
from datetime import timedelta
from acme_jobs.lab.v1.lab_pb2 import Noop
from portaria.jobs import Schedule
"""
Start = Callable[..., Process]


@pytest.fixture
def start(stack: Stack, tmp_path: Path) -> Start:
    """Starts a scheduler whose release has this list, and does not wait."""
    numbers = count()

    def starting(release: str, text: str) -> Process:
        folder = tmp_path / f"deployed-{next(numbers)}"
        folder.mkdir()
        (folder / f"{LIST}.py").write_text(HEAD + text)
        path = os.pathsep.join((str(folder), stack.env["PYTHONPATH"]))
        return stack.processes.portaria(
            "scheduler", "scheduler",
            PYTHONPATH=path, PORTARIA_SCHEDULES=LIST, PORTARIA_RELEASE=release,
        )  # fmt: skip

    return starting


@pytest.fixture
def deployed(start: Start) -> Start:
    """As `start`, until it is ready."""

    def starting(release: str, text: str) -> Process:
        process = start(release, text)
        process.wait_for("scheduler ready")
        return process

    return starting


def listed(*ids: str, cron: str = "0 2 * * *") -> str:
    """A list in a file."""
    return "SCHEDULES = [{}]".format(
        ", ".join(f"Schedule({each!r}, Noop(), cron={cron!r})" for each in ids)
    )


def said(process: Process, event: str) -> dict[str, object]:
    """The line of its log that tells of it."""
    line = process.wait_for(f'"event": "{event}"')
    found: dict[str, object] = json.loads(line)
    return found


def stored(planner: Planner) -> dict[str, str]:
    """Every schedule, and the release that wrote it."""
    ids = [each.decode() for each in planner.redis.zrange(keys.schedules(NAMESPACE), 0, -1)]
    return {each: planner.record(each).release for each in ids}


def test_a_deploy_is_the_start_of_a_scheduler(deployed: Start, planner: Planner) -> None:
    """It adds, changes and removes; paused stays paused, what people made is left alone."""
    planner.create("by-hand", Noop(), cron="0 5 * * *")
    deployed("1", listed("kept", "gone") + " + " + _tail("other")).stop()
    before = planner.record("kept")
    Store(planner.redis).run(pause(NAMESPACE, "other", Paused("repairs", "ana", 1)))

    second = deployed("2", listed("kept", "fresh") + " + " + _tail("other", "0 3 * * *"))

    line = said(second, "schedules applied")
    assert (line["release"], line["schedules"]) == ("2", 3)
    assert set(line["changed"]) == {"fresh", "other", "gone"}  # type: ignore[call-overload]
    assert stored(planner) == {"by-hand": "", "kept": "1", "other": "2", "fresh": "2"}
    assert planner.record("kept") == before
    other = planner.record("other")
    assert (other.paused, other.next_ms) == (Paused("repairs", "ana", 1), 0)


def test_an_older_release_says_so_and_fires_what_is_stored(
    deployed: Start, planner: Planner
) -> None:
    """A machine that was not deployed yet, or comes back late, changes nothing."""
    often = "SCHEDULES = [Schedule('often', Noop(), every=timedelta(seconds=1), overlap='allow')]"
    deployed("1.10", often).stop()

    old = deployed("1.9", listed("gone"))

    assert said(old, "a newer release has applied these schedules")["newer"] == "1.10"
    assert stored(planner) == {"often": "1.10"}
    ran = len(planner.ran("often"))
    old.wait_until(lambda: len(planner.ran("often")) > ran)


@pytest.mark.parametrize(
    ("text", "event", "wrong"),
    [
        ("SCHEDULES = [Schedule('bad', Noop(), cron='61 * * * *')]",
         "these schedules cannot be applied", "bad cron: its minute is out of range: 0 to 59"),
        ("SCHEDULE = []", "the declared schedules cannot be used", "expected a list SCHEDULES"),
        ("1 / 0", "the declared schedules cannot be used", "division by zero"),
        (listed("by-hand"), "these schedules cannot be applied", "by-hand (made by hand)"),
    ],
    ids=["bad cron", "no list", "no module", "id of another"],
)  # fmt: skip
def test_a_bad_list_stops_no_scheduler(
    deployed: Start, planner: Planner, text: str, event: str, wrong: str
) -> None:
    """It says what is wrong, writes nothing, and fires what is stored."""
    planner.create("by-hand", Noop(), every=timedelta(seconds=1))

    process = deployed("1", text)

    assert wrong in str(said(process, event)["wrong"])
    process.wait_until(lambda: planner.ran("by-hand"))
    assert list(stored(planner)) == ["by-hand"]


def test_what_others_put_in_the_place_of_a_schedule_hides_none(
    deployed: Start, planner: Planner
) -> None:
    """Names that are none are left alone; a key of another kind gives way to a schedule."""
    planner.redis.zadd(keys.schedules(NAMESPACE), {b"\xff": 0, "strange": 0})
    planner.redis.rpush(keys.schedule(NAMESPACE, "strange"), "x")

    process = deployed("1", listed("fresh"))

    assert said(process, "schedules applied")["changed"] == ["fresh"]
    process.stop()
    again = deployed("2", listed("fresh", "strange"))
    assert said(again, "schedules applied")["changed"] == ["strange"]
    assert planner.record("strange").error == ""


def test_releases_that_start_at_the_same_time_end_with_the_newer(
    start: Start, planner: Planner
) -> None:
    """Two schedulers of each, all at once: whichever is last to write."""
    processes = [
        start(release, listed(*ids, cron=f"{release[2:]} 2 * * *"))
        for release, ids in 2 * [("1.10", ("both", "fresh")), ("1.9", ("both", "gone"))]
    ]

    for process in processes:
        process.wait_for("scheduler ready")

    assert stored(planner) == {"both": "1.10", "fresh": "1.10"}


def test_a_scheduler_that_was_killed_half_way_is_completed_by_the_next(
    start: Start, planner: Planner
) -> None:
    """Each schedule is whole or not there, and the next start does the rest."""
    ids = [f"many-{number:03}" for number in range(900)]
    first = start("1", listed(*ids))
    until = time.monotonic() + 20
    # Without a rest: the whole list is there within a second.
    while planner.redis.zcard(keys.schedules(NAMESPACE)) < 20:
        assert time.monotonic() < until

    first.kill()

    there = len(stored(planner))
    assert 20 <= there < 900
    second = start("1", listed(*ids))
    changed = said(second, "schedules applied")["changed"]
    assert len(changed) == 900 - there  # type: ignore[arg-type]
    assert list(stored(planner)) == ids
    assert planner.redis.zcard(keys.ticks(NAMESPACE)) == 900


def test_rivals_never_mix_their_lists(stack: Stack, planner: Planner) -> None:
    """A newer and an older release that begin together, again and again: the newer one's list."""
    lists = {
        release: [
            planner.checker.check(Schedule(each, Noop(), cron=f"{release} 2 * * *").to_proto())
            for each in ids
        ]
        for release, ids in (("1", _numbered(0, 15)), ("2", _numbered(10, 25)))
    }

    def rival(release: str) -> None:
        wanted = Wanted(owner=LIST, release=release, schedules=lists[release])
        with connect(stack.redis_server.url) as redis:
            try:
                apply(Store(redis), Applying(wanted, planner.definitions, NAMESPACE))
            except NewerRelease:
                assert release == "1"

    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            planner.redis.flushall()
            list(pool.map(rival, ("1", "2")))

            assert stored(planner) == dict.fromkeys(_numbered(10, 25), "2")


def _numbered(first: int, last: int) -> list[str]:
    return [f"one-{number:02}" for number in range(first, last)]


def _tail(schedule_id: str, cron: str = "0 2 * * *") -> str:
    return f"[Schedule({schedule_id!r}, Noop(), cron={cron!r})]"
