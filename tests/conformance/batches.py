"""Batches as tests hand them in."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any

from conformance.kernel import Kernel, submission
from portaria.core.ids import member_id, new_workflow_id
from portaria.store.batch import (
    Batch,
    Member,
    Slice,
    Written,
    kind_of,
    rest_of,
    unique_of,
    write_slice,
)
from portaria.store.calls import Argument, Call
from portaria.workflows.shape import Shape


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
        shape: Shape | None = None,
        fields: Mapping[str, Argument] | None = None,
    ) -> None:
        """`unique_key` is a pattern of keys by number; `shape` is that of a workflow, whose hash
        has the `fields`, too.
        """
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
        self._shape = shape
        self._fields = {"plan": "p", "head": "h", "keep": 60_000, **(fields or {})}

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
            rest = rest_of(job, self._link(number))
            members.append((number, kind, job.envelope, unique_of(job), *rest))
        fields = dict(self._fields_of(start, stop))
        return write_slice(self._batch, Slice(start, stop, list(kinds), members, fields))

    def _link(self, number: int) -> bytes:
        if self._shape is None:
            return b""
        leaf = self._shape.leaves[number]
        return leaf.link(waits=leaf.waits > 0).encode()

    def _fields_of(self, start: int, stop: int) -> Iterator[tuple[str, Argument]]:
        if self._shape is None:
            return
        for number in range(start, stop):
            if number in self._shape.joins:
                yield f"j{number}", self._shape.joins[number].words()
        if start == 0:
            yield from self._fields.items()

    def write(self, start: int, stop: int) -> Written:
        return self.kernel.store.run(self.call(start, stop))

    def place(self) -> Written:
        """Places the next ones of a batch that is whole."""
        return self.write(len(self.ids), len(self.ids))
