"""Which jobs a node of a workflow stands for, to a job that comes after it."""

from __future__ import annotations

from collections.abc import Iterator

from portaria.internal.v1.envelope_pb2 import Inputs, Plan
from portaria.v1 import workflows_pb2 as pb
from portaria.workflows.plan import inputs_of
from portaria.workflows.shape import SPARING

_CHAINS = (pb.Workflow.KIND_CHAIN, pb.Workflow.KIND_CHORD)


class Places:
    """The steps of a workflow; nodes by their numbers in its plan."""

    def __init__(self, plan: Plan) -> None:
        self._nodes = plan.nodes
        self._places = {node.node_id: place for place, node in enumerate(plan.nodes)}
        self._parents: list[int] = []
        self._jobs: list[int] = []
        """How many jobs come before each node: its own number, of a job."""
        jobs, open_ = 0, [(-1, 1)]
        for place, node in enumerate(plan.nodes):
            parent, left = open_.pop()
            if left > 1:
                open_.append((parent, left - 1))
            if node.children:
                open_.append((place, node.children))
            self._parents.append(parent)
            self._jobs.append(jobs)
            jobs += node.kind == pb.Workflow.KIND_JOB

    def before(self, node_id: str, asking: str) -> list[Inputs]:
        """The jobs with which a node ends, in order, for the node that asks.

        Raises ValueError where there is no such node, or it is not before the one that asks.
        """
        place = self._places.get(node_id)
        if place is None:
            raise ValueError(f'the workflow has no node "{node_id}"')
        step = self._step_before(place, self._places[asking])
        if step is None:
            raise ValueError(f'node "{node_id}" is not before node "{asking}"')
        policy = pb.FAILURE_POLICY_FAIL
        above = place
        while above != step and policy not in SPARING:
            above = self._parents[above]
            policy = self._policy(above, policy)
        return inputs_of(list(self._ends(place, policy)))

    def _step_before(self, place: int, asking: int) -> int | None:
        """What holds a node, or is it, and stands before the one that asks in the same chain."""
        ways = {}
        below = place
        while below >= 0:
            ways[self._parents[below]] = below
            below = self._parents[below]
        below = asking
        while below >= 0:
            parent = self._parents[below]
            if parent in ways and ways[parent] != below:
                is_chain = self._nodes[parent].kind in _CHAINS
                return ways[parent] if is_chain and ways[parent] < below else None
            below = parent
        return None

    def _ends(
        self, place: int, policy: pb.FailurePolicy.ValueType
    ) -> Iterator[tuple[int, pb.FailurePolicy.ValueType]]:
        """Numbers of jobs, and what counts of their failures."""
        node = self._nodes[place]
        policy = self._policy(place, policy)
        if node.kind == pb.Workflow.KIND_JOB:
            yield self._jobs[place], policy
            return
        children = list(self._children(place))
        for child in children if node.kind == pb.Workflow.KIND_GROUP else children[-1:]:
            yield from self._ends(child, policy)

    def _policy(self, place: int, around: pb.FailurePolicy.ValueType) -> pb.FailurePolicy.ValueType:
        own = self._nodes[place].on_failure
        return own if own in SPARING else around

    def _children(self, place: int) -> Iterator[int]:
        child = place + 1
        for _ in range(self._nodes[place].children):
            yield child
            child = self._after(child)

    def _after(self, place: int) -> int:
        """The place after all that a node holds."""
        left, place = self._nodes[place].children, place + 1
        while left:
            left += self._nodes[place].children - 1
            place += 1
        return place
