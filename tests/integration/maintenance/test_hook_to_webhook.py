"""A job fails, and a receiver outside hears of it: door, Redis, two pools and a real socket."""

from __future__ import annotations

import json

from acme_jobs.lab.v1.lab_pb2 import Fail, Noop
from integration.maintenance.receiver import Receiver
from portaria.client.requests import spec_of
from portaria.v1.job_pb2 import JOB_STATE_FAILED, SubmitOptions
from portaria_workers.maintenance.v1.maintenance_pb2 import CallWebhook
from stack import Stack, eventually


def test_a_failure_is_told_outside(
    stack: Stack, receiver: Receiver, webhooks: dict[str, str]
) -> None:
    """Once, though the receiver was not well at first."""
    receiver.answer(503, Retry_After="1")
    receiver.answer(200)
    stack.worker("lab", "maintenance", **webhooks)
    hook = SubmitOptions(on_failure=spec_of(CallWebhook()))

    stack.client.submit(Noop(), options=hook)
    job = stack.client.submit(Fail(times=9, how=Fail.HOW_PERMANENT), options=hook).wait()

    assert job.state == JOB_STATE_FAILED
    eventually(lambda: len(receiver.received) == 2, 15)
    (call,) = stack.client.list(types=[CallWebhook])
    assert stack.client.handle(call.job_id).result().status == 200
    assert call.parent_job_id == job.job_id
    first, second = (json.loads(each.body) for each in receiver.received)
    assert first == second
    assert second["type"] == "job.failed"
    assert second["data"]["job_id"] == job.job_id
    assert second["data"]["failure"] == {"kind": "PERMANENT", "reason": "NO_SUCH_CUSTOMER"}
