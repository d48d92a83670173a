"""Waiting for a workflow at a door that fails on purpose, over a real connection."""

from datetime import timedelta

import grpc
import pytest

from acme_jobs.lab.v1.lab_pb2 import Noop
from integration.client.faulty_door import Fault
from portaria.client import (
    AsyncClient,
    Client,
    DeadlineExceeded,
    DoorUnavailable,
    WorkflowNotFound,
    chain,
)
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import Job
from portaria.v1.jobs_service_pb2 import JobEvent, WatchJobsRequest, WatchJobsResponse
from portaria.v1.workflows_pb2 import GetWorkflowResponse, SubmitWorkflowResponse, Workflow

ID = "0190c0de-0000-7fff-8000-000000abcdef"
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
RUNNING, SUCCEEDED = job_pb2.JOB_STATE_RUNNING, job_pb2.JOB_STATE_SUCCEEDED
OPEN = GetWorkflowResponse(workflow=Workflow(workflow_id=ID, state=RUNNING))
DONE = GetWorkflowResponse(workflow=Workflow(workflow_id=ID, state=SUCCEEDED, done=True))


def told(*job_ids) -> list[WatchJobsResponse]:
    """A stream that shows jobs as done, and ends."""
    events = [
        JobEvent(job_id=each, state=SUCCEEDED, done=True, snapshot=Job(job_id=each))
        for each in job_ids
    ]
    return [WatchJobsResponse(cursor="c1", snapshot_complete=True, events=events)]


def streams(door) -> int:
    """How many watches the door saw, each of the workflow."""
    found = [each for each in door.requests if isinstance(each, WatchJobsRequest)]
    assert all(each.selector.workflow_id == ID for each in found)
    return len(found)


@pytest.fixture
def client(faulty_door):
    with Client(faulty_door.address, timeout=timedelta(seconds=2)) as client:
        yield client


def test_a_workflow_that_is_done_is_answered_at_once(faulty_door, client):
    """Without a watch, which would show every job of it again."""
    faulty_door.will("GetWorkflow", DONE)

    assert client.workflow(ID).wait() == DONE.workflow
    assert streams(faulty_door) == 0


def test_a_wait_does_not_miss_what_was_added_late(faulty_door, client):
    """The watch had told all, and the workflow is not done: it is watched again."""
    faulty_door.will("GetWorkflow", OPEN, OPEN, DONE)
    faulty_door.will("WatchJobs", told("a"), told("a", "b"))

    assert client.workflow(ID).wait().done
    assert streams(faulty_door) == 2


async def test_the_async_wait_does_the_same(faulty_door):
    """Also over a door that is away for a moment."""
    faulty_door.will("GetWorkflow", OPEN, OPEN, Fault(UNAVAILABLE), DONE)
    faulty_door.will("WatchJobs", told("a"), [Fault(UNAVAILABLE)], told("a", "b"))

    async with AsyncClient(faulty_door.address) as client:
        assert (await client.workflow(ID).wait()).done

    assert streams(faulty_door) == 3


def test_an_outage_longer_than_a_call_is_borne(faulty_door):
    """The look after a watch fails for as long as it may: the watch has more patience."""
    away = [Fault(UNAVAILABLE, reason="SHUTTING_DOWN") for _ in range(20)]
    faulty_door.will("GetWorkflow", OPEN, *away)

    def back() -> list[WatchJobsResponse]:
        faulty_door.answers["GetWorkflow"].clear()
        faulty_door.will("GetWorkflow", DONE)
        return told("a")

    faulty_door.will("WatchJobs", told("a"), Back(back))
    with Client(faulty_door.address, timeout=timedelta(milliseconds=300)) as client:
        assert client.workflow(ID).wait().done

    assert streams(faulty_door) == 2


class Back(list):
    """Frames that are made when they are asked for."""

    def __init__(self, make) -> None:
        super().__init__()
        self._make = make

    def __iter__(self):
        return iter(self._make())


@pytest.mark.parametrize("is_open", [True, False])
def test_the_caller_s_time_ends_the_wait(faulty_door, client, is_open):
    """Whether the door says nothing or is not there."""
    if is_open:
        faulty_door.will("GetWorkflow", OPEN, *[OPEN] * 1_000)
        faulty_door.will("WatchJobs", *[told("a")] * 1_000)
    else:
        faulty_door.will("GetWorkflow", OPEN)
        faulty_door.will("WatchJobs", *[[Fault(UNAVAILABLE)] for _ in range(1_000)])

    with pytest.raises(DeadlineExceeded, match=f"workflow {ID} is not done after 0.4 s"):
        client.workflow(ID).wait(timedelta(milliseconds=400))


def test_a_workflow_that_is_not_there_ends_the_wait(faulty_door, client):
    """With the door's own word."""
    faulty_door.will("GetWorkflow", Fault(grpc.StatusCode.NOT_FOUND, reason="WORKFLOW_NOT_FOUND"))

    with pytest.raises(WorkflowNotFound):
        client.workflow(ID).wait()


def test_a_door_that_never_answered_ends_the_wait():
    """Within the client's time for a call, not its patience."""
    with (
        Client("127.0.0.1:1", timeout=timedelta(milliseconds=300)) as client,
        pytest.raises(DoorUnavailable),
    ):
        client.workflow(ID).wait()


def test_a_submit_is_repeated_under_one_request_id(faulty_door, client):
    """The caller has one workflow, whatever happens to the first call."""
    answer = SubmitWorkflowResponse(workflow=OPEN.workflow, deduplicated=True)
    faulty_door.will("SubmitWorkflow", Fault(UNAVAILABLE), answer)

    handle = client.submit_workflow(chain(Noop(), Noop()))

    assert (handle.workflow_id, handle.deduplicated) == (ID, True)
    assert len({request.request_id for request in faulty_door.requests}) == 1
    assert len(faulty_door.requests) == 2
