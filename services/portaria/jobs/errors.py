"""What a handler may raise to say more than "it failed", and what may be raised inside it.

Any other exception is a failure that the retry policy decides on; its reason is the class name in
UPPER_SNAKE.
"""

import re
from datetime import timedelta

_REASON = re.compile(r"[A-Z][A-Z0-9_]{0,62}\Z")


class JobError(Exception):
    """A failure with a stable reason, retried as the policy says.

    `reason` is UPPER_SNAKE, at most 63 characters; it joins RetryPolicy.non_retryable_reasons.
    """

    def __init__(self, reason: str, message: str = "") -> None:
        if not _REASON.match(reason):
            # A sentence is a message; its reason is then the class.
            reason, message = reason_of(type(self)), message or reason
        self.reason = reason
        super().__init__(message or reason)


class PermanentError(JobError):
    """A failure that no retry can mend: the job ends FAILED, whatever its policy."""


class DeadlineReached(PermanentError):
    """The submission's deadline passed while the job ran: there is no other attempt."""

    def __init__(self) -> None:
        super().__init__("DEADLINE", "the deadline of the job passed while it ran")


class InvalidInput(PermanentError):
    """What was filled into the payload from results breaks its rules, or does not fit into it."""

    def __init__(self, message: str) -> None:
        super().__init__("INVALID_INPUT", message)


class RetryLater(JobError):
    """Not a failure: the job should run again after `delay`; burns no attempt."""

    def __init__(self, delay: timedelta, message: str = "") -> None:
        self.delay = delay
        super().__init__("RETRY_LATER", message or f"asked to run again after {delay}")


class OutcomeUnknown(JobError):
    """Raised by the function of `ctx.once`: the effect may or may not have happened."""

    def __init__(self, message: str = "the effect may or may not have happened") -> None:
        super().__init__("OUTCOME_UNKNOWN", message)


class Interruption(BaseException):
    """Raised inside a running handler from outside it.

    A BaseException, so that `except Exception` in a handler does not swallow it.
    """


class SoftTimeout(Interruption):
    """The job's timeout passed. Clean up within 5 s; then the process is killed."""


class JobCancelled(Interruption):
    """Somebody cancelled the job; raised by progress() and once()."""


class HoldLost(Interruption):
    """The lease lapsed and the job was given to another worker; what this run does is discarded."""


def is_reason(value: object) -> bool:
    """Whether it may stand as a reason."""
    return isinstance(value, str) and _REASON.match(value) is not None


def reason_of(error: type[BaseException]) -> str:
    """CONNECTION_RESET_ERROR for ConnectionResetError."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", error.__name__)
    reason = re.sub(r"[^A-Z0-9_]", "_", words.upper()).strip("_")[:63]
    return reason if _REASON.match(reason) else "ERROR"
