"""Requests about workflows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from acme_jobs.lab.v1.lab_pb2 import Echo, Noop
from portaria.client import InvalidRequest, NotFound, chain, chord, group, step
from portaria.client.requests import spec_of, submit_request
from portaria.client.workflow_requests import (
    cancel_workflow_requests,
    get_workflow_request,
    jobs_by_node,
    list_workflows_request,
    no_such_node,
    retry_workflow_request,
    submit_workflow_request,
    time_to_submit,
)
from portaria.v1.job_pb2 import JOB_VIEW_BASIC, JOB_VIEW_FULL, JobSpec, SubmitOptions
from portaria.v1.workflows_pb2 import SubmitWorkflowRequest, Workflow

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
WORKFLOW = "0190c0de-0000-7fff-8000-000000abcdef"


def submit(root, **said) -> SubmitWorkflowRequest:
    plain = {
        "request_id": None,
        "labels": None,
        "on_success": None,
        "on_failure": None,
        "deadline": None,
        "validate_only": False,
    }
    return submit_workflow_request(root, **{**plain, **said})


def test_a_submit_carries_all_that_is_said() -> None:
    """The tree, labels, hooks, deadline."""
    request = submit(
        chain(Noop(), Echo(text="a")),
        request_id="mine",
        labels={"team": "billing"},
        on_success=Echo(text="good"),
        on_failure=JobSpec(payload=spec_of(Noop()).payload, options=SubmitOptions(unique_key="k")),
        deadline=NOON,
        validate_only=True,
    )

    assert len(request.root.chain.steps) == 2
    assert (request.request_id, dict(request.labels)) == ("mine", {"team": "billing"})
    assert request.on_success == spec_of(Echo(text="good"))
    assert request.on_failure.options.unique_key == "k"
    assert (request.deadline.ToDatetime(UTC), request.validate_only) == (NOON, True)


def test_nothing_said_is_nothing_sent() -> None:
    """But for a request_id of its own, so that a repeat makes no second workflow."""
    one, other = submit(Noop()), submit(Noop())

    assert [field.name for field, _ in one.ListFields()] == ["root", "request_id"]
    assert one.request_id != other.request_id
    assert one.root == step(Noop())


def test_a_deadline_needs_its_zone() -> None:
    """As any moment."""
    with pytest.raises(InvalidRequest, match="deadline: needs a time zone"):
        submit(Noop(), deadline=NOON.replace(tzinfo=None))


@pytest.mark.parametrize("hook", ["on_success", "on_failure"])
def test_what_is_no_hook_or_label_is_a_mistake_in_the_code(hook) -> None:
    """TypeError in words, before anything is sent."""
    with pytest.raises(TypeError, match="got a Step"):
        submit(Noop(), **{hook: chain(Noop())})
    with pytest.raises(TypeError, match=r"labels\['a'\]: expected a str; got int"):
        submit(Noop(), labels={"a": 1})


@pytest.mark.parametrize(
    ("root", "jobs"),
    [
        (step(Noop()), 1),
        (chain(Noop(), group(Noop(), chain(Noop(), Noop())), Noop()), 5),
        (chain(chord([Noop(), group(Noop(), Noop())], chain(Noop(), Noop())), Noop()), 6),
        (group(Noop() for _ in range(50_000)), 50_000),
    ],
)
def test_a_submit_may_take_a_millisecond_for_each_job(root, jobs) -> None:
    """Wherever in the tree they are."""
    assert time_to_submit(root) == timedelta(milliseconds=jobs)


def test_the_other_requests() -> None:
    """Each says which workflow, and what of it."""
    assert get_workflow_request(WORKFLOW).view == JOB_VIEW_BASIC
    assert get_workflow_request(WORKFLOW, nodes=True).view == JOB_VIEW_FULL
    one, other = (retry_workflow_request(WORKFLOW, None) for _ in range(2))
    assert one.workflow_id == WORKFLOW
    assert one.request_id != other.request_id
    assert retry_workflow_request(WORKFLOW, "mine").request_id == "mine"
    (cancel,) = cancel_workflow_requests(WORKFLOW, reason="enough", force=True)
    assert (cancel.selector.workflow_id, cancel.reason, cancel.force) == (WORKFLOW, "enough", True)
    listing = list_workflows_request({"team": "billing"}, only_open=True)
    assert (dict(listing.labels), listing.only_open) == ({"team": "billing"}, True)


def test_jobs_are_found_by_their_node() -> None:
    """Steps that hold others have none."""
    nodes = [Workflow.Node(node_id="0"), Workflow.Node(node_id="report", job_id="j1")]

    assert jobs_by_node(nodes) == {"report": "j1"}
    assert isinstance(no_such_node(WORKFLOW, "0"), NotFound)


def test_a_submit_of_one_job_takes_hooks_too() -> None:
    """As payloads, or as whole specs; they win over those of `options`."""
    options = SubmitOptions(on_failure=spec_of(Noop()), on_retry=spec_of(Noop()))

    said = submit_request(
        Noop(), options=options, on_success=Noop(), on_failure=spec_of(Echo(text="bad"))
    ).spec.options

    assert said.on_success == spec_of(Noop())
    assert said.on_failure == spec_of(Echo(text="bad"))
    assert said.on_retry == spec_of(Noop())
    with pytest.raises(TypeError, match="expected the message of a job type"):
        submit_request(Noop(), on_retry=Noop)
