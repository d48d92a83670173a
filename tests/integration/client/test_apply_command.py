"""portaria schedules apply against a real door: a table, and exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stack import Stack

pytestmark = pytest.mark.usefixtures("standing_door")

HEAD = """
from datetime import timedelta
from acme_jobs.lab.v1.lab_pb2 import Noop
from portaria.jobs import Schedule
"""
FIRST = """SCHEDULES = [
    Schedule("nightly", Noop(), cron="0 2 * * *", time_zone="Africa/Luanda"),
    Schedule("gone-one", Noop(), every=timedelta(minutes=15)),
    Schedule("stays", Noop(), every=timedelta(hours=1)),
]"""
SECOND = """SCHEDULES = [
    Schedule("nightly", Noop(), cron="0 3 * * *", time_zone="Africa/Luanda"),
    Schedule("stays", Noop(), every=timedelta(hours=1)),
    Schedule("cleanup", Noop(), cron="* 2 * * *"),
]"""
BAD = """SCHEDULES = [
    Schedule("nightly", Noop(), cron="61 * * * *", time_zone="Mars/X"),
    Schedule("stays", Noop(), every=timedelta(hours=1)),
]"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def apply(stack: Stack, tmp_path: Path) -> Run:
    """Applies a list as a module of its own; further settings by name."""
    _ = stack.client

    def applying(text: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "our_list.py").write_text(HEAD + text)
        path = os.pathsep.join((str(tmp_path), stack.env["PYTHONPATH"]))
        return subprocess.run(
            [sys.executable, "-B", "-m", "portaria.cli.main", "schedules", "apply", *words],
            env={**stack.env, "PYTHONPATH": path, **env},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return applying


def test_what_becomes_of_each_schedule_is_shown(apply: Run) -> None:
    """Added, changed, removed, unchanged, each in words; and what is perhaps not meant."""
    apply(FIRST, "our_list", "--release", "1")

    dry = apply(SECOND, "our_list", "--release", "2", "--dry-run")
    done = apply(SECOND, PORTARIA_SCHEDULES="our_list", PORTARIA_RELEASE="2")

    table = """our_list, release 2
  + cleanup   every minute from 02:00 to 02:59, in UTC
    warning: runs 60 times in hour 2; did you mean `0 2 * * *`?
  - gone-one  every 15 minutes
  ~ nightly   every day at 03:00 in Africa/Luanda
  = stays     every hour
1 added, 1 changed, 1 removed, 1 unchanged"""
    assert (dry.returncode, dry.stdout, dry.stderr) == (0, f"{table}; nothing was written\n", "")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{table}\n", "")


def test_a_roll_back_is_meant(apply: Run) -> None:
    """An older release is refused with exit code 2, unless --force says otherwise."""
    apply(SECOND, "our_list", "--release", "2")

    refused = apply(FIRST, "our_list", "--release", "1")
    forced = apply(FIRST, "our_list", "--release", "1", "--force")

    assert refused.returncode == 2
    assert refused.stderr.startswith("cannot apply our_list: release 2, which is newer, has")
    assert "--force" in refused.stderr
    assert forced.returncode == 0
    assert forced.stdout.endswith("1 added, 1 changed, 1 removed, 1 unchanged\n")


def test_all_that_is_wrong_is_said_by_name(apply: Run) -> None:
    """Exit code 2; nothing is written, neither of this list nor of one that is good."""
    bad = apply(BAD, "our_list", "portaria_workers.schedules", "--release", "1")
    missing = apply(FIRST, "no_such_list", "our_list.nothing")

    assert bad.returncode == 2
    title, cron, zone = bad.stderr.splitlines()
    assert title == "cannot apply our_list:"
    assert cron == "  nightly cron        its minute is out of range: 0 to 59"
    assert zone.startswith("  nightly time_zone   is not a zone of the IANA database")
    assert missing.returncode == 2
    assert missing.stderr.count("PORTARIA_SCHEDULES: cannot import") == 2
    after = apply(FIRST, "our_list", "--release", "1", "--dry-run")
    assert after.stdout.endswith("3 added; nothing was written\n")


def test_no_list_is_no_fault(apply: Run) -> None:
    """Somebody wanted none."""
    done = apply(FIRST, PORTARIA_SCHEDULES="")

    assert done.returncode == 0
    assert "no declared schedules" in done.stdout
