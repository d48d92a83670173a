"""Workflows as the door reads, retries and shares them; a worker is played by hand."""

from __future__ import annotations

import time

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from acme_jobs.lab.v1.lab_pb2 import Echo, EchoResult, Noop
from integration.frontdoor.conftest import OpenDoor
from integration.frontdoor.flows import (
    chain,
    group,
    job,
    looked_at,
    order,
    spec,
    state,
    states,
    submitted,
)
from integration.frontdoor.playing import Door, Worker, email, refused, submission
from portaria.store import Claim, keys
from portaria.store.batch import settle
from portaria.v1.job_pb2 import JOB_STATE_BLOCKED, JOB_VIEW_FULL, Failure, Job
from portaria.v1.jobs_service_pb2 import (
    BatchSubmitJobsRequest,
    CancelJobsRequest,
    JobSelector,
    ListJobsRequest,
    RetryJobsRequest,
    SubmitJobRequest,
)
from portaria.v1.workflows_pb2 import (
    FAILURE_POLICY_ALLOW,
    ListWorkflowsRequest,
    RetryWorkflowRequest,
    Workflow,
)

LAB = ("lab:critical", "lab:high", "lab:default", "lab:low")


@pytest.fixture
def fail_next(worker: Worker):
    def fail() -> Claim:
        claim = worker.claim(*LAB)
        worker.fail(claim)
        return claim

    return fail


def succeed(worker: Worker, *texts: str) -> None:
    """The next jobs end well, each with a result."""
    for text in texts:
        worker.succeed(worker.claim(*LAB), EchoResult(text=text))


def retried(door: Door, workflow: Workflow, request_id: str = "again") -> Workflow:
    request = RetryWorkflowRequest(workflow_id=workflow.workflow_id, request_id=request_id)
    answer: Workflow = door.jobs.RetryWorkflow(request, timeout=10).workflow
    return answer


def cancel(door: Door, workflow: Workflow) -> None:
    selector = JobSelector(workflow_id=workflow.workflow_id)
    door.jobs.CancelJobs(CancelJobsRequest(selector=selector), timeout=10)


def child(door: Door, parent: Claim, **options: object) -> Job:
    request = SubmitJobRequest(
        request_id=f"child of {parent.job_id}".replace(" ", "-"),
        spec=spec(Echo(text="child"), **options),
        parent_job_id=parent.job_id,
    )
    made: Job = door.jobs.SubmitJob(request, timeout=5).job
    return made


def test_a_workflow_tells_its_steps(door: Door, worker: Worker) -> None:
    """Kinds, what stands before what, whose failure it was."""
    made = submitted(
        door, chain(job(Echo(), node="a"), group(job(Echo()), job(Echo())), job(Noop()))
    )
    succeed(worker, "a", "b")
    worker.fail(worker.claim(*LAB), reason="NO")

    found = looked_at(door, made.workflow_id)

    assert (state(found), found.done, found.progress.current) == ("FAILED", True, 4)
    assert states(found) == {
        "0": "FAILED", "a": "SUCCEEDED", "0.1": "FAILED", "0.1.0": "SUCCEEDED",
        "0.1.1": "FAILED", "0.2": "CANCELLED",
    }  # fmt: skip
    nodes = {each.node_id: each for each in found.nodes}
    assert list(nodes["0.1"].after) == ["a"]
    assert list(nodes["0.2"].after) == ["0.1"]
    assert nodes["0.1.0"].parent == "0.1"
    assert nodes["0.1.1"].failure.reason == "NO"
    doomed = nodes["0.2"].failure
    assert (doomed.kind, doomed.reason) == (Failure.KIND_DEPENDENCY, "DEPENDENCY_FAILED")
    assert doomed.cause_job_id == nodes["0.1.1"].job_id == found.cause_job_id
    assert door.get(nodes["a"].job_id).node_id == "a"


