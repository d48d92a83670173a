"""Batches as tests hand them in."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from conformance.kernel import Kernel, submission
from portaria.core.ids import member_id, new_workflow_id
from portaria.store.batch import (
    Batch,
    Member,
    Slice,
    Written,
    kind_of,
    times_of,
    unique_of,
    write_slice,
)
from portaria.store.calls import Call


class HandIn:
    """One batch of jobs that differ in nothing but `change`."""

    def __init__(
        self,
        kernel: Kernel,
        size: int,
        *,
        batch_id: str = "",
        request_id: str = "r-batch",
        content_hash: str = "batch",
        partial: bool = False,
        leave_out: Container[int] = (),
        change: Mapping[int, Mapping[str, Any]] | None = None,
        unique_key: str = "",
    ) -> None:
        """`unique_key` is a pattern of keys by number."""
        self.kernel = kernel
        self.id = batch_id or new_workflow_id()
        self.ids = [member_id(self.id, number) for number in range(size)]
        self._batch = Batch(
            namespace="default",
            request_id=request_id,
            content_hash=content_hash,
            batch_id=self.id,
            size=size,
            partial=partial,
        )
        self._leave_out = leave_out
        self._change = change or {}
        self._unique_key = unique_key

    def call(self, start: int, stop: int) -> Call[Written]:
        """What writes a slice; none where it starts at the end."""
        members: list[Member] = []
        kinds = {}
        for number in range(start, stop):
            if number in self._leave_out:
                continue
            given = {"unique_key": self._unique_key.format(number), **self._change.get(number, {})}
            job = submission(self.ids[number], workflow_id=self.id, **given)
            kind = kinds.setdefault(kind_of(job), len(kinds) + 1)
            members.append((number, kind, job.envelope, unique_of(job), times_of(job)))
        return write_slice(self._batch, Slice(start, stop, list(kinds), members))

    def write(self, start: int, stop: int) -> Written:
        return self.kernel.store.run(self.call(start, stop))

    def place(self) -> Written:
        """Places the next ones of a batch that is whole."""
        return self.write(len(self.ids), len(self.ids))
