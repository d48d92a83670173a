"""Jobs of an eager platform that submit others, and hooks that read whom they are for."""

from __future__ import annotations

import pytest

from acme_jobs.lab.v1.lab_pb2 import Echo, EchoResult, Fail, Noop
from acme_jobs.relay.v1.relay_pb2 import Make, Spread
from portaria.client import InvalidRequest
from portaria.client.requests import spec_of
from portaria.core.states import State
from portaria.jobs import JobContext
from portaria.testing import EagerPlatform
from portaria.v1.job_pb2 import SubmitOptions


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
def test_children_run_with_the_others_and_are_handed_in_once(
    portaria: EagerPlatform, together: bool
) -> None:
    """Whatever becomes of the run that submits them; they know their parent."""
    job = portaria.submit(Spread(count=4, fails_first=True, together=together))

    portaria.run_all()

    children = portaria.jobs(Echo)
    assert (job.state, job.attempt) == (State.SUCCEEDED, 2)
    assert [each.state for each in children] == [State.SUCCEEDED] * 4
    assert {each.job.parent_job_id for each in children} == {job.id}
    assert {each.priority for each in children} == {"high" if together else "default"}


def test_children_with_a_key_are_the_same_whatever_they_hold(portaria: EagerPlatform) -> None:
    """As at the door."""
    portaria.submit(Spread(count=3, key="part", fails_first=True))

    portaria.run_all()

    assert len(portaria.jobs(Echo)) == 3


def test_a_child_that_is_refused_raises_in_its_handler(portaria: EagerPlatform) -> None:
    """What a caller would be told."""
    portaria.answer(Noop, lambda _, ctx: ctx.submit(Echo(text="x" * 300_000)))
    job = portaria.submit(Noop())

    portaria.run_all()

    assert job.failure is not None
    assert job.failure.exception_type.endswith(InvalidRequest.__name__)


def test_a_hook_reads_whom_it_is_for(portaria: EagerPlatform) -> None:
    """Its state, and its result or failure."""
    seen: list[tuple[str, State, object]] = []

    def look(_: Noop, ctx: JobContext) -> None:
        parent = ctx.parent
        assert parent is not None
        failure = parent.failure
        known = failure.reason if failure is not None else parent.result(EchoResult).text
        seen.append((parent.job_id, parent.state, known))

    portaria.answer(Noop, look)
    hook = spec_of(Noop())
    done = portaria.submit(Echo(text="a"), options=SubmitOptions(on_success=hook))
    failed = portaria.submit(
        Fail(times=1, how=Fail.HOW_PERMANENT), options=SubmitOptions(on_failure=hook)
    )

    portaria.run_all()

    assert seen == [
        (done.id, State.SUCCEEDED, "a"),
        (failed.id, State.FAILED, "NO_SUCH_CUSTOMER"),
    ]


def test_a_job_that_nobody_submitted_has_no_parent(portaria: EagerPlatform) -> None:
    """Nor is it of a workflow."""
    seen: list[object] = []
    portaria.answer(
        Make, lambda _, ctx: seen.append((ctx.parent, ctx.workflow_id, ctx.node_id)) or None
    )
    portaria.submit(Make())

    portaria.run_due()

    assert seen == [(None, "", "")]
