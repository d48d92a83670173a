"""Watches by the hundred and the thousand, over a socket: none fails, none misses anything."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import pytest

from acme_jobs.lab.v1.lab_pb2 import Noop
from integration.frontdoor.conftest import OpenDoor
from integration.frontdoor.crowd import Crowd
from integration.frontdoor.playing import Door, Worker
from portaria.frontdoor.prompt import PromptStore
from portaria.v1.jobs_service_pb2 import BatchSubmitJobsRequest

COURSE = "RUNNING SUCCEEDED"
LEFT = "UNAVAILABLE: this door is shutting down; another one goes on"


def _submit(door: Door, count: int) -> list[str]:
    request = BatchSubmitJobsRequest(request_id=uuid.uuid4().hex)
    for _ in range(count):
        request.specs.add().payload.Pack(Noop())
    return [each.job_id for each in door.jobs.BatchSubmitJobs(request, timeout=10).results]


def _run(worker: Worker, jobs: Sequence[str]) -> None:
    for _ in jobs:
        worker.succeed(worker.claim("lab:default"))


def test_a_thousand_watches_open_at_once_and_see_their_jobs_end(door: Door, worker: Worker) -> None:
    """Over ten connections; each is told the whole course of its own job, and no other's."""
    jobs = _submit(door, 1_000)
    crowd = Crowd(jobs)
    door.run(crowd.open(door.address))
    assert door.call(lambda: door.running.feed.watchers) == 1_000

    _run(worker, jobs)

    assert door.run(crowd.ended()) == {"OK": 1_000}
    assert crowd.words() == {f"snapshot {COURSE}": 1_000}
    assert door.call(lambda: door.running.feed.watchers) == 0


def test_the_watchers_of_a_drained_door_go_on_at_another(
    open_door: OpenDoor, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All leave at once with a cursor, come at once, and go on without gap or repeat."""
    door, other = open_door(), open_door()
    jobs = _submit(door, 200)
    crowd = Crowd(jobs)
    door.run(crowd.open(door.address))
    door.drain()
    assert door.run(crowd.ended()) == {LEFT: 200}
    other.submit()
    # Of jobs that did not change meanwhile there is no history to read, however much there is.
    monkeypatch.delattr(PromptStore, "history")

    door.run(crowd.open(other.address))
    _run(worker, jobs)

    assert door.run(crowd.ended()) == {"OK": 200}
    assert crowd.words() == {f"snapshot {COURSE}": 200}


def test_what_happened_between_two_doors_is_told_by_the_second(
    open_door: OpenDoor, worker: Worker
) -> None:
    """From the history, to each watcher what is its own."""
    door, other = open_door(), open_door()
    jobs = _submit(door, 100)
    crowd = Crowd(jobs)
    door.run(crowd.open(door.address))
    door.drain()
    assert door.run(crowd.ended()) == {LEFT: 100}

    _run(worker, jobs[:50])
    door.run(crowd.open(other.address))
    _run(worker, jobs[50:])

    assert door.run(crowd.ended()) == {"OK": 100}
    assert crowd.words() == {f"snapshot {COURSE}": 100}
