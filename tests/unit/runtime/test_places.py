"""Which jobs a node stands for, held against the words of the contract over random workflows."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portaria.internal.v1.envelope_pb2 import Plan, PlanNode
from portaria.runtime.places import Places
from portaria.v1 import workflows_pb2 as pb

JOB, CHAIN = pb.Workflow.KIND_JOB, pb.Workflow.KIND_CHAIN
GROUP, CHORD = pb.Workflow.KIND_GROUP, pb.Workflow.KIND_CHORD
FAIL, ALLOW = pb.FAILURE_POLICY_FAIL, pb.FAILURE_POLICY_ALLOW
UNSPECIFIED, CONTINUE = pb.FAILURE_POLICY_UNSPECIFIED, pb.FAILURE_POLICY_CONTINUE


@dataclass
class Step:
    """A step and what it holds."""

    kind: int
    policy: int = UNSPECIFIED
    steps: list[Step] = field(default_factory=list)
    node_id: str = ""
    number: int = -1
    above: list[Step] = field(default_factory=list)

    def walk(self) -> list[Step]:
        """Depth-first, each before what it holds."""
        return [self, *(each for step in self.steps for each in step.walk())]


def numbered(root: Step) -> Step:
    """With the ids and numbers that a door gives."""
    jobs = 0

    def visit(step: Step, node_id: str, above: list[Step]) -> None:
        nonlocal jobs
        step.node_id, step.above = node_id, above
        if step.kind == JOB:
            step.number, jobs = jobs, jobs + 1
        for place, each in enumerate(step.steps):
            visit(each, f"{node_id}.{place}", [*above, step])

    visit(root, "0", [])
    return root


def plan_of(root: Step) -> Plan:
    """As it is kept."""
    nodes = [
        PlanNode(node_id=step.node_id, kind=step.kind, children=len(step.steps),
                 on_failure=step.policy)
        for step in root.walk()
    ]  # fmt: skip
    return Plan(nodes=nodes)


POLICIES = st.sampled_from([UNSPECIFIED, FAIL, ALLOW, CONTINUE])
JOBS = st.builds(Step, st.just(JOB), POLICIES)


def composites(steps: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
    """Chains, groups and chords of steps."""
    some = st.lists(steps, min_size=1, max_size=4)
    header = st.builds(Step, st.just(GROUP), POLICIES, some)
    return st.one_of(
        st.builds(Step, st.sampled_from([CHAIN, GROUP]), POLICIES, some),
        st.builds(
            lambda policy, first, body: Step(CHORD, policy, [first, body]), POLICIES, header, steps
        ),
    )


WORKFLOWS = st.recursive(JOBS, composites, max_leaves=14).map(numbered)


def ends(step: Step) -> list[Step]:
    """The jobs with which a step ends, as the contract says."""
    if step.kind == JOB:
        return [step]
    last = step.steps if step.kind == GROUP else step.steps[-1:]
    return [each for child in last for each in ends(child)]


def expected(node: Step, asking: Step) -> list[tuple[int, int]] | None:
    """Numbers and what counts of their failures; None where the node is not before."""
    way, own = [*node.above, node], [*asking.above, asking]
    shared = [one for one, other in zip(way, own, strict=False) if one is other]
    if len(shared) in (len(way), len(own)) or not shared or shared[-1].kind == GROUP:
        return None
    place = len(shared)
    steps = shared[-1].steps
    if steps.index(way[place]) > steps.index(own[place]):
        return None
    found = []
    for each in ends(node):
        around = [*each.above[place:], each]
        sparing = [step.policy for step in reversed(around) if step.policy in (ALLOW, CONTINUE)]
        found.append((each.number, sparing[0] if sparing else FAIL))
    return found


@given(WORKFLOWS)
def test_a_node_stands_for_the_jobs_that_it_ends_with(root: Step) -> None:
    """To each job that comes after it, and to no other."""
    places, steps = Places(plan_of(root)), root.walk()
    for asking in (step for step in steps if step.kind == JOB):
        for node in steps:
            wanted = expected(node, asking)
            if wanted is None:
                with pytest.raises(ValueError, match="is not before node"):
                    places.before(node.node_id, asking.node_id)
                continue
            spans = places.before(node.node_id, asking.node_id)
            found = [
                (number, span.on_failure)
                for span in spans
                for number in range(span.start, span.stop, span.stride)
            ]
            assert found == wanted


def test_neighbours_are_one_span() -> None:
    """Of the widest group, too."""
    header = Step(GROUP, FAIL, [Step(JOB) for _ in range(500)])
    root = numbered(Step(CHORD, FAIL, [header, Step(JOB)]))

    spans = Places(plan_of(root)).before("0.0", "0.1")

    assert [(span.start, span.stop) for span in spans] == [(0, 500)]


def test_a_node_that_is_not_there_is_named() -> None:
    """As it was asked for."""
    root = numbered(Step(CHAIN, FAIL, [Step(JOB), Step(JOB)]))

    with pytest.raises(ValueError, match='the workflow has no node "prepare"'):
        Places(plan_of(root)).before("prepare", "0.1")
