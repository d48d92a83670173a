"""Workflows that are refused: by the path of each fault, with nothing written."""

from __future__ import annotations

import time
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from redis import Redis

from acme_jobs.lab.v1.lab_pb2 import Echo, Noop
from acme_jobs.relay.v1.relay_pb2 import Make, Use
from integration.frontdoor.flows import bound, chain, chord, group, job, order, spec, submitted
from integration.frontdoor.playing import Door, Refusal, keyspace, refused
from portaria.v1.job_pb2 import CONFLICT_POLICY_USE_EXISTING
from portaria.v1.jobs_service_pb2 import SubmitJobRequest
from portaria.v1.workflows_pb2 import (
    GetWorkflowRequest,
    ListWorkflowsRequest,
    RetryWorkflowRequest,
    Step,
    SubmitWorkflowRequest,
)

NOBODY = "01a1fbdb-8e98-7fff-9bde-5f0bd1943ee8"


def judged(door: Door, redis: Redis, request: SubmitWorkflowRequest) -> Refusal:
    """What it was refused with; nothing of it is in the store."""
    before = keyspace(redis)
    refusal = refused(door.jobs.SubmitWorkflow, request)
    assert keyspace(redis) == before
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT, refusal.message
    return refusal


def nested(depth: int) -> Step:
    found = job(Noop())
    for _ in range(depth):
        found = chain(found)
    return found


