"""The self-test: each check, and what a run of it comes to."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from portaria.core.ids import new_job_id
from portaria.core.states import State
from portaria.testing import EagerPlatform
from portaria_workers.maintenance import checks
from portaria_workers.maintenance.v1.maintenance_pb2 import SelfTest, SelfTestResult

MEMINFO = "MemTotal:  1000 kB\nMemFree:  10 kB\nMemAvailable:  {free} kB\nHugePages_Total: 0\n"


def test_a_worker_that_is_well_says_what_it_saw(portaria: EagerPlatform) -> None:
    """A line a check."""
    job = portaria.submit(SelfTest(least_free_percent=1))
    portaria.run_due()

    result = job.result()
    assert isinstance(result, SelfTestResult)
    found = {each.name: each.found for each in result.checks}
    assert list(found) == ["redis", "data dir", "temp dir", "memory", "clock"]
    assert "% free of" in found["memory"]


def test_one_that_is_not_fails_with_all_that_is_wrong(portaria: EagerPlatform) -> None:
    """The first one is the reason; nothing is tried again."""
    job = portaria.submit(SelfTest(least_free_percent=99, slowest_round_trip=Duration(nanos=1)))
    portaria.run_due()

    assert (job.state, job.failures) == (State.FAILED, 1)
    assert job.failure is not None
    assert job.failure.reason == "REDIS_SLOW"
    for name in ("redis: answers within", "data dir: ", "temp dir: ", "memory: "):
        assert name in job.failure.message


@pytest.mark.parametrize(("free", "ill"), [(60, ""), (40, "MEMORY_LOW")])
def test_memory_counts_what_could_be_had(tmp_path: Path, free: int, ill: str) -> None:
    """Not what is free now: caches give way."""
    source = tmp_path / "meminfo"
    source.write_text(MEMINFO.format(free=free))

    found = checks.memory(5, source)

    assert (found.found, found.ill) == (f"{free / 10:.0f} % free of 0.0 GiB", ill)


def test_a_folder_that_does_not_exist_yet_is_judged_by_its_disk(tmp_path: Path) -> None:
    """A data directory is made when it is needed."""
    assert checks.disk("data dir", tmp_path / "not/yet", 0).ill == ""
    assert checks.disk("data dir", tmp_path / "not/yet", 101).ill == "DISK_FULL"


def test_a_clock_may_not_be_behind_that_of_the_submitter() -> None:
    """Ahead of it is only that the job has waited."""
    job_id, now = new_job_id(), time.time()

    assert checks.clock(job_id, now - 1).ill == ""
    assert checks.clock(job_id, now + 3600).ill == ""
    assert checks.clock(job_id, now - 60).ill == "CLOCK_BEHIND"