def test_a_retry_runs_what_is_left(door: Door, worker: Worker) -> None:
    """Results are those of the new one's own jobs; the old one says what it was retried as."""
    made = submitted(door, chain(job(Echo()), job(Echo()), job(Echo())), labels={"a": "b"})
    succeed(worker, "first")
    worker.fail(worker.claim(*LAB))

    again = retried(door, made)

    assert states(looked_at(door, again.workflow_id)) == {
        "0": "RUNNING", "0.0": "SUCCEEDED", "0.1": "PENDING", "0.2": "BLOCKED",
    }  # fmt: skip
    first = door.get(looked_at(door, again.workflow_id).nodes[1].job_id)
    result = EchoResult()
    assert first.result.Unpack(result)
    assert result.text == "first"
    assert first.retried_from == looked_at(door, made.workflow_id).nodes[1].job_id
    succeed(worker, "second", "third")
    done = looked_at(door, again.workflow_id)
    assert (state(done), done.retried_from, dict(done.labels)) == (
        "SUCCEEDED", made.workflow_id, {"a": "b"},
    )  # fmt: skip
    assert looked_at(door, made.workflow_id).retried_as == again.workflow_id


def test_a_workflow_is_retried_once(door: Door, worker: Worker) -> None:
    """Under one request_id; then its copy may be."""
    made = submitted(door, chain(job(Echo()), job(Echo())))
    worker.fail(worker.claim(*LAB))

    again = retried(door, made)

    assert retried(door, made).workflow_id == again.workflow_id
    request = RetryWorkflowRequest(workflow_id=made.workflow_id, request_id="other")
    refusal = refused(door.jobs.RetryWorkflow, request)
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION, "NOT_RETRYABLE",
    )  # fmt: skip
    assert again.workflow_id in str(refusal.status)
    worker.fail(worker.claim(*LAB))
    assert retried(door, again).retried_from == again.workflow_id


def test_what_is_open_or_good_is_not_retried(door: Door, worker: Worker) -> None:
    made = submitted(door, job(Echo()))
    request = RetryWorkflowRequest(workflow_id=made.workflow_id, request_id="r")
    batch = BatchSubmitJobsRequest(request_id="b", specs=[spec(email())])
    of_batch = RetryWorkflowRequest(
        workflow_id=door.jobs.BatchSubmitJobs(batch, timeout=5).workflow_id, request_id="r"
    )

    before = refused(door.jobs.RetryWorkflow, request)
    succeed(worker, "good")
    after = refused(door.jobs.RetryWorkflow, request)

    assert [each.reason for each in (before, after)] == ["NOT_RETRYABLE"] * 2
    assert "RetryJobs" in refused(door.jobs.RetryWorkflow, of_batch).message


def test_a_large_retry_goes_on_where_it_was(door: Door, worker: Worker) -> None:
    """Written in slices; whoever ends last finds the bits of all that was done."""
    made = submitted(door, chain(group(*[job(Echo()) for _ in range(401)]), job(Echo())))
    worker.fail(worker.claim(*LAB))
    for _ in range(400):
        worker.succeed(worker.claim(*LAB))

    again = retried(door, made)
    succeed(worker, "the one that failed", "the body")

    assert state(looked_at(door, again.workflow_id)) == "SUCCEEDED"


def test_a_spared_failure_that_was_passed_stays(door: Door, worker: Worker) -> None:
    """What follows it began: nobody waits for another outcome."""
    made = submitted(
        door, chain(job(Echo(), on_failure=FAILURE_POLICY_ALLOW), job(Echo()), job(Echo()))
    )
    worker.fail(worker.claim(*LAB))
    succeed(worker, "second")
    worker.fail(worker.claim(*LAB))

    again = looked_at(door, retried(door, made).workflow_id)

    assert states(again) == {
        "0": "RUNNING", "0.0": "FAILED", "0.1": "SUCCEEDED", "0.2": "PENDING",
    }  # fmt: skip


def test_a_retry_keeps_the_delay_of_what_never_began(door: Door, worker: Worker) -> None:
    later = job(Echo(), delay=Duration(seconds=600))
    made = submitted(door, chain(job(Echo()), later))
    worker.fail(worker.claim(*LAB))

    again = retried(door, made)
    succeed(worker, "first")

    assert states(looked_at(door, again.workflow_id))["0.1"] == "SCHEDULED"


def test_a_child_that_failed_is_submitted_anew(door: Door, worker: Worker) -> None:
    """By its parent, which runs again; and the trees of both say so."""
    made = submitted(door, chain(group(job(Echo())), job(Echo())))
    parent = worker.claim(*LAB)
    child(door, parent)
    worker.succeed(parent, EchoResult(text="parent"))
    worker.fail(worker.claim(*LAB))

    failed = looked_at(door, made.workflow_id)
    assert states(failed) == {
        "0": "FAILED", "0.0": "FAILED", "0.0.0": "SUCCEEDED", "0.1": "CANCELLED",
    }  # fmt: skip
    again = looked_at(door, retried(door, made).workflow_id)
    assert states(again)["0.0.0"] == "PENDING"


