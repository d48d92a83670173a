"""How a client reads jobs and job types, beside single ones."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import Unpack

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from portaria.client.async_calls import AsyncCalls
from portaria.client.calls import Calls
from portaria.client.selecting import Selection, selectors
from portaria.core.errors import InvalidRequest, Violation
from portaria.v1.job_pb2 import JOB_VIEW_BASIC, JOB_VIEW_FULL, Job
from portaria.v1.jobs_service_pb2 import (
    BatchGetJobsRequest,
    JobTypeInfo,
    ListJobsRequest,
    ListJobsResponse,
    ListJobTypesRequest,
)

MOST_IDS = 200
"""How many jobs one call of `get_many` asks for."""
_LIST_PAGE = 200


class Reading:
    """The reading part of Client."""

    _calls: Calls

    def get_many(self, job_ids: Iterable[str], *, full: bool = False) -> dict[str, Job]:
        """The present state of jobs by their ids, in that order; those that are not there (any
        more) are left out."""
        found: dict[str, Job] = {}
        for request in get_requests(job_ids, full=full):
            try:
                answer = self._calls.unary(lambda stub: stub.BatchGetJobs, request)
            except InvalidRequest as error:
                for half in halves(request, error):
                    found |= self.get_many(half, full=full)
            else:
                found.update((job.job_id, job) for job in answer.jobs)
        return found

    def list(
        self, *, oldest_first: bool = False, full: bool = False, **selection: Unpack[Selection]
    ) -> Generator[Job, None, None]:
        """Every job that is selected, the newest first; asks for the next page when it is needed.

        client.list(types=[SendEmail], states=["FAILED"], labels={"team": "billing"}). A job that
        was there at the start comes once, unless it is purged before its turn. Raises
        InvalidRequest.
        """
        request = list_request(_LIST_PAGE, "", oldest_first, full, selection)
        for answer in self._calls.pages(lambda stub: stub.ListJobs, [request]):
            yield from answer.jobs

    def page(
        self,
        size: int = 50,
        *,
        token: str = "",
        oldest_first: bool = False,
        full: bool = False,
        **selection: Unpack[Selection],
    ) -> ListJobsResponse:
        """One page of `list`: up to `size` jobs, at most 1,000, and the token of the next page.

        It may have fewer and still a token. Its cursor is from before the first page: a watch with
        it tells all that changed since.
        """
        request = list_request(size, token, oldest_first, full, selection)
        return self._calls.unary(lambda stub: stub.ListJobs, request)

    def job_types(self, domain: str = "") -> Sequence[JobTypeInfo]:
        """What the door accepts, by name; of one domain, where it is given."""
        request = ListJobTypesRequest(domain=domain)
        return tuple(self._calls.unary(lambda stub: stub.ListJobTypes, request).job_types)

    def descriptors(self, domain: str = "") -> FileDescriptorSet:
        """The .proto files of job types and results, each after its imports."""
        request = ListJobTypesRequest(domain=domain, include_descriptors=True)
        answer = self._calls.unary(lambda stub: stub.ListJobTypes, request)
        return FileDescriptorSet.FromString(answer.file_descriptor_set)


class AsyncReading:
    """The reading part of AsyncClient: as Reading."""

    _calls: AsyncCalls

    async def get_many(self, job_ids: Iterable[str], *, full: bool = False) -> dict[str, Job]:
        """As Client.get_many."""
        found: dict[str, Job] = {}
        for request in get_requests(job_ids, full=full):
            try:
                answer = await self._calls.unary(lambda stub: stub.BatchGetJobs, request)
            except InvalidRequest as error:
                for half in halves(request, error):
                    found |= await self.get_many(half, full=full)
            else:
                found.update((job.job_id, job) for job in answer.jobs)
        return found

    async def list(
        self, *, oldest_first: bool = False, full: bool = False, **selection: Unpack[Selection]
    ) -> AsyncGenerator[Job, None]:
        """As Client.list, for `async for`."""
        request = list_request(_LIST_PAGE, "", oldest_first, full, selection)
        async for answer in self._calls.pages(lambda stub: stub.ListJobs, [request]):
            for job in answer.jobs:
                yield job

    async def page(
        self,
        size: int = 50,
        *,
        token: str = "",
        oldest_first: bool = False,
        full: bool = False,
        **selection: Unpack[Selection],
    ) -> ListJobsResponse:
        """As Client.page."""
        request = list_request(size, token, oldest_first, full, selection)
        return await self._calls.unary(lambda stub: stub.ListJobs, request)

    async def job_types(self, domain: str = "") -> Sequence[JobTypeInfo]:
        """As Client.job_types."""
        request = ListJobTypesRequest(domain=domain)
        return tuple((await self._calls.unary(lambda stub: stub.ListJobTypes, request)).job_types)

    async def descriptors(self, domain: str = "") -> FileDescriptorSet:
        """As Client.descriptors."""
        request = ListJobTypesRequest(domain=domain, include_descriptors=True)
        answer = await self._calls.unary(lambda stub: stub.ListJobTypes, request)
        return FileDescriptorSet.FromString(answer.file_descriptor_set)


def get_requests(job_ids: Iterable[str], *, full: bool) -> Iterator[BatchGetJobsRequest]:
    """Calls of up to MOST_IDS ids each."""
    ids = iter(job_ids)
    while some := tuple(islice(ids, MOST_IDS)):
        yield BatchGetJobsRequest(job_ids=some, view=JOB_VIEW_FULL if full else JOB_VIEW_BASIC)


def halves(request: BatchGetJobsRequest, error: InvalidRequest) -> tuple[Sequence[str], ...]:
    """The ids in two parts, where they were only too large together. Raises the error otherwise."""
    ids = request.job_ids
    too_large = [(each.field, each.reason) for each in error.violations] == [
        ("job_ids", "TOO_LARGE")
    ]
    if not too_large or len(ids) < 2:
        raise error
    return ids[: len(ids) // 2], ids[len(ids) // 2 :]


def list_request(
    size: int, token: str, oldest_first: bool, full: bool, selection: Selection
) -> ListJobsRequest:
    """One page. Raises InvalidRequest for what the wire could not carry."""
    if not 0 <= size < 2**31:
        raise InvalidRequest([Violation("page_size", "OUT_OF_RANGE", "must be at least 0")])
    (selector,) = selectors((), selection)
    return ListJobsRequest(
        selector=selector,
        page_size=size,
        page_token=token,
        oldest_first=oldest_first,
        view=JOB_VIEW_FULL if full else JOB_VIEW_BASIC,
    )
