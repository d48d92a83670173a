"""The reading RPCs of jobs: one, many, and pages of a search."""

from __future__ import annotations

from collections.abc import Iterator

from portaria.admission.rules import Rules
from portaria.core.errors import InvalidRequest, Violation
from portaria.frontdoor.convert import Converter
from portaria.frontdoor.cursor import Cursor
from portaria.frontdoor.finding import LARGEST_ANSWER, READ, Finding, Wanted
from portaria.frontdoor.ownership import is_ours, ours
from portaria.frontdoor.pages import Place, listed_of, page_size, place_from
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.search import search_faults, search_from_proto
from portaria.frontdoor.standing import Standing
from portaria.store.readiness import jobs_ahead
from portaria.v1.job_pb2 import JOB_STATE_PENDING, Job, JobView
from portaria.v1.jobs_service_pb2 import (
    BatchGetJobsRequest,
    BatchGetJobsResponse,
    ListJobsRequest,
    ListJobsResponse,
)


class JobsReading:
    """Jobs as callers see them; those of other namespaces do not exist."""

    def __init__(
        self,
        *,
        rules: Rules,
        store: PromptStore,
        converter: Converter,
        standing: Standing,
        namespace: str,
    ) -> None:
        self._rules = rules
        self._store = store
        self._converter = converter
        self._standing = standing
        self._namespace = namespace
        self._finding = Finding(store, converter)

    async def get(self, job_id: str, view: JobView.ValueType) -> Job:
        """One job, and why it waits where it does. Raises NotFound."""
        look = await self._store.look([job_id.lower()])
        record = ours(look.records[0], self._namespace)
        job = self._converter.job_to_proto(record, look.generation, view)
        await self._standing.explain(job)
        if job.state == JOB_STATE_PENDING:
            job.jobs_ahead = await self._store.read(
                lambda store: jobs_ahead(store.redis, job.queue, record.job_id)
            )
        return job

    async def get_many(self, request: BatchGetJobsRequest) -> BatchGetJobsResponse:
        """Each job once, in the order of the request. Raises InvalidRequest."""
        self._rules.require(request)
        job_ids = list(dict.fromkeys(job_id.lower() for job_id in request.job_ids))
        answer, size = BatchGetJobsResponse(), 0
        for start in range(0, len(job_ids), READ):
            chunk = job_ids[start : start + READ]
            look = await self._store.look(chunk)
            for job_id, record in zip(chunk, look.records, strict=True):
                if not is_ours(record, self._namespace):
                    answer.missing_job_ids.append(job_id)
                    continue
                job = self._converter.job_to_proto(record, look.generation, request.view)
                size += job.ByteSize()
                if answer.jobs and size > LARGEST_ANSWER:
                    text = "are together too large for one answer: ask for fewer of them"
                    raise InvalidRequest([Violation("job_ids", "TOO_LARGE", text)])
                answer.jobs.append(job)
        await self._standing.explain(*answer.jobs)
        return answer

    async def list(self, request: ListJobsRequest) -> ListJobsResponse:
        """One page. Raises InvalidRequest."""
        listed = listed_of(
            request.selector, oldest_first=request.oldest_first, namespace=self._namespace
        )
        place = place_from(request.page_token, listed)
        wrong = [*self._rules.check(request), *_faults(request, place)]
        if wrong or isinstance(place, Violation):
            raise InvalidRequest(wrong)
        # Before the first job is read: a watch from there on tells what any page missed.
        look = await self._store.look(())
        cursor = place.cursor or str(Cursor(look.generation, look.tail, look.now_ms))
        wanted = Wanted(
            search=search_from_proto(request.selector, self._namespace),
            newest_first=not request.oldest_first,
            after=place.after,
            most=page_size(request),
            view=request.view,
        )
        jobs, following = await self._finding.page(wanted, look.generation)
        await self._standing.explain(*jobs)
        token = Place(following, cursor).token(listed) if following else ""
        return ListJobsResponse(jobs=jobs, next_page_token=token, cursor=cursor)


def _faults(request: ListJobsRequest, place: Place | Violation) -> Iterator[Violation]:
    yield from search_faults(request.selector)
    if isinstance(place, Violation) and len(request.page_token) <= 512:
        yield place  # a longer one is refused by its own rule
