"""Watches that their callers leave at any moment."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

import grpc
import pytest

from integration.frontdoor.playing import Door
from portaria.v1.jobs_service_pb2 import JobSelector, WatchJobsRequest
from stack import eventually


@pytest.mark.parametrize("moment", ["early", "after its first frame", "in the middle"])
def test_nothing_is_left_of_watches_that_were_cancelled(door: Door, moment: str) -> None:
    """Neither in the index of the door nor among its tasks, whenever they were cancelled."""
    rng = Random(moment)
    job_id = door.submit().job_id
    before = door.call(lambda: len(asyncio.all_tasks()))

    for _ in range(60):
        selector = JobSelector(job_ids=[job_id])
        if moment == "in the middle":
            selector = JobSelector(domains=["mail"])
        calls: list[Any] = [
            door.jobs.WatchJobs(WatchJobsRequest(selector=selector), timeout=20) for _ in range(5)
        ]
        if moment == "early":
            time.sleep(rng.uniform(0, 0.005))
        else:
            [next(call) for call in calls]
        if moment == "in the middle":
            door.submit()
        for call in calls:
            call.cancel()
            assert call.code() is grpc.StatusCode.CANCELLED

    eventually(lambda: door.call(lambda: door.running.feed.watchers) == 0)
    # The feed's own, which reads on for a while.
    eventually(lambda: door.call(lambda: len(asyncio.all_tasks())) <= before + 1)
