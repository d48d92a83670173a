"""What is done to jobs that were handed in, and the part of each client that asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Unpack

from portaria.client.async_calls import AsyncCalls
from portaria.client.calls import Calls
from portaria.client.requests import PriorityName, priority_of, timestamp
from portaria.client.selecting import Selection, selectors
from portaria.client.statuses import error_of_item
from portaria.core.errors import PortariaError
from portaria.core.ids import new_request_id
from portaria.v1.job_pb2 import PRIORITY_UNSPECIFIED, Job
from portaria.v1.jobs_service_pb2 import (
    CancelJobsRequest,
    DeleteJobsRequest,
    RetryJobsRequest,
    RetryJobsResponse,
    UpdateJobRequest,
)


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of a job that was to be handed in again."""

    job_id: str
    new_job_id: str
    """Empty where there is none."""
    error: PortariaError | None
    """NotFound, NotRetryable, AlreadyExists (its unique key), RequestIdReused or InvalidRequest."""


def cancel_requests(
    job_ids: Sequence[str], selection: Selection, *, reason: str, force: bool
) -> Iterator[CancelJobsRequest]:
    """The first request for each thousand ids."""
    for selector in selectors(job_ids, selection):
        yield CancelJobsRequest(selector=selector, reason=reason, force=force)


def retry_requests(
    job_ids: Sequence[str],
    selection: Selection,
    *,
    priority: PriorityName | None,
    request_id: str | None,
) -> Iterator[RetryJobsRequest]:
    """As cancel_requests; all with one request_id, since with it goes the id of each job."""
    one_id = new_request_id() if request_id is None else request_id
    moved = PRIORITY_UNSPECIFIED if priority is None else priority_of(priority, "priority")
    for selector in selectors(job_ids, selection):
        yield RetryJobsRequest(selector=selector, request_id=one_id, priority=moved)


def delete_requests(job_ids: Sequence[str], selection: Selection) -> Iterator[DeleteJobsRequest]:
    """As cancel_requests."""
    for selector in selectors(job_ids, selection):
        yield DeleteJobsRequest(selector=selector)


def update_request(
    job_id: str, *, priority: PriorityName | None, run_time: datetime | None
) -> UpdateJobRequest:
    """Raises InvalidRequest for a time without a zone."""
    request = UpdateJobRequest(job_id=job_id)
    if priority is not None:
        request.priority = priority_of(priority, "priority")
    if run_time is not None:
        request.run_time.CopyFrom(timestamp(run_time, "run_time"))
    return request


def retried(answer: RetryJobsResponse) -> Iterator[Retried]:
    """Its results."""
    for each in answer.results:
        error = error_of_item(each.error) if each.HasField("error") else None
        yield Retried(each.job_id, each.new_job_id, error)


class Acting:
    """The part of Client that changes jobs.

    Jobs are named by ids, or selected by what they have in common; never by nothing at all.
    """

    _calls: Calls

    def update(
        self,
        job_id: str,
        *,
        priority: PriorityName | None = None,
        run_time: datetime | None = None,
    ) -> Job:
        """Moves a job that waits to another priority, another moment, or both; answers it.

        A `run_time` in the past means now. Raises NotFound, AlreadyBegun and InvalidRequest.
        """
        request = update_request(job_id, priority=priority, run_time=run_time)
        return self._calls.unary(lambda stub: stub.UpdateJob, request).job

    def cancel(
        self,
        *job_ids: str,
        reason: str = "",
        force: bool = False,
        **selection: Unpack[Selection],
    ) -> int:
        """Ends what waits, and asks what runs to end; with `force` it is killed.

        Answers how many jobs that changed: what is done, or is being cancelled, does not count.
        """
        requests = cancel_requests(job_ids, selection, reason=reason, force=force)
        pages = self._calls.pages(lambda stub: stub.CancelJobs, requests)
        return sum(each.count for each in pages)

    def retry(
        self,
        *job_ids: str,
        priority: PriorityName | None = None,
        request_id: str | None = None,
        **selection: Unpack[Selection],
    ) -> list[Retried]:
        """Hands in jobs that are done again, as new ones, each once: then its copy may be retried.

        Each id has a result. A selection passes over what is not done, what was retried already,
        and, unless `states` names it, what succeeded. Repeated under the same `request_id` it makes
        no second copy.
        """
        requests = retry_requests(job_ids, selection, priority=priority, request_id=request_id)
        pages = self._calls.pages(lambda stub: stub.RetryJobs, requests)
        return [result for each in pages for result in retried(each)]

    def delete(self, *job_ids: str, **selection: Unpack[Selection]) -> int:
        """Forgets jobs that are done, at once; others stay. Answers how many went.

        Their request_ids are kept for the rest of their hour.
        """
        requests = delete_requests(job_ids, selection)
        pages = self._calls.pages(lambda stub: stub.DeleteJobs, requests)
        return sum(each.count for each in pages)


class AsyncActing:
    """The part of AsyncClient that changes jobs: as Acting."""

    _calls: AsyncCalls

    async def update(
        self,
        job_id: str,
        *,
        priority: PriorityName | None = None,
        run_time: datetime | None = None,
    ) -> Job:
        """As Client.update."""
        request = update_request(job_id, priority=priority, run_time=run_time)
        return (await self._calls.unary(lambda stub: stub.UpdateJob, request)).job

    async def cancel(
        self,
        *job_ids: str,
        reason: str = "",
        force: bool = False,
        **selection: Unpack[Selection],
    ) -> int:
        """As Client.cancel."""
        requests = cancel_requests(job_ids, selection, reason=reason, force=force)
        pages = self._calls.pages(lambda stub: stub.CancelJobs, requests)
        return sum([each.count async for each in pages])

    async def retry(
        self,
        *job_ids: str,
        priority: PriorityName | None = None,
        request_id: str | None = None,
        **selection: Unpack[Selection],
    ) -> list[Retried]:
        """As Client.retry."""
        requests = retry_requests(job_ids, selection, priority=priority, request_id=request_id)
        pages = self._calls.pages(lambda stub: stub.RetryJobs, requests)
        return [result async for each in pages for result in retried(each)]

    async def delete(self, *job_ids: str, **selection: Unpack[Selection]) -> int:
        """As Client.delete."""
        requests = delete_requests(job_ids, selection)
        pages = self._calls.pages(lambda stub: stub.DeleteJobs, requests)
        return sum([each.count async for each in pages])
