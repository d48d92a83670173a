"""The kinds of failure that cross a layer.

    PortariaError
    ├── InvalidRequest          every violation of one request
    ├── NotFound
    │   ├── QueueNotFound
    │   ├── ScheduleNotFound
    │   └── WorkflowNotFound
    ├── AlreadyExists
    │   ├── RequestIdReused
    │   └── ScheduleExists
    ├── EtagMismatch            somebody changed it since it was read
    ├── ScheduleDeclared        it is changed in its declared list only
    ├── ScheduleBroken          what is stored of it is not believed
    ├── RunOpen                 a run of the schedule is open
    ├── NewerRelease            a newer release has applied the list
    ├── AlreadyBegun            a worker holds the job, or it is done
    ├── NotRetryable
    ├── ParentNotRunning        what submits a job is over, or never began
    ├── CursorExpired
    ├── StoreUnavailable        Redis cannot be reached, or not now
    ├── StoreFull               Redis is out of memory
    ├── DeadlineExceeded
    ├── ShuttingDown
    ├── SlowWatcher
    └── ConfigurationError      settings, job types, keys: found at start

The door maps each to a status in one place; the client maps each status back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

UNKNOWN_JOB_TYPE = "UNKNOWN_JOB_TYPE"


class PortariaError(Exception):
    """A failure that a caller can understand. `reason` is an ErrorReason without its prefix."""

    reason = "INTERNAL"

    def __init__(self, message: str, *, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with a request. Never holds the value itself."""

    field: str
    """Path from the request, e.g. `spec.payload.recipients[3].address`."""
    reason: str
    """UPPER_SNAKE, e.g. REQUIRED, EMAIL_FORMAT, UNKNOWN_JOB_TYPE."""
    description: str
    """For a person: lower case, no full stop, does not repeat the field."""
    suggestions: tuple[str, ...] = ()
    """What would have been right, where that is a short list."""


class InvalidRequest(PortariaError):
    """The request can never succeed as it is; says everything that is wrong with it.

    Its reason, where none is given, says whether it is a job type that is not known.
    """

    reason = "INVALID_REQUEST"

    def __init__(self, violations: Iterable[Violation], *, reason: str | None = None) -> None:
        self.violations = tuple(violations)
        first = self.violations[0]
        more = f" (and {len(self.violations) - 1} more)" if len(self.violations) > 1 else ""
        super().__init__(f"{first.field}: {first.description}{more}")
        if reason:
            self.reason = reason
        elif any(each.reason == UNKNOWN_JOB_TYPE for each in self.violations):
            self.reason = UNKNOWN_JOB_TYPE


class MalformedMessage(InvalidRequest):
    """The bytes are not such a message."""

    reason = "MALFORMED_MESSAGE"


class NotFound(PortariaError):
    """No such job, or it was purged."""

    reason = "JOB_NOT_FOUND"

    def __init__(
        self,
        message: str = "no such job, or it was purged",
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, metadata=metadata)


class QueueNotFound(NotFound):
    """It never had a job, and no worker claims from it."""

    reason = "QUEUE_NOT_FOUND"


class ScheduleNotFound(NotFound):
    """No such schedule."""

    reason = "SCHEDULE_NOT_FOUND"

    def __init__(self, message: str = "no such schedule") -> None:
        super().__init__(message)


class WorkflowNotFound(NotFound):
    """No such workflow, or it was purged."""

    reason = "WORKFLOW_NOT_FOUND"

    def __init__(self, message: str = "no such workflow, or it was purged") -> None:
        super().__init__(message)


class AlreadyExists(PortariaError):
    """Something else stands in the place."""

    reason = "UNIQUE_KEY_HELD"


class RequestIdReused(AlreadyExists):
    """The request_id stands for other content."""

    reason = "REQUEST_ID_REUSED"


class ScheduleExists(AlreadyExists):
    """Another schedule has the id."""

    reason = "SCHEDULE_EXISTS"


class EtagMismatch(PortariaError):
    """What was read before the change is not what is there now: read again."""

    reason = "ETAG_MISMATCH"


class ScheduleDeclared(PortariaError):
    """The schedule is in a declared list, and changed there only."""

    reason = "SCHEDULE_DECLARED"


class ScheduleBroken(PortariaError):
    """What is stored of the schedule is not believed: it is given anew as a whole, or deleted."""

    reason = "SCHEDULE_BROKEN"


class RunOpen(PortariaError):
    """A run of the schedule is open, and it allows one at a time."""

    reason = "RUN_OPEN"


class NewerRelease(PortariaError):
    """A newer release has applied the declared list."""

    reason = "NEWER_RELEASE"


class AlreadyBegun(PortariaError):
    """The job does not wait in a queue or for its moment, so it cannot be moved."""

    reason = "ALREADY_BEGUN"


class NotRetryable(PortariaError):
    """The job is not done, or was handed in again already."""

    reason = "NOT_RETRYABLE"


class ParentNotRunning(PortariaError):
    """A job that submits others runs: this one does not, or is not known."""

    reason = "PARENT_NOT_RUNNING"


class CursorExpired(PortariaError):
    """The history after a cursor was trimmed, or the cursor is another store's."""

    reason = "CURSOR_EXPIRED"


class StoreUnavailable(PortariaError):
    """Redis cannot be reached, is loading, or is read-only. Worth another try."""

    reason = "STORE_UNAVAILABLE"

    def __init__(
        self, message: str = "the store is unavailable", *, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after or timedelta(seconds=1)


class StoreFull(PortariaError):
    """Redis is out of memory; nothing was written."""

    reason = "QUEUE_FULL"

    def __init__(
        self, message: str = "the store is full", *, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after or timedelta(seconds=5)


class DeadlineExceeded(PortariaError):
    """The caller's time was up."""

    reason = "DEADLINE_EXCEEDED"


class ShuttingDown(PortariaError):
    """This door drains; another one, or this one after a moment, goes on."""

    reason = "SHUTTING_DOWN"


class SlowWatcher(PortariaError):
    """A watcher that did not keep up was ended; it resumes with its last cursor."""

    reason = "SLOW_WATCHER"


class ConfigurationError(PortariaError):
    """Settings, job types or keys that cannot work; found at start."""

    reason = "INVALID_CONFIGURATION"
