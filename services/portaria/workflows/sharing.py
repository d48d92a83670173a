"""What all jobs of a workflow have of it: labels, and a deadline."""

from __future__ import annotations

from portaria.internal.v1.envelope_pb2 import WorkflowHead
from portaria.v1.job_pb2 import SubmitOptions
from portaria.v1.workflows_pb2 import SubmitWorkflowRequest

_LAST_MOMENT = (253_402_300_799, 999_999_999)
"""Of a Timestamp: the end of the year 9999."""


def share(options: SubmitOptions, workflow: SubmitWorkflowRequest | WorkflowHead) -> None:
    """Labels that the job does not give itself, and the nearer deadline; an impossible one is left
    as it is, and refused.
    """
    if workflow.labels:
        options.labels.update({**workflow.labels, **options.labels})
    if workflow.HasField("deadline"):
        own, limit = options.deadline, workflow.deadline
        is_later = (limit.seconds, limit.nanos) < (own.seconds, own.nanos) <= _LAST_MOMENT
        if is_later or not options.HasField("deadline"):
            own.CopyFrom(limit)
