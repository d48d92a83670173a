"""What a job of a workflow gets of those before it, in a real worker."""

from __future__ import annotations

import pytest

from acme_jobs.lab.v1.lab_pb2 import EchoResult
from acme_jobs.relay.v1.relay_pb2 import Document, Made, Make, Read, Use, Used, Words
from bank_jobs.v1.bank_pb2 import DESCRIPTOR as BANK
from bank_jobs.v1.bank_pb2 import PayResult
from portaria.core.ids import member_id, new_job_id, new_workflow_id
from portaria.core.states import State
from portaria.core.type_files import seal_file
from portaria.core.type_pool import platform_files, with_imports
from portaria.internal.v1.envelope_pb2 import Envelope, PlanNode
from portaria.store import JobRecord, keys
from portaria.v1 import workflows_pb2 as pb
from portaria.v1.job_pb2 import Failure
from stack import Stack
from stack.flow import Flow
from stack.lab import Lab


@pytest.fixture
def flow(stack: Stack, lab: Lab) -> Flow:
    """A workflow whose jobs are run by a stock `rq worker`."""
    stack.rq_worker("relay:default")
    return Flow(lab)


def words(flow: Flow, record: JobRecord) -> list[str]:
    """What a Read answered."""
    assert record.state is State.SUCCEEDED, flow.lab.failure(record)
    return list(flow.lab.result(record, Words).words)


def refused(flow: Flow, record: JobRecord) -> tuple[str, str]:
    """Reason and words of a failure that no retry would mend."""
    failure = flow.lab.failure(record)
    assert (record.state, record.attempt) == (State.FAILED, 1)
    return failure.reason, failure.message


def test_bound_fields_are_filled_before_the_handler_is_called(flow: Flow) -> None:
    """From several jobs; what is not bound, or not set there, stays as it was handed in."""
    flow.run(0, Make(key="a", tags=["x", "y"]))
    flow.run(1, Make(key="b"))

    done = flow.run(
        2,
        Use(key="given", title="kept", count=3),
        bindings=[
            (0, "document.key", "key"),
            (0, "tags", "tags"),
            (1, "document", "document"),
            (0, "document.title", "title"),
        ],
    )

    assert flow.lab.result(done, Used).payload == Use(
        key="a", tags=["x", "y"], document=Document(key="b"), title="kept", count=3
    )


def test_a_list_is_filled_from_several_jobs(flow: Flow) -> None:
    """In the order of the bindings, behind what was handed in; what failed adds nothing."""
    flow.run(0, Make(key="a"))
    flow.run(1, Make(fails=True))
    flow.run(2, Make(key="c"))

    done = flow.run(
        3,
        Use(key="given", tags=["x"]),
        bindings=[(number, "document.key", "tags") for number in (2, 1, 0)],
    )

    assert list(flow.lab.result(done, Used).payload.tags) == ["x", "c", "a"]


def test_a_failure_that_does_not_count_leaves_the_field_as_it_was(flow: Flow) -> None:
    """The job before it was allowed to fail, or this one would not run."""
    flow.run(0, Make(fails=True))

    done = flow.run(1, Use(key="given"), bindings=[(0, "document.key", "key")])

    assert flow.lab.result(done, Used).payload == Use(key="given")


@pytest.mark.parametrize(
    ("key", "said"),
    [("secret-" * 3, "key must be at most 20 characters"), ("", "key is required")],
)
def test_what_is_filled_in_keeps_to_the_rules_of_the_payload(
    flow: Flow, key: str, said: str
) -> None:
    """Else the job fails for good, and its failure names the field and never the value."""
    flow.run(0, Make(key=key))

    done = flow.run(1, Use(), bindings=[(0, "document.key", "key")])

    reason, message = refused(flow, done)
    assert (reason, message) == (
        "INVALID_INPUT", f"the payload as filled from results: {said}"
    )  # fmt: skip
    assert flow.lab.failure(done).kind == Failure.KIND_INVALID_PAYLOAD


def test_a_field_that_is_gone_since_is_named(flow: Flow) -> None:
    """The worker may be of another release than the door that checked the binding."""
    flow.run(0, Make(key="a"))

    done = flow.run(1, Use(key="a"), bindings=[(0, "document.gone", "key")])

    reason, message = refused(flow, done)
    assert reason == "INVALID_INPUT"
    assert message.startswith(
        "the payload as filled from results: key is filled from document.gone, which names no field"
        " of acme_jobs.relay.v1.Document"
    )


def test_a_job_before_it_that_is_gone_ends_the_job(flow: Flow) -> None:
    """It is named by its number; bound or asked for."""
    bound = flow.run(4, Use(), bindings=[(3, "document.key", "key")])
    asked = flow.run(5, Read(how="input"), after=[(3, 4)])

    for record in (bound, asked):
        reason, message = refused(flow, record)
        assert reason == "INPUT_MISSING"
        assert message == f"job {flow.id(3)}, number 3 of the workflow, is gone"