MAKE, USE = job(Make(key="k"), node="make"), Use(key="u")


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        pytest.param(Step(), {"root": "REQUIRED"}, id="no step"),
        pytest.param(chain(), {"root.chain.steps": "TOO_FEW"}, id="empty chain"),
        pytest.param(
            chord([], job(Noop())), {"root.chord.header.steps": "TOO_FEW"}, id="empty header"
        ),
        pytest.param(
            nested(17), {"root" + ".chain.steps[0]" * 16: "TOO_DEEP"}, id="nested 17 deep"
        ),
        pytest.param(group(*[job(Noop())] * 50_001), {"root": "TOO_MANY"}, id="50,001 jobs"),
        pytest.param(
            group(job(Noop(), node="a"), job(Noop(), node="a")),
            {"root.group.steps[1].node_id": "DUPLICATE"},
            id="the same node twice",
        ),
        pytest.param(
            chain(MAKE, job(USE, bind=[bound("nobody", "document.key", "title")])),
            {"root.chain.steps[1].bindings[0].from_node": "UNKNOWN"},
            id="an unknown node",
        ),
        pytest.param(
            chain(MAKE, job(USE, bind=[bound("make", "document.nothing", "title")])),
            {"root.chain.steps[1].bindings[0].from_field": "UNKNOWN"},
            id="from a missing field",
        ),
        pytest.param(
            chain(MAKE, job(USE, bind=[bound("make", "document.key", "nothing")])),
            {"root.chain.steps[1].bindings[0].to_field": "UNKNOWN"},
            id="to a missing field",
        ),
        pytest.param(
            chain(MAKE, job(USE, bind=[bound("make", "document.key", "count")])),
            {"root.chain.steps[1].bindings[0].to_field": "TYPE"},
            id="of another type",
        ),
        pytest.param(
            chain(
                MAKE,
                job(
                    USE,
                    bind=[
                        bound("make", "document.key", "title"),
                        bound("make", "document.key", "title"),
                    ],
                ),
            ),
            {"root.chain.steps[1].bindings[1].to_field": "DUPLICATE"},
            id="twice into one field",
        ),
        pytest.param(
            chain(
                MAKE,
                job(
                    USE,
                    bind=[
                        bound("make", "document.key", "tags"),
                        bound("make", "document.key", "tags"),
                        bound("make", "tags", "tags"),
                    ],
                ),
            ),
            {"root.chain.steps[1].bindings[2].to_field": "DUPLICATE"},
            id="values and a whole list into one list",
        ),
        pytest.param(
            chain(
                job(Make(), node="a", bind=[bound("b", "document.key", "key")]),
                job(Make(), node="b", bind=[bound("a", "document.key", "key")]),
            ),
            {"root.chain.steps[0].bindings[0].from_node": "NOT_BEFORE"},
            id="a cycle",
        ),
        pytest.param(
            job(Make(), node="a", bind=[bound("a", "document.key", "key")]),
            {"root.bindings[0].from_node": "NOT_BEFORE"},
            id="from itself",
        ),
        pytest.param(
            chain(MAKE, Step(bindings=[bound("make", "document.key", "title")])),
            {
                "root.chain.steps[1]": "REQUIRED",
                "root.chain.steps[1].bindings": "NOT_ALLOWED",
            },
            id="of no job",
        ),
        pytest.param(
            chain(MAKE, group(bindings=[bound("make", "document.key", "title")])),
            {
                "root.chain.steps[1].group.steps": "TOO_FEW",
                "root.chain.steps[1].bindings": "NOT_ALLOWED",
            },
            id="of an empty group",
        ),
        pytest.param(
            group(MAKE, job(USE, bind=[bound("make", "document.key", "title")])),
            {"root.group.steps[1].bindings[0].from_node": "NOT_BEFORE"},
            id="from beside it",
        ),
        pytest.param(
            chain(
                group(MAKE, node_id="all"), job(USE, bind=[bound("all", "document", "document")])
            ),
            {"root.chain.steps[1].bindings[0].from_node": "TYPE"},
            id="from a group",
        ),
        pytest.param(
            chain(job(Noop(), node="n"), job(USE, bind=[bound("n", "", "document")])),
            {"root.chain.steps[1].bindings[0].from_node": "TYPE"},
            id="from a job without a result",
        ),
        pytest.param(
            chain(job(Noop()), job(Use(key="x" * 21))),
            {"root.chain.steps[1].job.payload.key": "TOO_LONG"},
            id="a wrong payload",
        ),
        pytest.param(
            job(Noop(), timeout=Duration(seconds=0)),
            {"root.job.options.timeout": "OUT_OF_RANGE"},
            id="a wrong option",
        ),
        pytest.param(
            group(job(Noop(), unique_key="k"), job(Noop(), unique_key="k")),
            {"root.group.steps[1].job.options.unique_key": "DUPLICATE"},
            id="one key twice",
        ),
        pytest.param(
            job(Noop(), unique_key="k", on_conflict=CONFLICT_POLICY_USE_EXISTING),
            {"root.job.options.on_conflict": "NOT_ALLOWED"},
            id="another job for itself",
        ),
    ],
)
def test_a_wrong_workflow_is_refused(
    door: Door, redis: Redis, root: Step, expected: dict[str, str]
) -> None:
    assert judged(door, redis, order(root)).fields == expected


def test_all_that_is_wrong_is_told_at_once(door: Door, redis: Redis) -> None:
    """In the tree, in bindings, in payloads, in hooks and around them."""
    request = order(
        chain(
            job(Use(key="x" * 21), node="0"),
            group(),
            job(Echo(), bind=[bound("0.1.9", "text", "text")]),
        ),
        request_id="no blank",
        labels={"Upper": "x"},
        on_failure=spec(Use()),
        deadline=Timestamp(seconds=1),
    )

    assert judged(door, redis, request).fields == {
        "request_id": "FORMAT",
        'labels["Upper"]': "FORMAT",
        "deadline": "OUT_OF_RANGE",
        "root.chain.steps[0].node_id": "FORMAT",
        "root.chain.steps[0].job.payload.key": "TOO_LONG",
        "root.chain.steps[1].group.steps": "TOO_FEW",
        "root.chain.steps[2].bindings[0].from_node": "UNKNOWN",
        "on_failure.payload.key": "REQUIRED",
    }


def test_without_a_root_that_alone_is_said(door: Door, redis: Redis) -> None:
    request = SubmitWorkflowRequest(request_id="r")

    assert judged(door, redis, request).fields == {"root": "REQUIRED"}


