"""Writes many jobs into the store in slices, and goes on where an earlier call broke off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from portaria.core.errors import AlreadyExists, RequestIdReused, StoreUnavailable
from portaria.core.ids import member_id, new_workflow_id
from portaria.frontdoor.prompt import PromptStore
from portaria.intake.admission import Admission, Prepared
from portaria.intake.terms import terms
from portaria.internal.v1.envelope_pb2 import Place
from portaria.store import Submission
from portaria.store.batch import (
    Batch,
    Held,
    Kind,
    Member,
    Slice,
    Stage,
    kind_of,
    rest_of,
    unique_of,
    write_slice,
)
from portaria.store.calls import MOST_AT_ONCE, Argument

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


_NO_PLACE = Place()


class Members:
    """Jobs of a slice as the store takes them: what many have in common stands there once."""

    def __init__(self, admission: Admission, batch: Batch) -> None:
        self._admission = admission
        self._batch = batch
        self._kinds: dict[Kind, int] = {}
        self._plain: dict[str, int] = {}
        self._members: list[Member] = []

    def add(
        self,
        number: int,
        spec: Prepared,
        place: Place = _NO_PLACE,
        link: bytes = b"",
        *,
        is_over: bool = False,
    ) -> None:
        """Adds one; what is over already takes no unique key."""
        job_id, name = member_id(self._batch.batch_id, number), spec.job_type.name
        envelope = self._admission.envelope(spec, job_id, place=place)
        is_plain = spec.is_plain and not spec.hooks
        if is_plain and name in self._plain:
            # Nothing but its number and envelope tells it from one that was added before.
            self._members.append((number, self._plain[name], envelope, "", "", link))
            return
        job = self._submission(spec, job_id)
        kind = self._kinds.setdefault(kind_of(job), len(self._kinds) + 1)
        if is_plain:
            self._plain[name] = kind
        unique = "" if is_over else unique_of(job)
        self._members.append((number, kind, envelope, unique, *rest_of(job, link)))

    def slice(self, start: int, stop: int, fields: dict[str, Argument]) -> Slice:
        """All of them."""
        return Slice(start, stop, list(self._kinds), self._members, fields)

    def _submission(self, spec: Prepared, job_id: str) -> Submission:
        """But for its envelope, which is sealed apart."""
        return Submission(
            namespace=self._batch.namespace,
            request_id="",
            content_hash="",
            job_id=job_id,
            envelope=b"",
            workflow_id=self._batch.batch_id,
            hooks=self._admission.hooks(spec, job_id),
            **terms(spec.spec.options, spec.job_type),
        )