@pytest.mark.parametrize("how", ["another job's", "not sealed", "of another key"])
def test_a_forged_result_is_refused(flow: Flow, how: str) -> None:
    """Who can write to Redis can neither make results nor swap them."""
    flow.leave(0, Made(document=Document(key="a")), as_of=flow.id(7) if "job" in how else "")
    name = keys.job(flow.id(0))
    if how == "not sealed":
        flow.lab.redis.hset(name, "output", b"\x01forged")
    if how == "of another key":
        sealed = flow.lab.redis.hget(name, "output") or b""
        flow.lab.redis.hset(name, "output", sealed[:-1] + bytes([sealed[-1] ^ 1]))

    bound = flow.run(1, Use(), bindings=[(0, "document.key", "key")])
    asked = flow.run(2, Read(how="inputs"), after=[(0, 1)])

    assert [refused(flow, record)[0] for record in (bound, asked)] == ["SEAL_BROKEN"] * 2


def test_the_result_right_before_is_read(flow: Flow) -> None:
    """By the type that the handler names; of another one, both are named."""
    flow.run(0, Make(key="a"))

    assert words(flow, flow.run(1, Read(how="input"), after=[(0, 1)])) == ["a"]
    reason, message = refused(flow, flow.run(2, Read(how="unlike"), after=[(0, 1)]))
    assert reason == "INPUT_TYPE"
    assert "returned acme_jobs.relay.v1.Made" in message
    assert "asked for was acme_jobs.lab.v1.EchoResult" in message


def test_a_failure_right_before_is_raised_with_its_reason(flow: Flow) -> None:
    """A handler may catch it; otherwise the job fails, and no retry is tried."""
    flow.run(0, Make(fails=True))
    after = {"after": [(0, 1)], "policy": pb.FAILURE_POLICY_CONTINUE}

    assert words(flow, flow.run(1, Read(how="caught"), **after)) == ["NOT_MADE", "KIND_PERMANENT"]
    reason, message = refused(flow, flow.run(2, Read(how="input"), **after))
    assert reason == "STEP_FAILED"
    assert message == f"job {flow.id(0)} failed: NOT_MADE: asked to fail"


def test_one_result_is_asked_for_where_there_are_several(flow: Flow) -> None:
    """Or none: the handler is told what to use instead."""
    for number in (0, 1):
        flow.run(number, Make(key=str(number)))

    several = flow.lab.wait(flow.job(2, Read(how="input"), after=[(0, 2)]))
    none = flow.lab.wait(flow.job(3, Read(how="input")))

    said = [flow.lab.failure(each).message for each in (several, none)]
    assert said == [
        "there are 2 jobs to read from, not one: take ctx.inputs, or name a node",
        "there are 0 jobs to read from, not one",
    ]


def test_all_results_come_in_order_with_failures_as_their_step_says(flow: Flow) -> None:
    """Left out with ALLOW, in their place with CONTINUE."""
    for number, payload in enumerate([Make(key="a"), Make(fails=True), Make(key="c")]):
        flow.run(number, payload)
    asks = Read(how="inputs")

    allowed = flow.run(3, asks, after=[(0, 3)], policy=pb.FAILURE_POLICY_ALLOW)
    shown = flow.run(4, asks, after=[(2, 3), (0, 2)], policy=pb.FAILURE_POLICY_CONTINUE)

    assert words(flow, allowed) == ["a", "c"]
    assert words(flow, shown) == ["c", "a", "!NOT_MADE"]


def test_thousands_of_results_are_never_in_memory_together(flow: Flow) -> None:
    """3,000 of them have 150 MB; the process grows by little."""
    for number in range(3_000):
        flow.leave(number, EchoResult(text="x" * 50_000))

    count, size, grown = words(flow, flow.run(3_000, Read(how="counted"), after=[(0, 3_000)]))

    assert (count, size) == ("3000", str(150_000_000))
    assert int(grown) < 60


def test_a_node_that_is_not_right_before_is_read_by_the_plan(flow: Flow) -> None:
    """A job, or all that a step ends with; one that is not before it is refused."""
    job, group, chain = pb.Workflow.KIND_JOB, pb.Workflow.KIND_GROUP, pb.Workflow.KIND_CHAIN
    flow.plan(
        PlanNode(node_id="0", kind=chain, children=4),
        PlanNode(node_id="first", kind=job),
        PlanNode(node_id="fan", kind=group, children=2, on_failure=pb.FAILURE_POLICY_CONTINUE),
        PlanNode(node_id="left", kind=job),
        PlanNode(node_id="right", kind=job),
        PlanNode(node_id="asks", kind=job),
        PlanNode(node_id="last", kind=job),
    )
    for number, payload in enumerate([Make(key="a"), Make(key="b"), Make(fails=True)]):
        flow.run(number, payload)

    def ask(how: str, node: str) -> JobRecord:
        flow.lab.redis.delete(keys.job(flow.id(3)))
        return flow.lab.wait(flow.job(3, Read(how=how, node=node), node_id="asks"))

    assert words(flow, ask("input", "first")) == ["a"]
    assert words(flow, ask("inputs", "fan")) == ["b", "!NOT_MADE"]
    assert words(flow, ask("inputs", "right")) == ["!NOT_MADE"]
    assert words(flow, ask("caught", "right")) == ["NOT_MADE", "KIND_PERMANENT"]
    for node, said in {
        "last": 'node "last" is not before node "asks"',
        "asks": 'node "asks" is not before node "asks"',
        "0": 'node "0" is not before node "asks"',
        "nope": 'the workflow has no node "nope"',
    }.items():
        assert flow.lab.failure(ask("input", node)).message == said


