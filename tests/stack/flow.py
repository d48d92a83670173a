"""Jobs of a workflow without a door: each is handed in where those before it have ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from portaria.core.ids import member_id, new_workflow_id
from portaria.internal.v1.envelope_pb2 import Bound, Envelope, Inputs, Outcome, Plan, PlanNode
from portaria.store import JobRecord, keys
from portaria.v1.workflows_pb2 import FAILURE_POLICY_FAIL, FailurePolicy
from portaria.workflows.plan import Plans
from stack.lab import Lab


class Flow:
    """One workflow, as its jobs see it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.workflow_id = new_workflow_id()

    def job(
        self,
        number: int,
        payload: Message,
        *,
        after: Sequence[tuple[int, int]] = (),
        policy: FailurePolicy.ValueType = FAILURE_POLICY_FAIL,
        bindings: Sequence[tuple[int, str, str]] = (),
        node_id: str = "",
    ) -> str:
        """Hands in the job of a number; `after` are spans of numbers right before it."""

        def place(envelope: Envelope) -> None:
            envelope.place.workflow_id = self.workflow_id
            envelope.place.number = number
            envelope.place.node_id = node_id or f"0.{number}"
            for start, stop in after:
                envelope.place.inputs.append(Inputs(start=start, stop=stop, on_failure=policy))
            for before, from_field, to_field in bindings:
                bound = Bound(number=before, from_field=from_field, to_field=to_field)
                envelope.place.bindings.append(bound)

        return self.lab.submit(payload, job_id=self.id(number), change=place)

    def run(self, number: int, payload: Message, **how: Any) -> JobRecord:
        """As `job`, to its end."""
        return self.lab.wait(self.job(number, payload, **how))

    def id(self, number: int) -> str:
        """Of a job."""
        return member_id(self.workflow_id, number)

    def leave(self, number: int, result: Message | None, *, as_of: str = "") -> None:
        """A job that has ended with a result; sealed for another job `as_of`."""
        job_id = self.id(number)
        outcome = Outcome(namespace="default", job_id=as_of or job_id)
        if result is not None:
            outcome.result.Pack(result)
        sealed = self.lab.ring.seal("namespace/default", outcome.SerializeToString())
        fields: dict[str, str | bytes] = {"state": "SUCCEEDED", "output": sealed}
        self.lab.redis.hset(keys.job(job_id), mapping=fields)  # type: ignore[arg-type]

    def plan(self, *nodes: PlanNode, workflow_id: str = "") -> None:
        """Keeps the steps of the workflow."""
        kept = Plan(nodes=nodes)
        sealed = Plans(self.lab.ring, "default").seal(kept, workflow_id or self.workflow_id)
        self.lab.redis.hset(keys.batch(self.workflow_id), "plan", sealed)