def test_children_share_labels_and_deadline(door: Door, worker: Worker) -> None:
    """What they say themselves wins, but for a later deadline."""
    soon = Timestamp(seconds=int(time.time()) + 600)
    later = Timestamp(seconds=int(time.time()) + 6_000)
    submitted(door, job(Echo()), labels={"a": "b", "c": "d"}, deadline=soon)
    parent = worker.claim(*LAB)

    made = door.get(child(door, parent, labels={"a": "x"}, deadline=later).job_id)

    assert dict(made.labels) == {"a": "x", "c": "d"}
    assert made.deadline == soon
    assert made.parent_job_id == parent.job_id


def test_a_parent_that_is_to_end_submits_nothing(door: Door, worker: Worker) -> None:
    made = submitted(door, job(Echo()))
    parent = worker.claim(*LAB)
    cancel(door, made)
    request = SubmitJobRequest(request_id="r", spec=spec(Echo()), parent_job_id=parent.job_id)

    assert refused(door.jobs.SubmitJob, request).reason == "PARENT_NOT_RUNNING"


def test_a_child_is_the_same_after_its_parent_ended(door: Door, worker: Worker) -> None:
    """Who repeats the call did not hear the answer."""
    submitted(door, job(Echo()))
    parent = worker.claim(*LAB)
    first = child(door, parent)
    worker.succeed(parent)

    assert child(door, parent).job_id == first.job_id


def test_a_member_is_not_retried_alone(door: Door, worker: Worker) -> None:
    """Nothing would wait for the copy, or fill its fields."""
    made = submitted(door, chain(job(Echo()), job(Echo())))
    worker.fail(worker.claim(*LAB))
    request = RetryJobsRequest(selector=JobSelector(workflow_id=made.workflow_id), request_id="r")

    results = door.jobs.RetryJobs(request, timeout=5).results

    assert len(results) == 2
    assert all("RetryWorkflow" in each.error.message for each in results)


def test_a_cancelled_tree_is_cancelled(door: Door, worker: Worker) -> None:
    """Also where one of it runs, once that has ended."""
    made = submitted(door, chain(job(Echo()), group(*[job(Echo()) for _ in range(5)])))
    running = worker.claim(*LAB)

    cancel(door, made)
    between = looked_at(door, made.workflow_id)
    worker.fail(running)

    assert (state(between), between.done) == ("CANCELLING", False)
    after = looked_at(door, made.workflow_id)
    assert set(states(after).values()) == {"CANCELLED"}


def test_what_is_over_is_told_to_be_over(door: Door, worker: Worker) -> None:
    """Though what its last job left to do was more than one script may, and no sweep came yet."""
    made = submitted(door, chain(job(Echo()), *[job(Echo()) for _ in range(90)]))
    running = worker.claim(*LAB)
    selector = JobSelector(workflow_id=made.workflow_id, states=[JOB_STATE_BLOCKED])
    door.jobs.CancelJobs(CancelJobsRequest(selector=selector), timeout=10)

    worker.fail(running)

    found = looked_at(door, made.workflow_id)
    assert (state(found), found.progress.current) == ("CANCELLED", 91)


def test_a_list_has_workflows_and_batches(door: Door, worker: Worker) -> None:
    """The newest first, by label, the open ones, in pages."""
    one = submitted(door, job(Echo()), labels={"team": "a"}).workflow_id
    batch = BatchSubmitJobsRequest(
        request_id="b", specs=[spec(Echo()), spec(Echo())], labels={"team": "b"}
    )
    two = door.jobs.BatchSubmitJobs(batch, timeout=5).workflow_id
    three = submitted(door, job(Echo()), labels={"team": "b"}).workflow_id
    succeed(worker, "one", "two")

    def listed(**given: object) -> list[tuple[str, str, int]]:
        found = door.jobs.ListWorkflows(ListWorkflowsRequest(**given), timeout=5).workflows
        return [(each.workflow_id, state(each), each.progress.current) for each in found]

    assert listed() == [(three, "RUNNING", 0), (two, "RUNNING", 1), (one, "SUCCEEDED", 1)]
    assert [each for each, *_ in listed(labels={"team": "b"})] == [three, two]
    assert [each for each, *_ in listed(only_open=True)] == [three, two]
    succeed(worker, "three")
    assert listed(only_open=True) == [(three, "RUNNING", 0)]
    first = door.jobs.ListWorkflows(ListWorkflowsRequest(page_size=2), timeout=5)
    rest = door.jobs.ListWorkflows(
        ListWorkflowsRequest(page_size=2, page_token=first.next_page_token), timeout=5
    )
    ids = [each.workflow_id for page in (first, rest) for each in page.workflows]
    assert ids == [three, two, one]
    assert not rest.next_page_token


