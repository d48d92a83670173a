"""Writes many jobs into the store in slices, and goes on where an earlier call broke off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from portaria.core.errors import AlreadyExists, RequestIdReused, StoreUnavailable
from portaria.core.ids import new_workflow_id
from portaria.frontdoor.prompt import PromptStore
from portaria.intake.admission import Admission, Prepared
from portaria.intake.terms import terms
from portaria.store import Submission
from portaria.store.batch import Batch, Held, Slice, Stage, write_slice
from portaria.store.calls import MOST_AT_ONCE

_SPARE_STEPS = 40
"""Calls more than two a slice, where somebody is in the way."""


@dataclass(slots=True)
class Writing:
    """One batch or workflow on its way into the store."""

    store: PromptStore
    batch: Batch
    slices: Callable[[Batch, int, int], Slice]
    """What is written of the jobs from one number up to before another."""
    held_error: Callable[[int, Held], AlreadyExists]
    """Where another job has the unique key of one of them."""
    is_known: bool = False
    """An earlier call had handed it in, or begun to."""
    held: dict[int, Held] = field(default_factory=dict)

    async def run(self) -> None:
        """Writes what is missing, and has it placed. Raises RequestIdReused, AlreadyExists,
        StoreUnavailable, StoreFull.
        """
        at, stage = 0, Stage.OPEN
        for _ in range(_SPARE_STEPS + 2 * self.batch.size // MOST_AT_ONCE):
            stop = min(at + MOST_AT_ONCE, self.batch.size)
            part = self.slices(self.batch, at, stop)
            answer = await self.store.run(write_slice(self.batch, part))
            match answer.word:
                case "reused":
                    raise RequestIdReused(
                        "the request_id stands for other content",
                        metadata={"job_id": answer.batch_id},
                    )
                case "held":
                    raise self.held_error(*next(iter(answer.held.items())))
                case "gone":
                    at, self.is_known, stage = 0, False, Stage.OPEN
                    self.batch = replace(self.batch, batch_id=new_workflow_id())
                    self.held.clear()
                    continue
                case "known":
                    self.is_known = self.is_known or answer.batch_id != self.batch.batch_id
                    self.batch = replace(self.batch, batch_id=answer.batch_id)
                    at, stage = answer.written, answer.stage
                case _:
                    at, stage = stop, answer.stage
            self.held.update(answer.held)
            if stage is Stage.PLACED:
                return
        raise StoreUnavailable


def member(admission: Admission, batch: Batch, spec: Prepared, job_id: str) -> Submission:
    """A job of a batch but for its envelope, which is sealed apart."""
    return Submission(
        namespace=batch.namespace,
        request_id="",
        content_hash="",
        job_id=job_id,
        envelope=b"",
        workflow_id=batch.batch_id,
        hooks=admission.hooks(spec, job_id),
        **terms(spec.spec.options, spec.job_type),
    )
