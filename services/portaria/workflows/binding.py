"""The bindings of a workflow: checked by the descriptors of both ends, resolved to numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from google.protobuf.descriptor import Descriptor

from portaria.core.bindings import binding_faults, is_added, overlaps, result_of
from portaria.core.errors import Violation
from portaria.core.job_type import JobType
from portaria.internal.v1.envelope_pb2 import Bound
from portaria.v1.workflows_pb2 import Binding, Workflow
from portaria.workflows.shape import Node, Shape, is_before


class Bindings:
    """Knows the nodes of a shape by their ids."""

    def __init__(self, shape: Shape, types: Sequence[JobType | None]) -> None:
        """`types` are those of the jobs by their numbers; None where a job is wrong anyway."""
        self._shape = shape
        self._types = types
        self._nodes: Mapping[str, int] = {
            node.node_id: place for place, node in enumerate(shape.nodes)
        }

    def faults(self) -> Iterator[Violation]:
        """All that is wrong with all of them."""
        for place, node in enumerate(self._shape.nodes):
            # Of others it was told already that they have none, or are no job.
            bindings = node.step.bindings if node.step is not None and self._has_type(node) else ()
            for number, binding in enumerate(bindings):
                path = f"{node.path}.bindings[{number}]"
                for name, reason, text in self._of(binding, place, node):
                    yield Violation(f"{path}.{name}", reason, text)
            added = [number for number, each in enumerate(bindings) if self._is_added(each, node)]
            for number, other in overlaps([each.to_field for each in bindings], added):
                text = f"overlaps with that of bindings[{other}]"
                yield Violation(f"{node.path}.bindings[{number}].to_field", "DUPLICATE", text)

    def bound(self, node: Node) -> list[Bound]:
        """As a worker reads them. Only where nothing is wrong."""
        if node.step is None:
            return []
        return [
            Bound(
                number=self._shape.nodes[self._nodes[each.from_node]].start,
                from_field=each.from_field,
                to_field=each.to_field,
            )
            for each in node.step.bindings
        ]

    def _has_type(self, node: Node) -> bool:
        return node.kind == Workflow.KIND_JOB and node.start < len(self._types)

    def _is_added(self, binding: Binding, node: Node) -> bool:
        """To a list, which others may add to as well."""
        ends = self._ends(binding, node)
        if ends is None:
            return False
        source, payload = ends
        return is_added(source, binding.from_field, payload, binding.to_field)

    def _ends(self, binding: Binding, node: Node) -> tuple[Descriptor | None, Descriptor] | None:
        """What the one end returns and what the other takes; None where either is not known."""
        found = self._nodes.get(binding.from_node)
        if found is None or not self._has_type(self._shape.nodes[found]):
            return None
        source = self._types[self._shape.nodes[found].start]
        target = self._types[node.start]
        if source is None or target is None:
            return None
        return result_of(source), cast("Descriptor", target.message.DESCRIPTOR)

    def _of(self, binding: Binding, place: int, node: Node) -> Iterator[tuple[str, str, str]]:
        found = self._nodes.get(binding.from_node)
        if not binding.from_node:
            yield "from_node", "REQUIRED", "is required"
        elif found is None:
            yield "from_node", "UNKNOWN", "is no step of this workflow"
        elif not self._has_type(self._shape.nodes[found]):
            yield "from_node", "TYPE", "is no job: a chain, group or chord has no result of its own"
        elif not is_before(self._shape, found, place):
            yield "from_node", "NOT_BEFORE", "is a step that may not be over when this one begins"
        elif ends := self._ends(binding, node):
            source, payload = ends
            for each in binding_faults(source, binding.from_field, payload, binding.to_field):
                yield each.field, each.reason, each.description
