"""From the tree that a caller handed in to its shape, and all that is wrong with the tree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from portaria.core.errors import Violation
from portaria.v1.workflows_pb2 import FailurePolicy, Group, Step, Workflow
from portaria.workflows.shape import SPARING, Join, Leaf, Node, Policy, Shape, ranges

MOST_JOBS = 50_000
DEEPEST = 16
MOST_BINDINGS = 64
MOST_INPUTS = 1_000_000
"""Ranges of jobs that all jobs together read."""
_MOST_FAULTS = 1_000

_NODE_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_FAIL = FailurePolicy.FAILURE_POLICY_FAIL
_KINDS = {
    "job": Workflow.KIND_JOB,
    "chain": Workflow.KIND_CHAIN,
    "group": Workflow.KIND_GROUP,
    "chord": Workflow.KIND_CHORD,
}


def flatten(root: Step) -> tuple[Shape, list[Violation]]:
    """The shape is whole only where nothing is wrong."""
    work = _Flattening()
    try:
        ends = work.step(root, _Place("root", "0", parent=-1, waits=0, depth=0))
        work.end(ends)
        work.check_inputs()
    except _Enough:
        pass
    return work.shape, work.wrong


class _Enough(Exception):
    """What is wrong already needs no company."""


@dataclass(slots=True)
class _Ends:
    """What tells the join that follows a step: jobs, and the joins of chains that end there."""

    exits: list[tuple[int, Policy]] = field(default_factory=list)
    joins: list[tuple[int, Policy]] = field(default_factory=list)

    def spare(self, policy: Policy) -> None:
        """A failure that was spared within is spared as it was there."""
        if policy in SPARING:
            self.exits = [(each, p if p in SPARING else policy) for each, p in self.exits]
            self.joins = [(each, p if p in SPARING else policy) for each, p in self.joins]


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    node_id: str
    """Where the caller names none."""
    parent: int
    waits: int
    depth: int
    """How many steps are around it."""

    def within(self, path: str, number: int, *, parent: int, waits: int) -> _Place:
        return _Place(
            f"{self.path}.{path}", f"{self.node_id}.{number}", parent, waits, self.depth + 1
        )


class _Flattening:
    def __init__(self) -> None:
        self.shape = Shape()
        self.wrong: list[Violation] = []
        self._ids: set[str] = set()
        self._bytes = 0

    def step(self, step: Step, place: _Place) -> _Ends:
        kind = step.WhichOneof("step")
        node = self._node(step, place, kind)
        match kind:
            case "job":
                ends = self._job(step, place, node)
            case "chain":
                ends = self._chain(self._steps(step.chain.steps, "chain.steps", place), node, place)
            case "group":
                steps = self._steps(step.group.steps, "group.steps", place)
                ends = self._group(steps, node, place)
            case "chord":
                ends = self._chord(step, place, node)
            case _:
                self._fault(place.path, "REQUIRED", "is no job, chain, group or chord")
                ends = _Ends()
        self.shape.nodes[node].stop = len(self.shape.leaves)
        ends.spare(step.on_failure)
        return ends

    def end(self, ends: _Ends) -> None:
        """What is left over tells the end of the workflow."""
        self._join(0, ends)

    def check_inputs(self) -> None:
        """Irregular steps before wide ones would fill the store with lists of numbers."""
        if self.wrong:
            return
        readers = dict.fromkeys(self.shape.joins, 0)
        for leaf in self.shape.leaves:
            if leaf.waits:
                readers[leaf.waits] += 1
        total = 0
        for number, count in readers.items():
            if count:
                total += count * len(ranges(self.shape.joins[number].exits))
        if total > MOST_INPUTS:
            text = "has wide steps whose jobs all wait for many jobs of irregular places"
            self._fault("root", "TOO_LARGE", text)

    def _node(self, step: Step, place: _Place, kind: str | None) -> int:
        node_id = step.node_id or place.node_id
        if step.node_id and not _NODE_ID.fullmatch(step.node_id):
            text = 'is not a letter and then letters, digits, "_" and "-", at most 63 in all'
            self._fault(f"{place.path}.node_id", "FORMAT", text)
        elif node_id in self._ids:
            self._fault(f"{place.path}.node_id", "DUPLICATE", "is that of another step, too")
        self._ids.add(node_id)
        if step.on_failure not in FailurePolicy.values():
            self._fault(f"{place.path}.on_failure", "UNKNOWN", "is not a value of its enum")
        if step.bindings and kind != "job":
            text = "are of a job only: a chain, group or chord has no payload"
            self._fault(f"{place.path}.bindings", "NOT_ALLOWED", text)
        elif len(step.bindings) > MOST_BINDINGS:
            text = f"must have at most {MOST_BINDINGS} items"
            self._fault(f"{place.path}.bindings", "TOO_MANY", text)
        return self._add(node_id, _KINDS.get(kind or "", Workflow.KIND_UNSPECIFIED), place, step)

    def _add(
        self, node_id: str, kind: Workflow.Kind.ValueType, place: _Place, step: Step | None
    ) -> int:
        nodes = self.shape.nodes
        nodes.append(
            Node(node_id, kind, place.path, place.parent, step, start=len(self.shape.leaves))
        )
        if place.parent >= 0:
            nodes[place.parent].children += 1
        return len(nodes) - 1

    def _job(self, step: Step, place: _Place, node: int) -> _Ends:
        number = len(self.shape.leaves)
        if number == MOST_JOBS:
            self._fault("root", "TOO_MANY", f"has more than {MOST_JOBS:,} jobs")
            raise _Enough
        self.shape.leaves.append(Leaf(node, step.job, place.waits))
        return _Ends([(number, _FAIL)])

    def _chord(self, step: Step, place: _Place, node: int) -> _Ends:
        chord = step.chord
        for name in ("header", "body"):
            if not chord.HasField(name):
                self._fault(f"{place.path}.chord.{name}", "REQUIRED", "is required")
        if self._is_too_deep(place):
            return _Ends()
        header = _Place(
            f"{place.path}.chord.header", f"{place.node_id}.0", node, place.waits, place.depth
        )
        return self._chain([(chord.header, header), (chord.body, None)], node, place)

    def _chain(
        self, parts: Sequence[tuple[Step | Group, _Place | None]], node: int, place: _Place
    ) -> _Ends:
        """Parts that have no place yet are a chord's body."""
        mine: list[int] = []
        ends = _Ends()
        for index, (part, given) in enumerate(parts):
            waits = place.waits
            if index and ends.exits:
                waits = len(self.shape.leaves)
                self._join(waits, ends)
                mine.append(waits)
            if isinstance(part, Group):
                assert given is not None
                ends = self._header(part, given)
            else:
                where = given or place.within("chord.body", 1, parent=node, waits=waits)
                ends = self.step(part, _Place(where.path, where.node_id, node, waits, where.depth))
            if mine and mine[-1] == waits:
                self.shape.joins[waits].upto = len(self.shape.leaves)
        for number in mine:
            self.shape.joins[number].rest = len(self.shape.leaves)
        return _Ends(ends.exits, [*ends.joins, *((number, _FAIL) for number in mine)])

    def _header(self, group: Group, place: _Place) -> _Ends:
        node = self._add(place.node_id, Workflow.KIND_GROUP, place, None)
        self._ids.add(place.node_id)
        ends = self._group(self._steps(group.steps, "steps", place), node, place)
        self.shape.nodes[node].stop = len(self.shape.leaves)
        return ends

    def _group(self, parts: Iterable[tuple[Step, _Place]], node: int, place: _Place) -> _Ends:
        all_ends = _Ends()
        for step, where in parts:
            ends = self.step(
                step, _Place(where.path, where.node_id, node, place.waits, where.depth)
            )
            all_ends.exits += ends.exits
            all_ends.joins += ends.joins
        return all_ends

    def _steps(self, steps: Sequence[Step], name: str, place: _Place) -> list[tuple[Step, _Place]]:
        if not steps:
            self._fault(f"{place.path}.{name}", "TOO_FEW", "must have at least 1 item")
        if self._is_too_deep(place):
            return []
        return list(self._places(steps, name, place))

    def _places(
        self, steps: Sequence[Step], name: str, place: _Place
    ) -> Iterator[tuple[Step, _Place]]:
        for number, step in enumerate(steps):
            yield step, place.within(f"{name}[{number}]", number, parent=-1, waits=0)

    def _is_too_deep(self, place: _Place) -> bool:
        if place.depth < DEEPEST:
            return False
        self._fault(place.path, "TOO_DEEP", f"is nested more than {DEEPEST} deep")
        return True

    def _join(self, number: int, ends: _Ends) -> None:
        join = Join(number, ends.exits, byte=self._bytes)
        self.shape.joins[number] = join
        self._bytes += join.bytes
        for index, (exit_, policy) in enumerate(ends.exits):
            leaf = self.shape.leaves[exit_]
            leaf.join, leaf.bit = number, join.byte * 8 + index
            leaf.spared = policy in SPARING
        for other, policy in ends.joins:
            self.shape.joins[other].tells = number
            self.shape.joins[other].spared = policy in SPARING

    def _fault(self, path: str, reason: str, text: str) -> None:
        self.wrong.append(Violation(path, reason, text))
        if len(self.wrong) >= _MOST_FAULTS:
            raise _Enough
