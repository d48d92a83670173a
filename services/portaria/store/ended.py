"""What jobs that follow read of those before them: how they ended, and what they left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError

from portaria.core.seal import KeyRing, SealBroken
from portaria.core.states import State
from portaria.internal.v1.envelope_pb2 import Outcome
from portaria.store import keys
from portaria.store.calls import MOST_AT_ONCE, Read


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job stands. `output`, sealed, and `failure` are empty where it has none."""

    state: State
    output: bytes
    failure: bytes


def read_endings(job_ids: Sequence[str]) -> Read[list[Ending | None]]:
    """Of each job, in order; None for one that is gone. At most 200 at once."""
    if len(job_ids) > MOST_AT_ONCE:
        raise ValueError(f"{len(job_ids)} jobs at once: at most {MOST_AT_ONCE}")
    return Read(
        [("HMGET", keys.job(each), "state", "output", "failure") for each in job_ids],
        lambda replies: [_ending(*reply) for reply in replies],
    )


def read_plan(workflow_id: str) -> Read[bytes]:
    """The sealed plan of a workflow; empty where it is gone, or has none."""
    return Read([("HGET", keys.batch(workflow_id), "plan")], lambda replies: replies[0] or b"")


def read_end(workflow_id: str) -> Read[tuple[str, str] | None]:
    """The state of a workflow that is done, "" of one that is not, and the id of the job with its
    first failure that counts; None where it is gone."""
    command = ("HMGET", keys.batch(workflow_id), "stage", "state", "c0")
    return Read([command], lambda replies: _end(*replies[0]))


def unseal_outcome(ring: KeyRing, namespace: str, job_id: str, output: bytes) -> AnyMessage | None:
    """What the handler of a job returned; None for nothing. Raises SealBroken."""
    outcome = Outcome()
    try:
        outcome.ParseFromString(ring.unseal(f"namespace/{namespace}", output))
    except DecodeError:
        raise SealBroken("sealed, but not an outcome") from None
    if (outcome.namespace, outcome.job_id) != (namespace, job_id):
        raise SealBroken("the outcome of another job")
    return outcome.result if outcome.HasField("result") else None


def _end(stage: Any, state: Any, cause: Any) -> tuple[str, str] | None:
    if stage is None:
        return None
    return (state or b"").decode(), (cause or b"").decode().partition(" ")[0]


def _ending(state: Any, output: Any, failure: Any) -> Ending | None:
    try:
        return Ending(State(state.decode()), output or b"", failure or b"") if state else None
    except ValueError:
        return None  # written by others: no job of ours
