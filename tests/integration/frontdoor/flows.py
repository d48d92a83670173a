"""Workflows as callers of the door hand them in."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from integration.frontdoor.playing import Door
from portaria.v1.job_pb2 import JOB_VIEW_FULL, JobSpec, JobState, SubmitOptions
from portaria.v1.workflows_pb2 import (
    Binding,
    Chain,
    Chord,
    GetWorkflowRequest,
    Group,
    Step,
    SubmitWorkflowRequest,
    Workflow,
)


def spec(payload: Message, **options: Any) -> JobSpec:
    """What a job is."""
    found = JobSpec()
    found.payload.Pack(payload)
    if options:
        found.options.MergeFrom(SubmitOptions(**options))
    return found


def job(payload: Message, *, bind: Sequence[Binding] = (), node: str = "", **options: Any) -> Step:
    """A step that is a job; `on_failure` is that of the step."""
    on_failure = options.pop("on_failure", 0)
    return Step(job=spec(payload, **options), bindings=bind, node_id=node, on_failure=on_failure)


def bound(from_node: str, from_field: str, to_field: str) -> Binding:
    """A field that is filled."""
    return Binding(from_node=from_node, from_field=from_field, to_field=to_field)


def chain(*steps: Step, **given: Any) -> Step:
    """One after the other."""
    return Step(chain=Chain(steps=steps), **given)


def group(*steps: Step, **given: Any) -> Step:
    """Side by side."""
    return Step(group=Group(steps=steps), **given)


def chord(header: Sequence[Step], body: Step, **given: Any) -> Step:
    """A group, and what reads its results."""
    return Step(chord=Chord(header=Group(steps=header), body=body), **given)


def order(root: Step, *, request_id: str = "", **given: Any) -> SubmitWorkflowRequest:
    """A request."""
    return SubmitWorkflowRequest(root=root, request_id=request_id or uuid.uuid4().hex, **given)


def submitted(door: Door, root: Step, **given: Any) -> Workflow:
    """A workflow that was handed in."""
    workflow: Workflow = door.jobs.SubmitWorkflow(order(root, **given), timeout=20).workflow
    return workflow


def looked_at(door: Door, workflow_id: str) -> Workflow:
    """A workflow with its steps."""
    request = GetWorkflowRequest(workflow_id=workflow_id, view=JOB_VIEW_FULL)
    workflow: Workflow = door.jobs.GetWorkflow(request, timeout=20).workflow
    return workflow


def states(workflow: Workflow) -> dict[str, str]:
    """Of each step, by its name."""
    return {
        each.node_id: JobState.Name(each.state).removeprefix("JOB_STATE_")
        for each in workflow.nodes
    }


def state(workflow: Workflow) -> str:
    """Of the whole."""
    return JobState.Name(workflow.state).removeprefix("JOB_STATE_")
