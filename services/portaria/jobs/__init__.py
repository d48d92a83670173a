"""What a handler imports.

from portaria.jobs import JobContext, PermanentError, job

@job
def send_email(mail: SendEmail, ctx: JobContext) -> SendEmailResult: ...
"""

from portaria.jobs.children import Child
from portaria.jobs.context import Hold, JobContext
from portaria.jobs.effects import Effect, Once, OnUnknown
from portaria.jobs.errors import (
    HoldLost,
    JobCancelled,
    JobError,
    OutcomeUnknown,
    PermanentError,
    RetryLater,
    SoftTimeout,
)
from portaria.jobs.handler import Handler, handler_of, job
from portaria.jobs.inputs import Parent, StepFailed
from portaria.jobs.schedule import Schedule

FAIL = OnUnknown.FAIL
REPEAT = OnUnknown.REPEAT
SKIP = OnUnknown.SKIP

__all__ = [
    "FAIL",
    "REPEAT",
    "SKIP",
    "Child",
    "Effect",
    "Handler",
    "Hold",
    "HoldLost",
    "JobCancelled",
    "JobContext",
    "JobError",
    "OnUnknown",
    "Once",
    "OutcomeUnknown",
    "Parent",
    "PermanentError",
    "RetryLater",
    "Schedule",
    "SoftTimeout",
    "StepFailed",
    "handler_of",
    "job",
]
