"""Requests about workflows. Raises InvalidRequest for what the wire could not carry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from google.protobuf.message import Message

from portaria.client.acting import cancel_requests
from portaria.client.composing import as_step
from portaria.client.requests import checked_labels, hook_of, timestamp
from portaria.core.errors import NotFound
from portaria.core.ids import new_request_id
from portaria.v1.job_pb2 import JOB_VIEW_BASIC, JOB_VIEW_FULL
from portaria.v1.jobs_service_pb2 import CancelJobsRequest
from portaria.v1.workflows_pb2 import (
    GetWorkflowRequest,
    ListWorkflowsRequest,
    RetryWorkflowRequest,
    Step,
    SubmitWorkflowRequest,
    Workflow,
)

TIME_TO_RETRY = timedelta(minutes=1)
"""How long a retry may take at least: of 50,000 jobs, which the client does not count first."""

_LIST_PAGE = 200
# A door takes about 0.1 ms of each; a busy one more.
_A_JOB = timedelta(milliseconds=1)


def submit_workflow_request(
    root: Message,
    *,
    request_id: str | None,
    labels: Mapping[str, str] | None,
    on_success: Message | None,
    on_failure: Message | None,
    deadline: datetime | None,
    validate_only: bool,
) -> SubmitWorkflowRequest:
    """A submit, with a request_id in any case."""
    request = SubmitWorkflowRequest(
        root=as_step(root),
        request_id=new_request_id() if request_id is None else request_id,
        labels=checked_labels(labels),
        validate_only=validate_only,
    )
    if on_success is not None:
        request.on_success.CopyFrom(hook_of(on_success))
    if on_failure is not None:
        request.on_failure.CopyFrom(hook_of(on_failure))
    if deadline is not None:
        request.deadline.CopyFrom(timestamp(deadline, "deadline"))
    return request


def time_to_submit(root: Step) -> timedelta:
    """How long a submit may take at least: 1 ms for each job of the tree."""
    jobs, left = 0, [root]
    while left:
        each = left.pop()
        if each.HasField("chord"):
            left += [*each.chord.header.steps, each.chord.body]
        elif each.HasField("chain") or each.HasField("group"):
            left += each.chain.steps or each.group.steps
        else:
            jobs += 1
    return jobs * _A_JOB


def get_workflow_request(workflow_id: str, *, nodes: bool = False) -> GetWorkflowRequest:
    """A read, with its steps or without them."""
    view = JOB_VIEW_FULL if nodes else JOB_VIEW_BASIC
    return GetWorkflowRequest(workflow_id=workflow_id, view=view)


def retry_workflow_request(workflow_id: str, request_id: str | None) -> RetryWorkflowRequest:
    """A retry, with a request_id in any case."""
    one_id = new_request_id() if request_id is None else request_id
    return RetryWorkflowRequest(workflow_id=workflow_id, request_id=one_id)


def cancel_workflow_requests(
    workflow_id: str, *, reason: str, force: bool
) -> Iterator[CancelJobsRequest]:
    """The first request."""
    return cancel_requests((), {"workflow_id": workflow_id}, reason=reason, force=force)


def list_workflows_request(
    labels: Mapping[str, str] | None, *, only_open: bool
) -> ListWorkflowsRequest:
    """The first page."""
    return ListWorkflowsRequest(labels=labels, only_open=only_open, page_size=_LIST_PAGE)


def jobs_by_node(nodes: Iterable[Workflow.Node]) -> dict[str, str]:
    """The id of each job, by the name of its node."""
    return {each.node_id: each.job_id for each in nodes if each.job_id}


def no_such_node(workflow_id: str, node: str) -> NotFound:
    """What a look for a job that is not in the workflow ends with."""
    return NotFound(f'workflow {workflow_id} has no job "{node}"')
