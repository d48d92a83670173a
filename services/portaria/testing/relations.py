"""What a job of an eager platform has to do with others: whom it is for, and what it submits."""

from __future__ import annotations

from portaria.client.requests import submit_request
from portaria.core.errors import RequestIdReused
from portaria.core.states import State
from portaria.jobs import Child, Parent
from portaria.jobs.children import ChildOptions, Named
from portaria.jobs.inputs import Ending
from portaria.testing.admission import admit
from portaria.testing.kernel import Kernel, Record


def relate(kernel: Kernel, record: Record) -> None:
    """Before a run of the job: `ctx.parent` and `ctx.submit` are the platform's."""
    parent_job_id = record.job.parent_job_id
    if parent_job_id:
        record.run.parent = Parent(lambda: _ending(kernel, parent_job_id), job_id=parent_job_id)
    record.run.hand_in = lambda named, options: _hand_in(kernel, record, named, options)


def _ending(kernel: Kernel, job_id: str) -> Ending:
    record = kernel.get(job_id)
    job, has_succeeded = record.job, record.state is State.SUCCEEDED
    return Ending(
        job_id=job_id,
        state=record.state,
        result=job.result if has_succeeded and job.HasField("result") else None,
        failure=None if has_succeeded or not job.HasField("last_failure") else job.last_failure,
    )


def _hand_in(kernel: Kernel, parent: Record, named: Named, options: ChildOptions) -> Child:
    request = submit_request(named.payload, request_id=named.request_id, **options)
    try:
        record, deduplicated = kernel.submit(admit(request))
    except RequestIdReused as error:
        if not named.is_derived:
            raise
        return Child(error.metadata["job_id"], deduplicated=True)
    if not deduplicated:
        record.job.parent_job_id = parent.job.job_id
    return Child(record.job.job_id, deduplicated)
