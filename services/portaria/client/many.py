"""Many jobs as batches: what fits into one call, and what its answer says of each job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from google.protobuf.message import Message

from portaria.client.requests import checked_labels, spec_of
from portaria.client.statuses import error_of_item
from portaria.core.errors import InvalidRequest, PortariaError, Violation
from portaria.core.ids import new_request_id
from portaria.v1.job_pb2 import JobSpec, SubmitOptions
from portaria.v1.jobs_service_pb2 import BatchSubmitJobsRequest, BatchSubmitJobsResponse

ManyJob = Message | tuple[Message, SubmitOptions]
OnError = Callable[[int, PortariaError], None]
"""Told the number of a job, counted from 0 over all that were given, and what is wrong with it."""

MOST_JOBS = 1_000
_LARGEST_CALL = 3 * 1024 * 1024
_MOST_BYTES = _LARGEST_CALL - 64 * 1024
"""What a door takes, less what is around the jobs."""
_AROUND = 8


@dataclass(frozen=True, slots=True)
class Chunk:
    """Jobs that go in one call."""

    request: BatchSubmitJobsRequest
    first: int
    """The number of its first job."""

    def refused(self, error: PortariaError) -> PortariaError:
        """The error of the whole call, its fields numbered over all jobs."""
        if not isinstance(error, InvalidRequest) or not self.first:
            return error
        moved = InvalidRequest(
            [replace(each, field=self._moved(each.field)) for each in error.violations],
            reason=error.reason,
        )
        moved.metadata.update(error.metadata)
        return moved

    def accepted(self, answer: BatchSubmitJobsResponse, on_error: OnError | None) -> Iterator[str]:
        """The ids of the jobs that were accepted, in order; the others are told to `on_error`."""
        for number, result in enumerate(answer.results):
            if result.WhichOneof("outcome") == "job_id":
                yield result.job_id
            elif on_error is not None:
                on_error(self.first + number, self.refused(error_of_item(result.error)))

    def _moved(self, field: str) -> str:
        name, bracket, rest = field.partition("specs[")
        number, closing, rest = rest.partition("]")
        if name or not bracket or not number.isdecimal():
            return field
        return f"specs[{self.first + int(number)}]{closing and rest}"


class Chunks:
    """Collects jobs until a call is full."""

    def __init__(
        self,
        *,
        size: int,
        labels: Mapping[str, str] | None,
        request_id: str | None,
        on_error: OnError | None,
    ) -> None:
        """`size` is how many jobs a call has at most; `request_id` is what those of calls begin
        with; with `on_error`, bad jobs are left out.
        """
        if not 1 <= size <= MOST_JOBS:
            raise ValueError(f"chunk is {size}: expected 1 to {MOST_JOBS}")
        self._size = size
        self._labels = dict(checked_labels(labels))
        self._request_id = request_id
        self._on_error = on_error
        self._specs: list[JobSpec] = []
        self._bytes = 0
        self._first = 0
        self._made = 0

    def add(self, job: ManyJob) -> Iterator[Chunk]:
        """Takes a job; answers calls that are full: without it where it does not fit in.

        One that no call can hold is refused here, once those before it were sent: told to
        `on_error`, else raised as InvalidRequest.
        """
        message, options = job if isinstance(job, tuple) else (job, None)
        spec = spec_of(message, options)
        length = spec.ByteSize() + _AROUND
        if self._bytes + length > _MOST_BYTES:
            yield from self.rest()
        if length > _MOST_BYTES and self._call([spec]).ByteSize() > _LARGEST_CALL:
            self._leave_out()
            return
        self._specs.append(spec)
        self._bytes += length
        if len(self._specs) == self._size:
            yield from self.rest()

    def rest(self) -> Iterator[Chunk]:
        """A call with what is collected, where anything is."""
        if not self._specs:
            return
        chunk = Chunk(self._call(self._specs), self._first)
        self._first += len(self._specs)
        self._made += 1
        self._specs, self._bytes = [], 0
        yield chunk

    def _call(self, specs: list[JobSpec]) -> BatchSubmitJobsRequest:
        request_id = f"{self._request_id}.{self._made}" if self._request_id else new_request_id()
        return BatchSubmitJobsRequest(
            specs=specs,
            request_id=request_id,
            labels=self._labels,
            allow_partial=self._on_error is not None,
        )

    def _leave_out(self) -> None:
        """Of the job that comes next: refuses it as the door would."""
        number = self._first
        text = "is too large for a call of many jobs, which has at most 3 MiB"
        error = InvalidRequest([Violation(f"specs[{number}].payload", "TOO_LARGE", text)])
        if self._on_error is None:
            raise error
        self._first += 1
        self._on_error(number, error)


def chunks_of(jobs: Iterable[ManyJob], collecting: Chunks) -> Iterator[Chunk]:
    """Takes only as many jobs as the next call needs."""
    for job in jobs:
        yield from collecting.add(job)
    yield from collecting.rest()
