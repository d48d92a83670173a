"""Many jobs at once, and lists, as the door answers them; tokens are the ids of jobs here."""

from __future__ import annotations

from collections.abc import Callable

from portaria.core.errors import InvalidRequest, Violation
from portaria.testing.kernel import Kernel
from portaria.v1.job_pb2 import JOB_VIEW_FULL, Job
from portaria.v1.jobs_service_pb2 import (
    BatchGetJobsRequest,
    BatchGetJobsResponse,
    JobSelector,
    ListJobsRequest,
    ListJobsResponse,
)

_INDEXED_LABELS = 4
_PAGE, _LARGEST_PAGE = 50, 1_000
_Basic = Callable[[Job], Job]


def get_many(kernel: Kernel, request: BatchGetJobsRequest, basic: _Basic) -> BatchGetJobsResponse:
    """Each job once, in the order of the request."""
    answer = BatchGetJobsResponse()
    for job_id in dict.fromkeys(map(str.lower, request.job_ids)):
        record = kernel.find(job_id)
        if record is None:
            answer.missing_job_ids.append(job_id)
        else:
            full = request.view == JOB_VIEW_FULL
            answer.jobs.append(record.job if full else basic(record.job))
    return answer


def list_jobs(kernel: Kernel, request: ListJobsRequest, basic: _Basic) -> ListJobsResponse:
    """One page, in the order in which jobs were handed in, or the other way round."""
    ids = list(kernel.jobs)
    if not request.oldest_first:
        ids.reverse()
    if request.page_token and request.page_token not in kernel.jobs:
        text = "is not one that an earlier answer gave"
        raise InvalidRequest([Violation("page_token", "FORMAT", text)])
    start = ids.index(request.page_token) + 1 if request.page_token else 0
    jobs = [kernel.jobs[job_id].job for job_id in ids[start:]]
    found = [each for each in jobs if selects(request.selector, each)]
    most = min(request.page_size or _PAGE, _LARGEST_PAGE)
    shown = found[:most]
    return ListJobsResponse(
        jobs=shown if request.view == JOB_VIEW_FULL else map(basic, shown),
        next_page_token=shown[-1].job_id if len(found) > most else "",
        cursor=str(len(kernel.events)),
    )


def selects(selector: JobSelector, job: Job) -> bool:
    """Whether a job is one of those."""
    indexed = dict(sorted(job.labels.items())[:_INDEXED_LABELS])
    created = job.create_time.ToNanoseconds()
    return (
        all(
            not wanted or value in wanted
            for wanted, value in (
                ([each.lower() for each in selector.job_ids], job.job_id),
                (selector.types, job.type),
                (selector.domains, job.domain),
                (selector.queues, job.queue),
                (selector.states, job.state),
            )
        )
        and selector.workflow_id in ("", job.workflow_id)
        and selector.schedule_id in ("", job.schedule_id)
        and all(indexed.get(key) == value for key, value in selector.labels.items())
        and not (
            selector.HasField("created_after") and created <= selector.created_after.ToNanoseconds()
        )
        and not (
            selector.HasField("created_before")
            and created >= selector.created_before.ToNanoseconds()
        )
    )
