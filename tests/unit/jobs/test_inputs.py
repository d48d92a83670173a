"""What a handler reads of jobs before it, and what it submits, tried out by run_eagerly."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from google.protobuf.message import Message

from acme_jobs.lab.v1.lab_pb2 import Echo, EchoResult, Noop
from acme_jobs.relay.v1.relay_pb2 import Document, Made
from portaria.core.states import State
from portaria.jobs import HoldLost, JobContext, Parent, PermanentError, StepFailed, job
from portaria.jobs.eager import EagerJob, ended_parent, run_eagerly
from portaria.jobs.inputs import Before, Ending
from portaria.v1.job_pb2 import Failure, SubmitOptions

A, B = Made(document=Document(key="a")), Made(document=Document(key="b"))
FAILED = Failure(kind=Failure.KIND_PERMANENT, reason="NO_STOCK", message="none left")


@pytest.fixture
def seen() -> list[object]:
    """What the handler under test came to see."""
    return []


@pytest.fixture
def handler(seen: list[object]) -> Callable[[Callable[[JobContext], object]], object]:
    """Makes a handler of what is to be asked."""

    def of(ask: Callable[[JobContext], object]) -> object:
        @job
        def noop(_: Noop, ctx: JobContext) -> None:
            answer = ask(ctx)
            seen.append(list(answer) if isinstance(answer, Iterator) else answer)

        return noop

    return of


@pytest.mark.parametrize(
    ("ask", "inputs", "expected"),
    [
        (lambda ctx: ctx.input(Made), {"prepare": A}, A),
        (lambda ctx: ctx.input(Made, "b"), {"a": A, "b": B}, B),
        (lambda ctx: ctx.input(Made, node="a"), {"a": [A]}, A),
        (lambda ctx: ctx.inputs(Made), {"a": A, "fan": [B, FAILED], "c": A}, [A, B, FAILED, A]),
        (lambda ctx: ctx.inputs(Made, "fan"), {"a": A, "fan": [B, FAILED]}, [B, FAILED]),
        (lambda ctx: ctx.inputs(Made), {}, []),
        (lambda ctx: ctx.parent, {}, None),
    ],
)
def test_results_are_read(
    handler: Callable[..., object],
    seen: list[object],
    ask: object,
    inputs: object,
    expected: object,
) -> None:
    """By node or all that come right before, failures in their place."""
    run_eagerly(handler(ask), Noop(), inputs=inputs)

    assert seen == [expected]


@pytest.mark.parametrize(
    ("ask", "inputs", "error", "said"),
    [
        (lambda ctx: ctx.input(Made), {"a": FAILED}, StepFailed, "failed: NO_STOCK: none left"),
        (lambda ctx: ctx.input(Made), {"a": A, "b": B}, ValueError, "there are 2 jobs"),
        (lambda ctx: ctx.input(Made), {}, ValueError, "there are 0 jobs"),
        (lambda ctx: ctx.input(Made, "x"), {"a": A}, ValueError, 'no node "x"'),
        (lambda ctx: ctx.inputs(Made, "x"), {"a": A}, ValueError, 'no node "x"'),
        (lambda ctx: ctx.input(EchoResult), {"a": A}, PermanentError,
         "returned acme_jobs.relay.v1.Made, asked for was acme_jobs.lab.v1.EchoResult"),
        (lambda ctx: ctx.input(Made), {"a": None}, PermanentError, "returned nothing, asked for"),
        (lambda ctx: list(ctx.inputs(EchoResult)), {"a": A}, PermanentError, "returned acme_jobs"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(
    handler: Callable[..., object], ask: object, inputs: object, error: type[Exception], said: str
) -> None:
    """When it is asked for, not when it is first looked at."""
    with pytest.raises(error, match=said):
        run_eagerly(handler(ask), Noop(), inputs=inputs)


def test_a_failed_step_gives_its_failure() -> None:
    """With a reason that no retry mends."""
    with pytest.raises(StepFailed) as caught:
        Ending(job_id="j", state=State.FAILED, failure=FAILED).value(Made)

    assert (caught.value.failure, caught.value.job_id) == (FAILED, "j")
    assert caught.value.reason == "STEP_FAILED"


def test_what_is_spared_is_left_out() -> None:
    """As if it were not there; asked for alone, it is a failure all the same."""
    spared = Ending(job_id="j", state=State.FAILED, failure=FAILED, is_spared=True)

    assert list(Before(1, iter([spared])).each(Made)) == []
    with pytest.raises(StepFailed):
        Before(1, iter([spared])).single(Made)


def test_results_are_read_while_they_are_taken() -> None:
    """Nobody holds more of them than he wants."""
    taken: list[int] = []

    def endings() -> Iterator[Ending]:
        for number in range(10_000):
            taken.append(number)
            yield Ending(job_id="j", state=State.CANCELLED, failure=FAILED)

    each = Before(10_000, endings()).each(Made)
    next(each), next(each)

    assert taken == [0, 1]


@pytest.mark.parametrize(
    ("parent", "state", "failure", "said"),
    [
        (ended_parent(A, job_id="j"), State.SUCCEEDED, None, A),
        (ended_parent(FAILED, job_id="j"), State.FAILED, FAILED, "job j failed: NO_STOCK"),
        (ended_parent(job_id="j", state=State.RUNNING), State.RUNNING, None,
         "job j has no result yet: it is RUNNING"),
        (ended_parent(EchoResult(), job_id="j"), State.SUCCEEDED, None, "asked for was"),
        (ended_parent(FAILED, workflow_id="w"), State.FAILED, FAILED, "a workflow has no result"),
    ],
)  # fmt: skip
def test_whom_a_hook_is_for(
    handler: Callable[..., object], seen: list[object], parent: Parent, state: State,
    failure: Failure | None, said: object
) -> None:  # fmt: skip
    """How that ended, and its result where it has one."""

    def ask(ctx: JobContext) -> object:
        assert ctx.parent is not None
        try:
            return ctx.parent.state, ctx.parent.failure, ctx.parent.result(Made)
        except (ValueError, PermanentError) as error:
            return ctx.parent.state, ctx.parent.failure, str(error)

    run_eagerly(handler(ask), Noop(), parent=parent)

    found = seen[0]
    assert isinstance(found, tuple)
    assert found[:2] == (state, failure)
    assert found[2] == said if isinstance(said, Message) else str(said) in found[2]


def test_a_parent_is_read_once_and_late() -> None:
    """A job that does not ask costs nothing."""
    reads: list[int] = []

    def read() -> Ending:
        reads.append(1)
        return Ending(job_id="j", state=State.SUCCEEDED)

    parent = Parent(read, job_id="j")
    assert reads == []
    assert (parent.state, parent.failure) == (State.SUCCEEDED, None)
    assert reads == [1]


def ids(*payloads: Message, **how: object) -> list[str]:
    """Under which names the job submits them."""
    return [each.request_id for each in submitted(EagerJob(job_id="j"), *payloads, **how)]


def submitted(eager: EagerJob, *payloads: Message, together: bool = False, **how: object) -> list:
    """What another run of a job submits."""

    @job
    def noop(_: Noop, ctx: JobContext) -> None:
        if together:
            ctx.submit_many(payloads, **how)
        else:
            for payload in payloads:
                ctx.submit(payload, **how)

    return run_eagerly(noop, Noop(), job=eager).submitted


def test_children_are_named_by_their_content() -> None:
    """The same in each run; equal ones are counted, by themselves."""
    one, other = Echo(text="1"), Echo(text="2")

    first = ids(one, other, one)

    assert len(set(first)) == 3
    assert first == ids(one, other, one) == ids(one, other, one, together=True)
    assert ids(one, one, other) == [first[0], first[2], first[1]]
    assert ids(Echo()) != ids(Noop())


def test_children_are_named_by_their_key() -> None:
    """Whatever they hold; together, by it and their place."""
    assert ids(Echo(text="1"), key="k") == ids(Noop(), key="k") != ids(Noop(), key="l")
    assert ids(Echo(text="1"), Noop(), key="k", together=True) == ids(
        Noop(), Noop(), key="k", together=True
    )
    assert ids(Noop(), request_id="mine") == ["mine"]


def test_names_of_children_are_request_ids() -> None:
    """Of any job, key and content: short, of printable ASCII, and of this job only."""
    names = ids(Echo(text="ã"), key="ã b" * 500) + ids(Echo(text="ã"))
    eager = EagerJob()
    names += [each.request_id for each in submitted(eager, Noop())]

    assert all(name.isascii() and name.isprintable() and " " not in name for name in names)
    assert all(len(name) <= 128 for name in names)
    assert names[-1].startswith(f"child/{eager.job_id}/")


def test_another_run_finds_the_children_of_the_first() -> None:
    """As the door would answer it."""
    eager = EagerJob()
    options = SubmitOptions(labels={"a": "b"})

    first = submitted(eager, Echo(text="1"), Echo(text="2"), options=options)
    again = submitted(eager, Echo(text="2"), Echo(text="3"))

    assert [each.child.deduplicated for each in (*first, *again)] == [False, False, True, False]
    assert first[1].child.job_id == again[0].child.job_id
    assert first[0].options == {"options": options}


def test_only_messages_are_submitted(handler: Callable[..., object]) -> None:
    """A forgotten call of a class is the usual mistake."""
    with pytest.raises(TypeError, match="expected the message of a job type"):
        run_eagerly(handler(lambda ctx: ctx.submit("Echo")), Noop())


def test_a_run_that_lost_its_job_submits_nothing() -> None:
    """Whoever has the job now does."""
    eager = EagerJob()
    ctx = eager.context()
    eager.begin()

    with pytest.raises(HoldLost):
        ctx.submit(Noop())

    assert eager.children == {}
