"""How long calls about large workflows may take, over a real connection."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta

import pytest

from acme_jobs.lab.v1.lab_pb2 import Noop
from portaria.client import AsyncClient, Client, group
from portaria.v1 import job_pb2
from portaria.v1.workflows_pb2 import (
    GetWorkflowResponse,
    RetryWorkflowResponse,
    SubmitWorkflowResponse,
    Workflow,
)
from stack.processes import base_env

ID = "0190c0de-0000-7fff-8000-000000abcdef"
MADE = Workflow(workflow_id=ID)
OVER = Workflow(workflow_id=ID, state=job_pb2.JOB_STATE_FAILED, done=True)
LARGE = group(Noop() for _ in range(50_000))
HALF_A_MINUTE, LONG = timedelta(seconds=30), timedelta(minutes=2)


@pytest.fixture
def door(faulty_door):
    """Takes two submits and two retries."""
    submitted, retried = SubmitWorkflowResponse(workflow=MADE), RetryWorkflowResponse(workflow=MADE)
    faulty_door.will("SubmitWorkflow", submitted, submitted)
    faulty_door.will("RetryWorkflow", retried, retried)
    return faulty_door


def about(*seconds: float) -> list[object]:
    """So long: gRPC rounds it, and a busy machine takes a moment to get the call to the door."""
    return [pytest.approx(each, abs=4) for each in seconds]


@pytest.mark.parametrize(("timeout", "large"), [(HALF_A_MINUTE, 50), (LONG, 120)])
def test_a_submit_may_take_as_long_as_its_jobs_need(door, timeout, large):
    """1 ms for each, where the client's own timeout is not longer; a small one takes that."""
    with Client(door.address, timeout=timeout) as client:
        client.submit_workflow(LARGE)
        client.submit_workflow(Noop())

    assert door.seconds == about(large, timeout.total_seconds())


@pytest.mark.parametrize(("timeout", "seconds"), [(HALF_A_MINUTE, 60), (LONG, 120)])
def test_a_retry_may_take_a_minute(door, timeout, seconds):
    """Or the client's timeout, where that is longer."""
    with Client(door.address, timeout=timeout) as client:
        client.workflow(ID).retry()

    assert door.seconds == about(seconds)


async def test_the_async_client_does_the_same(door):
    """With its timeout of 10 s."""
    async with AsyncClient(door.address) as client:
        await client.submit_workflow(LARGE)
        await client.submit_workflow(Noop())
        await client.workflow(ID).retry()

    assert door.seconds == about(50, 10, 60)


def test_the_commands_do_the_same(door, tmp_path):
    """With their timeout of 5 s; a retry looks first, and tells soon of a door that is away."""
    door.will("GetWorkflow", GetWorkflowResponse(workflow=OVER))
    job = {"job": {"payload": {"@type": "Noop"}}}
    path = tmp_path / "flow.json"
    path.write_text(json.dumps({"group": {"steps": [job] * 20_000}}))
    env = base_env(PORTARIA_ADDRESS=door.address, PORTARIA_JOBS="acme_jobs")

    for words in (("submit", str(path)), ("retry", ID)):
        subprocess.run(
            [sys.executable, "-m", "portaria.cli.main", "workflows", *words],
            env=env, capture_output=True, timeout=30, check=True,
        )  # fmt: skip

    assert door.seconds == about(20, 5, 60)
