"""The eager platform does as the real one: the same tables, played on both."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.message import Message
from redis import Redis

from acme_jobs.lab.v1.lab_pb2 import Append, Charge, Fail, Noop, Wait
from conformance.scenarios import SCENARIOS, watch
from conformance.submissions import PAIRS, paired, refused, wrong
from portaria.client import Client, Handle
from portaria.store import Store, calls
from portaria.testing import EagerPlatform
from portaria.v1.job_pb2 import JOB_STATE_RUNNING, Job, JobSpec, JobState, SubmitOptions
from stack import Stack, eventually

Cancel = Callable[[Handle[Message]], object]


@pytest.fixture
def portaria(monkeypatch: pytest.MonkeyPatch) -> Iterator[EagerPlatform]:
    """An eager platform on which the end of a process does not end pytest."""
    with EagerPlatform() as platform:
        monkeypatch.setattr(os, "_exit", lambda status: platform.crash())
        yield platform


def test_jobs_of_a_worker_go_as_the_table_says(stack: Stack) -> None:
    """Through a door, on a real Redis, in a real worker; all at the same time."""
    client = stack.client
    stack.worker("lab", concurrency=4)

    handles = {
        name: scenario.submit(client, stack.folder / name, datetime.now(UTC))
        for name, scenario in SCENARIOS.items()
    }
    seen = {name: watch(client, handle) for name, handle in handles.items()}

    assert seen == {name: scenario.seen for name, scenario in SCENARIOS.items()}


@pytest.mark.parametrize("name", SCENARIOS)
def test_eager_jobs_go_as_the_table_says(
    portaria: EagerPlatform, name: str, tmp_path: Path
) -> None:
    """Through the same client, in this process."""
    handle = SCENARIOS[name].submit(portaria.client, tmp_path / name, portaria.now)

    assert watch(portaria.client, handle) == SCENARIOS[name].seen


def test_eager_jobs_do_not_disturb_each_other(portaria: EagerPlatform, tmp_path: Path) -> None:
    """All scenarios on one platform, whose time passes for all of them."""
    handles = {
        name: scenario.submit(portaria.client, tmp_path / name, portaria.now)
        for name, scenario in SCENARIOS.items()
        if "deadline" not in name
    }
    seen = {name: watch(portaria.client, handle) for name, handle in handles.items()}

    assert seen == {name: SCENARIOS[name].seen for name in handles}


def test_cancelled_jobs_go_as_those_of_a_worker(
    stack: Stack, portaria: EagerPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that waits, one that heeds it, and one that succeeds all the same."""
    gate = tmp_path / "gate"
    running = (Wait(gate="/never"), Charge(gate=str(gate), log=str(tmp_path / "charged")))

    def play(client: Client, cancel: Cancel, run: Callable[[Handle[Message]], object]) -> list[str]:
        gate.unlink(missing_ok=True)
        delayed = client.submit(Noop(), delay=timedelta(hours=1))
        cancel(delayed)
        handles = [delayed]
        for payload in running:
            handles.append(client.submit(payload))
            run(handles[-1])
        gate.touch()
        return [watch(client, each).states for each in handles]

    def cancel(handle: Handle[Message]) -> None:
        Store(redis).run(calls.cancel("default", [handle.id]))

    def run(handle: Handle[Message]) -> None:
        eventually(lambda: handle.get().state == JOB_STATE_RUNNING)
        cancel(handle)

    def cancel_eagerly(handle: Handle[Message]) -> None:
        portaria.job(handle).cancel()

    def run_eagerly(handle: Handle[Message]) -> None:
        def sleep(_: float) -> None:
            cancel_eagerly(handle)
            gate.touch()

        with monkeypatch.context() as patch:
            patch.setattr(time, "sleep", sleep)  # of the handler, which waits
            portaria.run_due()
        gate.unlink()

    with Redis.from_url(stack.redis_server.url) as redis:
        client = stack.client
        stack.worker("lab")
        real = play(client, cancel, run)

    assert play(portaria.client, cancel_eagerly, run_eagerly) == real
    assert real == [
        "SCHEDULED CANCELLED",
        "PENDING RUNNING CANCELLING CANCELLED",
        "PENDING RUNNING CANCELLING SUCCEEDED",
    ]


def test_hooks_go_as_those_of_a_worker(
    stack: Stack, portaria: EagerPlatform, tmp_path: Path
) -> None:
    """On success, on failure, and at each retry; what is put off has not failed."""
    stack.worker("lab")

    def play(client: Client, folder: Path) -> dict[str, list[str]]:
        folder.mkdir()

        def hook(name: str) -> JobSpec:
            spec = JobSpec(options=SubmitOptions(labels={"hook": name}, priority=3))
            spec.payload.Pack(Append(log=str(folder / "log"), count=1))
            return spec

        options = SubmitOptions(
            on_success=hook("success"), on_failure=hook("failure"), on_retry=hook("retry")
        )
        seen = {}
        for name, payload in {
            "succeeds": Noop(),
            "fails": Fail(times=9, how=Fail.HOW_PERMANENT),
            "retried": Fail(times=2),
            "given up": Fail(times=9),
            "put off": Fail(times=1, how=Fail.HOW_LATER),
        }.items():
            job = client.submit(payload, options=options).wait()
            seen[name] = sorted(map(described, hooks_of(client, job.job_id)))
        return seen

    def hooks_of(client: Client, parent: str) -> list[Job]:
        jobs = client.list(domains=["lab"], types=["acme_jobs.lab.v1.Append"])
        mine = [client.handle(each.job_id) for each in jobs if each.parent_job_id == parent]
        return [each.wait() for each in mine]

    def described(job: Job) -> str:
        return f"{job.labels['hook']} {job.queue} {JobState.Name(job.state)} {job.attempt}"

    real = play(stack.client, tmp_path / "real")

    assert play(portaria.client, tmp_path / "eager") == real
    assert {name: [each.split()[0] for each in hooks] for name, hooks in real.items()} == {
        "succeeds": ["success"],
        "fails": ["failure"],
        "retried": ["retry", "retry", "success"],
        "given up": ["failure", "retry", "retry"],
        "put off": ["success"],
    }


def test_submissions_are_answered_as_by_a_door(stack: Stack, portaria: EagerPlatform) -> None:
    """Repeated ones, and those whose unique key is held."""
    real = {name: paired(stack.client, name) for name in PAIRS}

    assert {name: paired(portaria.client, name) for name in PAIRS} == real
    assert len(set(real.values())) == 4  # new, the same, reused, held


def test_what_a_door_refuses_is_refused(stack: Stack, portaria: EagerPlatform) -> None:
    """For the same reasons, field by field."""
    given = dict(wrong(portaria.now))

    real = {name: refused(stack.client.submit, each) for name, each in given.items()}

    assert {name: refused(portaria.client.submit, each) for name, each in given.items()} == real
    assert [name for name, answer in real.items() if answer == ("accepted",)] == []