@pytest.mark.parametrize("how", ["of another", "not sealed", "gone"])
def test_a_plan_that_is_not_believed_is_refused(flow: Flow, how: str) -> None:
    """It decides whose results are read."""
    node = PlanNode(node_id="0", kind=pb.Workflow.KIND_JOB)
    flow.plan(node, workflow_id=new_workflow_id() if how == "of another" else "")
    if how == "not sealed":
        flow.lab.redis.hset(keys.batch(flow.workflow_id), "plan", b"forged")
    if how == "gone":
        flow.lab.redis.delete(keys.batch(flow.workflow_id))

    done = flow.run(1, Read(how="input", node="0"))

    assert refused(flow, done)[0] == ("INPUT_MISSING" if how == "gone" else "SEAL_BROKEN")


def test_a_job_knows_its_place(flow: Flow) -> None:
    """Its workflow and its node."""
    done = flow.run(7, Read(how="place"), node_id="end")

    assert words(flow, done) == [flow.workflow_id, "end", flow.id(7)]


def test_a_hook_reads_the_job_that_it_is_for(flow: Flow) -> None:
    """How that ended, its result or failure; one that is gone ends it."""
    lab = flow.lab

    def hook(parent: str) -> JobRecord:
        def change(envelope: Envelope) -> None:
            envelope.parent_job_id = parent

        return lab.wait(lab.submit(Read(how="parent"), change=change))

    made, failed = lab.submit(Make(key="a")), lab.submit(Make(fails=True))
    lab.wait_all([made, failed])

    assert words(flow, hook(made)) == [made, "", "SUCCEEDED", "a"]
    assert words(flow, hook(failed)) == [failed, "", "FAILED", "NOT_MADE"]
    assert refused(flow, hook(new_job_id()))[0] == "INPUT_MISSING"
    assert words(flow, lab.wait(lab.submit(Read(how="parent")))) == []


def test_a_hook_reads_the_workflow_that_it_is_for(flow: Flow) -> None:
    """Its state, and its first failure that counts."""
    lab, name = flow.lab, keys.batch(flow.workflow_id)
    flow.run(0, Make(fails=True))

    def change(envelope: Envelope) -> None:
        envelope.parent_workflow_id = flow.workflow_id

    def hook(**fields: str) -> list[str]:
        lab.redis.hset(name, mapping=fields)  # type: ignore[arg-type]
        return words(flow, lab.wait(lab.submit(Read(how="parent"), change=change)))

    succeeded = hook(stage="placed", state="SUCCEEDED")
    failed = hook(state="FAILED", c0=f"{flow.id(0)} FAILED")

    none = "a workflow has no result of its own"
    assert succeeded == ["", flow.workflow_id, "SUCCEEDED", none]
    assert failed == ["", flow.workflow_id, "FAILED", "NOT_MADE"]


def test_an_envelope_of_a_family_is_good_for_its_members_only(flow: Flow) -> None:
    """Hooks of retries share one; that of a single job is good for it alone."""
    lab, family = flow.lab, new_workflow_id()

    def submit(job_id: str, *, is_family: bool = True) -> JobRecord:
        def change(envelope: Envelope) -> None:
            envelope.job_id, envelope.is_family = family, is_family

        return lab.wait(lab.submit(Make(key="a"), job_id=job_id, change=change))

    member = submit(member_id(family, 5000))
    assert member.state is State.SUCCEEDED
    for record in (submit(new_job_id()), submit(member_id(family, 6), is_family=False)):
        assert refused(flow, record)[0] == "SEAL_BROKEN"


def test_a_result_of_a_type_that_the_worker_does_not_have_is_read(flow: Flow) -> None:
    """By what was registered by those who have it: a workflow may go through several teams."""
    result = PayResult(attempt=3)
    flow.leave(0, result)
    bound = {"bindings": [(0, "attempt", "count")]}

    unknown = flow.run(1, Use(key="a"), **bound)
    for name, file in with_imports([BANK], without=platform_files()).items():
        flow.lab.redis.hset(keys.TYPES, name, seal_file(flow.lab.ring, file))  # type: ignore[arg-type]
    known = flow.run(2, Use(key="a"), **bound)

    reason, message = refused(flow, unknown)
    assert (reason, message) == (
        "INPUT_TYPE", "a job before it returned a bank_jobs.v1.PayResult, not known here"
    )  # fmt: skip
    assert flow.lab.result(known, Used).payload.count == 3
