"""Steps of workflows from what callers say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from acme_jobs.lab.v1.lab_pb2 import Echo, Noop
from portaria.client import InvalidRequest, Step, chain, chord, group, step
from portaria.v1.job_pb2 import PRIORITY_HIGH, PRIORITY_LOW, JobSpec, SubmitOptions
from portaria.v1.workflows_pb2 import (
    FAILURE_POLICY_ALLOW,
    FAILURE_POLICY_CONTINUE,
    FAILURE_POLICY_UNSPECIFIED,
    Binding,
)

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def texts(steps) -> list[str]:
    """Of steps that are echoes."""
    found = []
    for each in steps:
        echo = Echo()
        assert each.job.payload.Unpack(echo)
        found.append(echo.text)
    return found


def test_payloads_stand_for_steps() -> None:
    """In the order in which they are given, nothing said of them."""
    made = chain(Echo(text="a"), step(Echo(text="b"), node="b"), Echo(text="c"))

    assert texts(made.chain.steps) == ["a", "b", "c"]
    assert [each.node_id for each in made.chain.steps] == ["", "b", ""]
    assert {each.on_failure for each in made.chain.steps} == {FAILURE_POLICY_UNSPECIFIED}


@pytest.mark.parametrize(
    "made",
    [
        group(Echo(text="a"), Echo(text="b")),
        group([Echo(text="a"), Echo(text="b")]),
        group(Echo(text=each) for each in "ab"),
        group(Echo(text="a"), [step(Echo(text="b"))]),
    ],
)
def test_a_group_takes_steps_one_by_one_or_from_an_iterable(made: Step) -> None:
    """They are the same."""
    assert made == group(Echo(text="a"), Echo(text="b"))
    assert texts(made.group.steps) == ["a", "b"]


def test_steps_nest() -> None:
    """Each is a Step, with a name and a policy where it is given one."""
    made = chain(
        Noop(),
        group(chain(Noop(), Noop(), node="left"), Noop(), on_failure="allow"),
        chord([Noop()], Noop(), node="end", on_failure="continue"),
        node="all",
    )

    _, middle, end = made.chain.steps
    assert (made.node_id, middle.group.steps[0].node_id, end.node_id) == ("all", "left", "end")
    assert (middle.on_failure, end.on_failure) == (FAILURE_POLICY_ALLOW, FAILURE_POLICY_CONTINUE)


@pytest.mark.parametrize(
    "header",
    [
        group(Echo(text="a"), Echo(text="b")),
        [Echo(text="a"), Echo(text="b")],
        (Echo(text=each) for each in "ab"),
    ],
)
def test_the_header_of_a_chord_is_a_group(header: Step) -> None:
    """Or what makes one."""
    made = chord(header, Echo(text="c"))

    assert texts(made.chord.header.steps) == ["a", "b"]
    assert texts([made.chord.body]) == ["c"]


@pytest.mark.parametrize("alone", [Echo(text="a"), step(Echo(text="a")), chain(Echo(text="a"))])
def test_a_header_of_one_is_a_group_of_one(alone: Message) -> None:
    """A payload, a step, a chain."""
    (only,) = chord(alone, Noop()).chord.header.steps

    assert only == (alone if isinstance(alone, Step) else step(alone))


def test_options_are_those_of_a_submit() -> None:
    """The named ones win over `options`, which stay as they were."""
    options = SubmitOptions(priority=PRIORITY_LOW, unique_key="k")

    made = step(
        Noop(),
        options=options,
        priority="high",
        delay=timedelta(minutes=1),
        labels={"team": "billing"},
    )

    said = made.job.options
    assert (said.priority, said.unique_key, said.delay.seconds) == (PRIORITY_HIGH, "k", 60)
    assert dict(said.labels) == {"team": "billing"}
    assert options == SubmitOptions(priority=PRIORITY_LOW, unique_key="k")


@pytest.mark.parametrize(
    ("source", "node", "path"),
    [
        ("prepare.key", "prepare", "key"),
        ("prepare.document.key", "prepare", "document.key"),
        ("0.2.1.document.key", "0.2.1", "document.key"),
        ("0.key", "0", "key"),
        ("my-node_2._x", "my-node_2", "_x"),
        ("prepare", "prepare", ""),
        ("0.2", "0.2", ""),
        ("", "", ""),
    ],
)
def test_a_binding_names_node_and_field(source: str, node: str, path: str) -> None:
    """A node without a name is called by its place; what is no such pair is for the door."""
    (found,) = step(Echo(), bind={"text": source}).bindings

    assert found == Binding(from_node=node, from_field=path, to_field="text")


def test_a_list_is_bound_to_several_in_their_order() -> None:
    """One binding each."""
    made = step(Echo(), bind={"text": "a.key", "texts": ["b.key", "c.key"]})

    assert [(each.from_node, each.to_field) for each in made.bindings] == [
        ("a", "text"),
        ("b", "texts"),
        ("c", "texts"),
    ]


@pytest.mark.parametrize(
    ("build", "field", "reason"),
    [
        (lambda: step(Noop(), priority="urgent"), "job.options.priority", "UNKNOWN"),
        (
            lambda: step(Noop(), run_time=NOON.replace(tzinfo=None)),
            "job.options.run_time",
            "TIMEZONE_REQUIRED",
        ),
        (
            lambda: step(Noop(), run_time=NOON, delay=timedelta(1)),
            "job.options.run_time",
            "CONFLICT",
        ),
        (lambda: group(Noop(), on_failure="ignore"), "on_failure", "UNKNOWN"),
        (lambda: chord(group(Noop(), node="g"), Noop()), "chord.header", "NOT_SUPPORTED"),
        (
            lambda: chord(group(Noop(), on_failure="allow"), Noop()),
            "chord.header",
            "NOT_SUPPORTED",
        ),
    ],
)
def test_what_the_wire_cannot_carry_is_refused_before_it(build, field: str, reason: str) -> None:
    """With the same error as the door would raise."""
    with pytest.raises(InvalidRequest) as refused:
        build()

    assert [(each.field, each.reason) for each in refused.value.violations] == [(field, reason)]


@pytest.mark.parametrize(
    "build",
    [
        lambda: chain({"text": "a"}),
        lambda: chain(Noop),
        lambda: group(3),
        lambda: chord([Noop()], "x"),
        lambda: step(step(Noop())),
        lambda: step(Noop(), on_failure=Noop()),
    ],
)
def test_what_is_no_message_is_a_mistake_in_the_code(build) -> None:
    """TypeError, before anything is sent."""
    with pytest.raises(TypeError, match="expected"):
        build()


def test_what_is_iterable_and_a_message_is_a_payload() -> None:
    """As google.protobuf.Struct."""
    struct = Struct()
    struct.update({"a": 1})

    (only,) = group(struct).group.steps

    assert only.job.payload.Is(Struct.DESCRIPTOR)


def test_a_builder_copies() -> None:
    """What becomes of a step later changes nothing that holds it."""
    part = step(Echo(text="a"), node="a")
    made = chain(part)

    part.node_id = "b"

    assert made.chain.steps[0].node_id == "a"
    assert made.chain.steps[0].job == JobSpec(payload=part.job.payload, options=SubmitOptions())
