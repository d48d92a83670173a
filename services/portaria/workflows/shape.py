"""A workflow's tree as jobs that are numbers, and the joins between them.

Jobs are numbered depth-first. A join stands between two steps of a chain: it has the number of the
first job after it. The jobs with which the step before it ends tell it; then the step after it
begins, or, where a failure counts, the rest of the chain is over, and the join that follows the
chain is told. Join 0 is the end of the workflow. A chord is a chain of its header and its body.
store/lua/flow.lua does what is said here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from portaria.v1.job_pb2 import JobSpec
from portaria.v1.workflows_pb2 import (
    FAILURE_POLICY_ALLOW,
    FAILURE_POLICY_CONTINUE,
    FailurePolicy,
    Step,
    Workflow,
)

Policy: TypeAlias = "FailurePolicy.ValueType"
SPARING = (FAILURE_POLICY_ALLOW, FAILURE_POLICY_CONTINUE)


@dataclass(slots=True)
class Node:
    """A step, or the header of a chord."""

    node_id: str
    kind: Workflow.Kind.ValueType
    path: str
    """In the request, e.g. "root.chain.steps[2]"."""
    parent: int
    """Its place among the nodes; -1 of the root."""
    step: Step | None
    """None of a chord's header."""
    start: int
    """Number of the first of its jobs."""
    stop: int = 0
    """The number after the last one."""
    children: int = 0


@dataclass(slots=True)
class Leaf:
    """A job."""

    node: int
    """Its place among the nodes."""
    spec: JobSpec
    waits: int
    """The join that it waits for; 0 for none."""
    join: int = 0
    """The join that it tells."""
    bit: int = 0
    """By which bit of all that the workflow has."""
    spared: bool = False
    """Whether its failure does not count there."""

    def link(self, *, waits: bool) -> str:
        """As store/lua/flow.lua reads it; `waits` where the join before it is not over yet."""
        return f"{self.join} {self.bit} {self.spared:d} {self.waits if waits else '-'}"


@dataclass(slots=True)
class Join:
    """What stands between two steps of a chain."""

    number: int
    exits: Sequence[tuple[int, Policy]] = ()
    """The jobs that tell it, and what counts of their failure."""
    upto: int = 0
    """The step after it is its own number up to before this one."""
    rest: int = 0
    """Likewise for all that is left of its chain."""
    tells: int = 0
    spared: bool = False
    byte: int = 0
    """Where its bits are."""

    @property
    def size(self) -> int:
        """How many jobs tell it."""
        return len(self.exits)

    @property
    def bytes(self) -> int:
        """How much room its bits have."""
        return (self.size + 7) // 8

    def words(self) -> str:
        """As store/lua/flow.lua reads it."""
        where = f"{self.byte} {self.bytes} {self.size}"
        return f"{where} {self.upto} {self.rest} {self.tells} {self.spared:d}"


@dataclass(slots=True)
class Shape:
    """All of a workflow."""

    nodes: list[Node] = field(default_factory=list)
    """Depth-first, each before what it holds."""
    leaves: list[Leaf] = field(default_factory=list)
    joins: dict[int, Join] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Range:
    """Jobs whose numbers are equally far apart."""

    start: int
    stop: int
    stride: int
    policy: Policy


def ranges(exits: Sequence[tuple[int, Policy]]) -> list[Range]:
    """The same numbers in the same order, in few words where the shape is regular."""
    found: list[Range] = []
    start = 0
    while start < len(exits):
        first, policy = exits[start]
        stride = exits[start + 1][0] - first if start + 1 < len(exits) else 1
        end = start + 1
        while (
            end < len(exits)
            and exits[end][1] == policy
            and exits[end][0] == first + (end - start) * stride
        ):
            end += 1
        if end == start + 1:
            stride = 1
        found.append(Range(first, exits[end - 1][0] + 1, stride, policy))
        start = end
    return found


def ancestors(shape: Shape, node: int) -> Iterator[int]:
    """A node, its parent, and so on up to the root."""
    while node >= 0:
        yield node
        node = shape.nodes[node].parent


def is_before(shape: Shape, node: int, other: int) -> bool:
    """Whether a step is always over when another one begins: a chain or chord holds both."""
    if shape.nodes[node].stop > shape.nodes[other].start:
        return False
    above = set(ancestors(shape, node))
    meeting = next(each for each in ancestors(shape, other) if each in above)
    return shape.nodes[meeting].kind in (Workflow.KIND_CHAIN, Workflow.KIND_CHORD)
