"""What is kept of a workflow besides its jobs: sealed, so that nobody else can have written it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from portaria.core.seal import KeyRing, SealBroken
from portaria.internal.v1.envelope_pb2 import Inputs, Plan, WorkflowHead
from portaria.v1.workflows_pb2 import Workflow
from portaria.workflows.shape import Policy, Shape, ranges

Kept = TypeVar("Kept", Plan, WorkflowHead)

_LARGEST = 64 * 1024 * 1024
"""Bytes of a plan; those of 50,000 jobs have 4 MB where names and bindings are long."""


class Plans:
    """Seals plans and heads, and opens those that are ours."""

    def __init__(self, keys: KeyRing, namespace: str) -> None:
        self._keys = keys
        self._namespace = namespace

    def seal(self, kept: Plan | WorkflowHead, workflow_id: str) -> bytes:
        """As it is kept in the hash of one workflow."""
        kept.namespace, kept.workflow_id = self._namespace, workflow_id
        return self._keys.seal(self._purpose(kept), zlib.compress(kept.SerializeToString()))

    def plan(self, sealed: bytes, workflow_id: str) -> Plan:
        """Raises SealBroken."""
        return self._open(Plan(), sealed, workflow_id)

    def head(self, sealed: bytes, workflow_id: str) -> WorkflowHead:
        """Raises SealBroken."""
        return self._open(WorkflowHead(), sealed, workflow_id)

    def _open(self, kept: Kept, sealed: bytes, workflow_id: str) -> Kept:
        body = self._keys.unseal(self._purpose(kept), sealed)
        try:
            kept.ParseFromString(zlib.decompressobj().decompress(body, _LARGEST))
        except (DecodeError, zlib.error):
            raise SealBroken("sealed, but not what it should be") from None
        if (kept.namespace, kept.workflow_id) != (self._namespace, workflow_id):
            raise SealBroken("that of another workflow")
        return kept

    def _purpose(self, kept: Message) -> str:
        kind = "workflow" if isinstance(kept, Plan) else "workflow-head"
        return f"{kind}/{self._namespace}"


def plan_of(shape: Shape, types: Sequence[str]) -> Plan:
    """`types` are the full names of the jobs' types, by their numbers."""
    plan = Plan()
    for node in shape.nodes:
        planned = plan.nodes.add(node_id=node.node_id, kind=node.kind, children=node.children)
        if node.step is not None:
            planned.on_failure = node.step.on_failure
            planned.bindings.extend(node.step.bindings)
        if node.kind == Workflow.KIND_JOB:
            planned.type = types[node.start]
    return plan


def inputs_of(exits: Sequence[tuple[int, Policy]]) -> list[Inputs]:
    """Numbers of jobs, in order, with what counts of their failures, in few words."""
    return [
        Inputs(start=each.start, stop=each.stop, stride=each.stride, on_failure=each.policy)
        for each in ranges(exits)
    ]
