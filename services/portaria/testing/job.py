"""A job of an eager platform, as a test looks at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from portaria.client import Handle
from portaria.client.calls import Calls
from portaria.core.clock import from_milliseconds
from portaria.core.ends import CRASHED
from portaria.core.job_type import priority_name
from portaria.core.states import State
from portaria.jobs.eager import Report
from portaria.testing.kernel import Kernel, Record
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import Failure, Job
from portaria.v1.jobs_service_pb2 import SubmitJobResponse

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of a handler."""

    number: int
    started_at: datetime
    ended_at: datetime
    failure: Failure | None
    """With its traceback; None where the run succeeded, or its process died."""
    next_at: datetime | None
    """When the job runs again; None where it does not."""
    progress: Sequence[Report]
    warnings: Sequence[str]
    logs: Sequence[tuple[str, str, Mapping[str, object]]]
    """(level, event, fields) of each line."""


def attempt_to_proto(attempt: Attempt, worker: str, crashed: bool) -> job_pb2.Attempt:
    """As the FULL view shows it."""
    shown = job_pb2.Attempt(number=attempt.number, worker=worker)
    shown.start_time.FromDatetime(attempt.started_at)
    shown.end_time.FromDatetime(attempt.ended_at)
    failure = CRASHED if crashed else attempt.failure
    if failure is not None:
        shown.failure.CopyFrom(failure)
    if attempt.next_at is not None and not crashed:
        shown.next_attempt_time.FromDatetime(attempt.next_at)
    return shown


class EagerHandle(Handle[Message]):
    """A client's handle that also shows what only a test may see, and asks nobody for it.

    `wait`, `result` and `watch` let time pass until the job is done, as they would elsewhere.
    """

    def __init__(
        self,
        calls: Calls,
        kernel: Kernel,
        record: Record,
        attempts: Callable[[], Sequence[Attempt]],
        answer: SubmitJobResponse | None = None,
    ) -> None:
        super().__init__(calls, record.job.job_id, answer)
        self._kernel = kernel
        self._record = record
        self._attempts = attempts

    @property
    def state(self) -> State:
        """Where it stands."""
        return self._record.state

    @property
    def history(self) -> list[State]:
        """Every state that it was in, in order."""
        return list(self._record.history)

    @property
    def job(self) -> Job:
        """All that the FULL view shows of it."""
        copy = Job()
        copy.CopyFrom(self._record.job)
        return copy

    @property
    def payload(self) -> Message:
        """What was submitted."""
        return self._record.job_type.message.FromString(self._record.payload)

    @property
    def type(self) -> str:
        """The full name of its type."""
        return self._record.job_type.name

    @property
    def priority(self) -> str:
        """critical, high, default or low."""
        return priority_name(self._record.job.priority)

    @property
    def labels(self) -> dict[str, str]:
        """The submission's."""
        return dict(self._record.job.labels)

    @property
    def headers(self) -> dict[str, str]:
        """The submission's."""
        return dict(self._record.options.headers)

    @property
    def attempt(self) -> int:
        """How often it was started."""
        return self._record.job.attempt

    @property
    def failures(self) -> int:
        """How many of its runs failed; put off and crashed ones do not count."""
        return self._record.job.failures

    @property
    def failure(self) -> Failure | None:
        """The last one, with its traceback."""
        return self.job.last_failure if self._record.job.HasField("last_failure") else None

    @property
    def attempts(self) -> list[Attempt]:
        """Each run that ended, in order."""
        return list(self._attempts())

    @property
    def progress(self) -> list[Report]:
        """All reports of the present or last run."""
        return list(self._record.run.reports)

    @property
    def warnings(self) -> list[str]:
        """What the last run remarked."""
        return list(self._record.job.warnings)

    @property
    def next_at(self) -> datetime | None:
        """When it becomes due; None where it does not wait for a moment."""
        waits = self.state in (State.SCHEDULED, State.RETRYING)
        return from_milliseconds(self._record.due_ms) if waits else None

    def cancel(self, reason: str = "", *, force: bool = False) -> None:
        """As an operator would: at once where it waits; where it runs, its handler hears of it.

        `force` changes nothing: there is no process to kill.
        """
        self._kernel.cancel(self._record, reason)

    def __repr__(self) -> str:
        return f"EagerHandle({self._record.job_type.short_name}, {self.state}, {self.id!r})"