def test_a_batch_is_a_group(door: Door, worker: Worker) -> None:
    """Done as soon as its jobs are, with the cause and the moment of the last one."""
    batch = BatchSubmitJobsRequest(request_id="b", specs=[spec(Echo()), spec(Echo())])
    made = door.jobs.BatchSubmitJobs(batch, timeout=5)
    bad = worker.claim(*LAB)
    worker.fail(bad)
    succeed(worker, "good")

    found = looked_at(door, made.workflow_id)

    assert (state(found), found.batch, found.cause_job_id) == ("FAILED", True, bad.job_id)
    assert states(found) == {"0": "FAILED", "0.0": "FAILED", "0.1": "SUCCEEDED"}
    assert 0 <= found.end_time.ToSeconds() - found.create_time.ToSeconds() < 20


def test_a_batch_waits_for_children_of_its_jobs(door: Door, worker: Worker) -> None:
    """And fails where one of them does; a list says the same."""
    batch = BatchSubmitJobsRequest(request_id="b", specs=[spec(Echo()), spec(Echo())])
    made = door.jobs.BatchSubmitJobs(batch, timeout=5)
    parent = worker.claim(*LAB)
    child(door, parent)
    worker.succeed(parent)
    succeed(worker, "other")

    assert state(looked_at(door, made.workflow_id)) == "RUNNING"
    (listed,) = door.jobs.ListWorkflows(ListWorkflowsRequest(only_open=True), timeout=5).workflows
    assert listed.workflow_id == made.workflow_id
    worker.fail(worker.claim(*LAB))

    assert state(looked_at(door, made.workflow_id)) == "FAILED"
    worker.store.redis.zadd(keys.BATCHES, {made.workflow_id: 1})
    worker.store.run(settle())
    assert state(looked_at(door, made.workflow_id)) == "FAILED"


def test_two_doors_make_one_workflow(open_door: OpenDoor) -> None:
    """Asked at once under one request_id; each goes on where the other one is."""
    doors = [open_door(), open_door()]
    request = order(group(*[job(Noop()) for _ in range(700)]), request_id="both")

    calls = [each.jobs.SubmitWorkflow.future(request, timeout=20) for each in doors]
    made = [each.result() for each in calls]

    assert made[0].workflow.workflow_id == made[1].workflow.workflow_id
    found = doors[0].jobs.ListJobs(
        ListJobsRequest(
            selector=JobSelector(workflow_id=made[0].workflow.workflow_id), page_size=1_000
        ),
        timeout=10,
    )
    assert len(found.jobs) == 700


def test_hooks_of_a_workflow_know_it(door: Door, worker: Worker) -> None:
    """One of them, once."""
    made = submitted(
        door, job(Echo()), on_success=spec(Echo(text="good")), on_failure=spec(Echo(text="bad"))
    )
    succeed(worker, "done")

    hook = worker.claim(*LAB)

    envelope = worker.envelope(hook)
    assert envelope.parent_workflow_id == made.workflow_id
    payload = Echo()
    assert envelope.spec.payload.Unpack(payload)
    assert payload.text == "good"


def test_what_is_only_checked_is_not_written(door: Door) -> None:
    answer = door.jobs.SubmitWorkflow(order(job(Echo()), validate_only=True), timeout=5)

    assert answer.workflow.workflow_id == ""
    assert not door.jobs.ListWorkflows(ListWorkflowsRequest(), timeout=5).workflows


def test_its_jobs_are_as_they_were_given(door: Door) -> None:
    """Their specs, with the labels and the deadline of all."""
    soon = Timestamp(seconds=int(time.time()) + 600)
    made = submitted(door, job(Echo(text="x"), priority=4), labels={"a": "b"}, deadline=soon)

    found = door.get(looked_at(door, made.workflow_id).nodes[0].job_id, view=JOB_VIEW_FULL)

    given = submission(Echo(text="x")).spec.payload
    assert found.spec.payload == given
    assert (found.queue, dict(found.labels), found.deadline) == ("lab:critical", {"a": "b"}, soon)