def test_a_job_that_could_not_begin_in_time_is_refused(door: Door, redis: Redis) -> None:
    """The deadline of the workflow is that of each of its jobs."""
    now = int(time.time())
    late = job(Noop(), run_time=Timestamp(seconds=now + 7_200))

    refusal = judged(door, redis, order(chain(late), deadline=Timestamp(seconds=now + 3_600)))

    assert refusal.fields == {"root.chain.steps[0].job.options": "DEADLINE"}


def test_a_field_that_is_bound_need_not_be_given(door: Door) -> None:
    """Others are judged as ever."""
    filled = job(Use(), bind=[bound("make", "document.key", "key")])
    wrong = job(Use(tags=["a"] * 4), bind=[bound("make", "document.key", "key")])

    submitted(door, chain(MAKE, filled))
    refusal = refused(door.jobs.SubmitWorkflow, order(chain(MAKE, wrong)))

    assert refusal.fields == {"root.chain.steps[1].job.payload.tags": "TOO_MANY"}


def test_a_key_that_another_job_holds_refuses_the_whole(door: Door, redis: Redis) -> None:
    held = door.submit(Noop(), unique_key="k")
    before = keyspace(redis)

    refusal = refused(
        door.jobs.SubmitWorkflow, order(chain(job(Noop()), job(Noop(), unique_key="k")))
    )

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "UNIQUE_KEY_HELD")
    assert held.job_id in str(refusal.status)
    assert keyspace(redis) == before


def test_a_request_id_stands_for_one_workflow(door: Door) -> None:
    """The same again is the same one; another tree, payload or label is refused."""
    first = order(chain(job(Echo(text="a")), job(Echo())), request_id="r")
    made = door.jobs.SubmitWorkflow(first, timeout=5)
    again = door.jobs.SubmitWorkflow(first, timeout=5)

    assert (made.deduplicated, again.deduplicated) == (False, True)
    assert made.workflow.workflow_id == again.workflow.workflow_id
    for other in (
        order(group(job(Echo(text="a")), job(Echo())), request_id="r"),
        order(chain(job(Echo(text="b")), job(Echo())), request_id="r"),
        order(first.root, request_id="r", labels={"a": "b"}),
        order(first.root, request_id="r", on_success=spec(Noop())),
    ):
        assert refused(door.jobs.SubmitWorkflow, other).reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    ("rpc", "request_"),
    [
        ("GetWorkflow", GetWorkflowRequest(workflow_id=NOBODY)),
        ("RetryWorkflow", RetryWorkflowRequest(workflow_id=NOBODY, request_id="r")),
    ],
)
def test_an_unknown_workflow_is_not_found(door: Door, rpc: str, request_: Any) -> None:
    refusal = refused(getattr(door.jobs, rpc), request_)

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "WORKFLOW_NOT_FOUND")


def test_a_page_token_is_of_one_list(door: Door) -> None:
    for _ in range(2):
        submitted(door, job(Noop()))
    token = door.jobs.ListWorkflows(ListWorkflowsRequest(page_size=1), timeout=5).next_page_token

    other = refused(door.jobs.ListWorkflows, ListWorkflowsRequest(page_token=token, only_open=True))
    made_up = refused(door.jobs.ListWorkflows, ListWorkflowsRequest(page_token="x"))

    assert other.fields == {"page_token": "CONFLICT"}
    assert made_up.fields == {"page_token": "FORMAT"}


def test_what_does_not_run_submits_nothing(door: Door, redis: Redis) -> None:
    waiting = door.submit(Noop())
    before = keyspace(redis)
    for parent in (waiting.job_id, NOBODY):
        request = SubmitJobRequest(request_id="r", spec=spec(Noop()), parent_job_id=parent)

        refusal = refused(door.jobs.SubmitJob, request)

        assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION
        assert refusal.reason == "PARENT_NOT_RUNNING"
    assert keyspace(redis) == before
