"""What a caller may have to catch, beside the kinds in portaria.core.errors.

PortariaError
├── RpcError                a status that the door did not explain
│   └── DoorUnavailable     nobody answers at the address
└── JobNotSucceeded         the job ended otherwise, so it has no result
    ├── JobFailed
    ├── JobCancelled
    ├── JobExpired
    └── ResultUnavailable   it succeeded, but its result cannot be had
"""

from collections.abc import Mapping

from portaria.core.errors import PortariaError
from portaria.v1.job_pb2 import Failure, Job


class RpcError(PortariaError):
    """A status without an ErrorInfo of ours, or with one that this client does not know.

    `code` is the status by name ("UNAUTHENTICATED"), `message` the words that came with it,
    `reason` the ErrorInfo's where there is one, else the code.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message or code, metadata=metadata)
        self.code = code
        self.reason = reason or code


# What gRPC's account of a failed connection means for TLS.
_SIGNS = {
    "CERTIFICATE_VERIFY_FAILED": ": its certificate is not from an authority that is trusted here",
    "is not in peer certificate": ": its certificate is for another name",
    "Hostname Verification Check failed": ": its certificate is for another name",
    "WRONG_VERSION_NUMBER": ": this client speaks TLS, and the door does not",
    "last error: UNAVAILABLE": (
        ": it hangs up; it may speak TLS alone, or let in only clients with a certificate"
    ),
}


class DoorUnavailable(RpcError):
    """Nobody answers at the address: the door is down, restarting, or elsewhere.

    `cause` is gRPC's own account of it; `is_about_tls` where the two do not agree on certificates.
    """

    def __init__(self, address: str, cause: str) -> None:
        words = next((words for sign, words in _SIGNS.items() if sign in cause), "")
        super().__init__("UNAVAILABLE", f"cannot reach the door at {address}{words}")
        self.address = address
        self.cause = cause
        self.is_about_tls = bool(words)


class JobNotSucceeded(PortariaError):
    """A job that ended without a result. `job` is its last state, `job_id` its id."""

    def __init__(self, job: Job, message: str, *, reason: str) -> None:
        super().__init__(message, metadata={"job_id": job.job_id})
        self.job = job
        self.job_id = job.job_id
        self.reason = reason


class JobFailed(JobNotSucceeded):
    """The job is FAILED; `failure` says why, `reason` is its UPPER_SNAKE word."""

    def __init__(self, job: Job) -> None:
        self.failure: Failure = job.last_failure
        reason = self.failure.reason or "FAILED"
        words = f": {self.failure.message}" if self.failure.message else ""
        super().__init__(job, f"job {job.job_id} failed: {reason}{words}", reason=reason)


class JobCancelled(JobNotSucceeded):
    """Somebody cancelled the job."""

    def __init__(self, job: Job) -> None:
        words = f": {job.cancel_reason}" if job.cancel_reason else ""
        super().__init__(job, f"job {job.job_id} was cancelled{words}", reason="CANCELLED")


class JobExpired(JobNotSucceeded):
    """The job was not begun in time."""

    def __init__(self, job: Job) -> None:
        super().__init__(job, f"job {job.job_id} expired before it was begun", reason="EXPIRED")


class ResultUnavailable(JobNotSucceeded):
    """The job succeeded, but its result is not kept, or is of a type this process has not."""

    def __init__(self, job: Job, why: str) -> None:
        super().__init__(job, f"job {job.job_id}: {why}", reason="RESULT_UNAVAILABLE")
