"""Workflows from the door to the last handler: results go from job to job."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from acme_jobs.relay.v1.relay_pb2 import Make, Read, Spread, Use, Used, Words
from portaria.core.states import State
from portaria.internal.v1.envelope_pb2 import Envelope
from portaria.store import JobRecord
from portaria.v1 import workflows_pb2 as pb
from portaria.v1.job_pb2 import JobSpec
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub
from stack import Stack, eventually
from stack.lab import Lab


@pytest.fixture
def door(stack: Stack) -> Any:
    """The service, beside a stock `rq worker`."""
    stack.door()
    stack.rq_worker("relay:default", "lab:default")
    with grpc.insecure_channel(stack.address) as channel:
        yield JobsServiceStub(channel)


def step(payload: Any, node_id: str = "", **how: Any) -> pb.Step:
    """A job."""
    spec = JobSpec()
    spec.payload.Pack(payload)
    return pb.Step(job=spec, node_id=node_id, **how)


def chain(*steps: pb.Step) -> pb.Step:
    """One after the other."""
    return pb.Step(chain=pb.Chain(steps=steps))


def group(*steps: pb.Step, **how: Any) -> pb.Step:
    """All at once."""
    return pb.Step(group=pb.Group(steps=steps), **how)


def run(door: Any, lab: Lab, root: pb.Step) -> list[JobRecord]:
    """The jobs of a workflow in its order, once all of them are done."""
    workflow_id = door.SubmitWorkflow(
        pb.SubmitWorkflowRequest(root=root, request_id="w")
    ).workflow.workflow_id
    nodes = door.GetWorkflow(pb.GetWorkflowRequest(workflow_id=workflow_id, view=2)).workflow.nodes
    return lab.wait_all([node.job_id for node in nodes if node.job_id])


def test_results_go_where_they_are_bound_and_asked_for(door: Any, lab: Lab) -> None:
    """Of the step right before, of a group with a failure in it, of a node far before."""
    root = chain(
        step(Make(key="a", tags=["x"]), "first"),
        group(
            step(Make(key="b")),
            step(Make(fails=True)),
            step(Make(key="c")),
            node_id="fan",
            on_failure=pb.FAILURE_POLICY_CONTINUE,
        ),
        step(Read(how="inputs")),
        step(
            Use(title="given"),
            bindings=[
                pb.Binding(from_node="first", from_field="document.key", to_field="key"),
                pb.Binding(from_node="first", from_field="tags", to_field="tags"),
            ],
        ),
        step(Read(how="inputs", node="fan")),
        step(Read(how="input", node="first")),
    )

    *_, read, used, again, first = run(door, lab, root)

    assert list(lab.result(read, Words).words) == ["b", "!NOT_MADE", "c"]
    assert lab.result(used, Used).payload == Use(key="a", tags=["x"], title="given")
    assert list(lab.result(again, Words).words) == ["b", "!NOT_MADE", "c"]
    assert list(lab.result(first, Words).words) == ["a"]


def test_what_breaks_a_rule_ends_the_chain(door: Any, lab: Lab) -> None:
    """The door could not know; what follows is not run."""
    root = chain(
        step(Make(key="long " * 10), "make"),
        step(
            Use(),
            bindings=[pb.Binding(from_node="make", from_field="document.key", to_field="key")],
        ),
        step(Read(how="place")),
    )

    _, used, last = run(door, lab, root)

    assert (used.state, lab.failure(used).reason) == (State.FAILED, "INVALID_INPUT")
    assert (last.state, lab.failure(last).cause_job_id) == (State.CANCELLED, used.job_id)


def test_what_follows_waits_for_the_children(door: Any, lab: Lab) -> None:
    """They belong to the workflow, and end before the next step begins."""
    root = chain(step(Spread(count=5)), step(Read(how="place")))

    spread, last = run(door, lab, root)

    _, *children = lab.result(spread, Words).words
    ended = [lab.get(child) for child in children]
    assert [each.state for each in ended] == [State.SUCCEEDED] * 5
    assert max(each.ended_ms for each in ended) <= last.started_ms
    assert {each.tag.workflow_id for each in ended} == {last.tag.workflow_id}


def test_hooks_of_a_workflow_read_how_it_ended(door: Any, lab: Lab) -> None:
    """Its state, and the failure that ended it."""
    hook = step(Read(how="parent")).job

    def ended(root: pb.Step, request_id: str) -> list[str]:
        request = pb.SubmitWorkflowRequest(
            root=root, request_id=request_id, on_success=hook, on_failure=hook
        )
        workflow_id = door.SubmitWorkflow(request).workflow.workflow_id
        name = f"hook of {workflow_id}"
        found = eventually(lambda: _hook_of(lab, workflow_id), because=name)
        words = list(lab.result(lab.wait(found), Words).words)
        assert words[:2] == ["", workflow_id]
        return words[2:]

    none = "a workflow has no result of its own"
    assert ended(step(Make(key="a")), "1") == ["SUCCEEDED", none]
    assert ended(step(Make(fails=True)), "2") == ["FAILED", "NOT_MADE"]


def _hook_of(lab: Lab, workflow_id: str) -> str:
    """The job whose envelope names the workflow as its parent; empty where there is none yet."""
    for name in lab.redis.scan_iter("rq:job:*"):
        job_id = name.decode().removeprefix("rq:job:")
        sealed = lab.get(job_id).envelope
        envelope = Envelope.FromString(lab.ring.unseal("domain/relay", sealed))
        if envelope.parent_workflow_id == workflow_id:
            return job_id
    return ""
