"""What a watcher knows of a job: events folded into one row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from portaria.client.states import state_name
from portaria.v1.job_pb2 import Failure, Job, Progress
from portaria.v1.jobs_service_pb2 import JobEvent

_REMOVED = {"NOT_FOUND": "no such job, or it was purged", "PURGED": "was purged"}


@dataclass(kw_only=True)
class Row:
    """One watched job, as of the last event."""

    job_id: str
    type: str = ""
    node: str = ""
    """Its name in its workflow."""
    state: str = ""
    attempt: int = 0
    max_attempts: int = 0
    current: int = 0
    total: int = 0
    percent: float = 0.0
    message: str = ""
    failure: str = ""
    worker: str = ""
    created_at: datetime | None = None
    event_at: datetime | None = None
    ended_at: datetime | None = None
    next_attempt_at: datetime | None = None
    done: bool = False
    removed: str = ""

    def apply(self, event: JobEvent) -> None:
        """Takes one event in."""
        kind = event.WhichOneof("event")
        self.done = event.done
        self.event_at = moment(event.event_time) or self.event_at
        if kind == "removed":
            self.state = self.state or "UNKNOWN"
            self.removed = _REMOVED.get(event.removed.reason, "is gone")
            return
        self.state = state_name(event.state)
        if event.attempt != self.attempt:
            self._begin(event.attempt)
        if kind == "snapshot":
            self._snapshot(event.snapshot)
        elif kind == "state_change":
            self._change(event.state_change)
        elif kind == "progress":
            self._progress(event.progress)
        if self.done and self.ended_at is None:
            self.ended_at = self.event_at

    @property
    def name(self) -> str:
        """ "SendEmail"."""
        return self.type.rpartition(".")[2] or "job"

    def _begin(self, attempt: int) -> None:
        # A new attempt starts from nothing; the last one's figures would mislead.
        self.attempt = attempt
        self.current = self.total = 0
        self.percent, self.message = 0.0, ""

    def _snapshot(self, job: Job) -> None:
        self.type, self.node = job.type, job.node_id or self.node
        self.max_attempts = job.max_attempts
        self.worker = job.worker
        self.created_at = moment(job.create_time)
        self.ended_at = moment(job.end_time)
        self.next_attempt_at = due_at(job)
        self.failure = failure_words(job.last_failure)
        if job.HasField("progress"):
            self._progress(job.progress)

    def _change(self, change: JobEvent.StateChange) -> None:
        self.next_attempt_at = moment(change.next_attempt_time)
        self.worker = change.worker or self.worker
        if change.HasField("failure"):
            self.failure = failure_words(change.failure)

    def _progress(self, progress: Progress) -> None:
        self.current, self.total = progress.current, progress.total
        self.percent, self.message = progress.percent, one_line(progress.message)


class Rows:
    """The rows of several jobs, in the order in which they were asked for."""

    def __init__(
        self, job_ids: tuple[str, ...] | list[str], nodes: Mapping[str, str] | None = None
    ) -> None:
        """`nodes` are the names of jobs in their workflow, by their ids."""
        self._rows = {job_id: Row(job_id=job_id) for job_id in job_ids}
        self._nodes = nodes or {}

    def apply(self, event: JobEvent) -> Row:
        """The row that an event changed."""
        node = self._nodes.get(event.job_id, "")
        row = self._rows.setdefault(event.job_id, Row(job_id=event.job_id, node=node))
        row.apply(event)
        return row

    def forget(self, job_id: str) -> None:
        """Drops a row."""
        self._rows.pop(job_id, None)

    def all(self) -> list[Row]:
        """All rows."""
        return list(self._rows.values())


def moment(stamp: Timestamp) -> datetime | None:
    """An aware datetime; None where the field was not set."""
    if not stamp.seconds and not stamp.nanos:
        return None
    return stamp.ToDatetime(tzinfo=UTC)


def due_at(job: Job) -> datetime | None:
    """When a job that waits for a moment goes on."""
    return moment(job.next_attempt_time) or moment(job.run_time)


def failure_words(failure: Failure) -> str:
    """ "SMTP_REFUSED: mailbox full"; empty where there is no failure."""
    return ": ".join(part for part in (failure.reason, one_line(failure.message)) if part)


def one_line(text: str) -> str:
    """A handler's words without what would move the cursor or colour the screen."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
