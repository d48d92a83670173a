"""What operators do to jobs: move, cancel, hand in again, forget."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from portaria.core.errors import AlreadyBegun, InvalidRequest, NotFound, Violation
from portaria.core.job_type import priority_name
from portaria.core.states import TERMINAL, State, queue_name, split_queue
from portaria.frontdoor.jobs_reading import JobsReading
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.retrying import Copying, Copyist
from portaria.frontdoor.rules import Rules
from portaria.frontdoor.selection import (
    MOST,
    SLICE,
    Found,
    Walk,
    selection_faults,
)
from portaria.store import calls
from portaria.store.calls import Cancelled, Deleted
from portaria.v1.job_pb2 import JOB_VIEW_BASIC, Job
from portaria.v1.jobs_service_pb2 import (
    CancelJobsRequest,
    CancelJobsResponse,
    DeleteJobsRequest,
    DeleteJobsResponse,
    RetryJobsRequest,
    RetryJobsResponse,
    RetryResult,
    UpdateJobRequest,
)


class JobsActing:
    """Each call acts on at most 1,000 jobs, in slices of 200, and says where the next goes on.

    `remaining` is the caller's time in seconds. Raises InvalidRequest with every violation.
    """

    def __init__(
        self,
        *,
        rules: Rules,
        store: PromptStore,
        reading: JobsReading,
        copyist: Copyist,
        namespace: str,
    ) -> None:
        self._rules = rules
        self._store = store
        self._reading = reading
        self._copyist = copyist
        self._namespace = namespace

    async def update(self, request: UpdateJobRequest) -> Job:
        """The job as it is then. Raises NotFound, AlreadyBegun."""
        self._check(request, _update_faults(request))
        job_id = request.job_id.lower()
        record = await self._store.get(job_id)
        if record is None or record.tag.namespace != self._namespace:
            raise NotFound("no such job, or it was purged")
        domain, queue = split_queue(record.tag.queue)[0], ""
        if request.priority:
            queue = queue_name(domain, priority_name(request.priority))
        run_at = _moment(request.run_time) if request.HasField("run_time") else -1
        call = calls.update(self._namespace, job_id, queue=queue, run_at_ms=run_at)
        updated = await self._store.run(call)
        match updated.word:
            case "missing":
                raise NotFound("no such job, or it was purged")
            case "not waiting":
                raise AlreadyBegun(_words(updated.state), metadata={"state": updated.state})
            case "late":
                text = "must be before the job's start_before_time and deadline"
                raise InvalidRequest([Violation("run_time", "OUT_OF_RANGE", text)])
        return await self._reading.get(job_id, JOB_VIEW_BASIC)

    async def cancel(
        self, request: CancelJobsRequest, remaining: float | None
    ) -> CancelJobsResponse:
        """Counts those that this call changed. With force, what is cancelling already is killed."""
        walk, count = await self._walk(request, remaining), 0
        while True:
            found = await walk.more(min(SLICE, MOST - count))
            states = {each.job_id: each.state for _, each in found if each}
            asked = State.CANCELLING
            ids = [
                job_id
                for job_id, state in states.items()
                if state not in TERMINAL and (state is not asked or request.force)
            ]
            if ids:
                call = calls.cancel(
                    self._namespace, ids, reason=request.reason, force=request.force
                )
                words = await self._store.run(call)
                changed = (Cancelled.NOW, Cancelled.ASKED)
                count += sum(
                    word in changed and states[job_id] is not asked
                    for job_id, word in zip(ids, words, strict=True)
                )
            if count >= MOST or not walk.goes_on:
                break
        token = walk.token
        return CancelJobsResponse(count=count, remaining=bool(token), next_page_token=token)

    async def delete(
        self, request: DeleteJobsRequest, remaining: float | None
    ) -> DeleteJobsResponse:
        """Counts those that this call forgot."""
        walk, count = await self._walk(request, remaining), 0
        while True:
            found = await walk.more(min(SLICE, MOST - count))
            ids = [each.job_id for _, each in found if each and each.state in TERMINAL]
            if ids:
                words = await self._store.run(calls.delete(self._namespace, ids))
                count += words.count(Deleted.NOW)
            if count >= MOST or not walk.goes_on:
                break
        token = walk.token
        return DeleteJobsResponse(count=count, remaining=bool(token), next_page_token=token)

    async def retry(self, request: RetryJobsRequest, remaining: float | None) -> RetryJobsResponse:
        """One result for each job: those that a selector passes over have none."""
        walk = await self._walk(request, remaining)
        copying = Copying(
            request_id=request.request_id,
            priority=request.priority,
            now_ms=walk.begun_ms,
            is_explicit=bool(request.selector.job_ids),
            with_succeeded=bool(request.selector.job_ids or request.selector.states),
        )
        results: list[RetryResult] = []
        while True:
            found: list[Found] = await walk.more(min(SLICE, MOST - len(results)))
            results += await self._copyist.copy(found, copying)
            if len(results) >= MOST or not walk.goes_on:
                break
        token = walk.token
        return RetryJobsResponse(results=results, remaining=bool(token), next_page_token=token)

    async def _walk(
        self,
        request: CancelJobsRequest | RetryJobsRequest | DeleteJobsRequest,
        remaining: float | None,
    ) -> Walk:
        selector, token = request.selector, request.page_token
        # Where there is none at all, the request's own rules say so.
        self._check(
            request, selection_faults(selector, token) if request.HasField("selector") else ()
        )
        walk = Walk(self._store, selector, token, namespace=self._namespace, remaining=remaining)
        await walk.begin()
        return walk

    def _check(self, request: Message, more: Iterable[Violation]) -> None:
        if wrong := [*self._rules.check(request), *more]:
            raise InvalidRequest(wrong)


def _update_faults(request: UpdateJobRequest) -> Iterable[Violation]:
    if not request.priority and not request.HasField("run_time"):
        yield Violation("priority", "REQUIRED", "give a priority, a run_time, or both")


def _words(state: str) -> str:
    if state == State.BLOCKED:
        return "the job waits for others, and has no place in a queue yet"
    held = state in (State.PENDING, State.SCHEDULED, State.RETRYING)
    return "a worker holds the job" if held else f"the job is {state}"


def _moment(timestamp: Timestamp) -> int:
    """Any moment before 1970 is as good as the first."""
    return max(0, timestamp.seconds * 1000 + timestamp.nanos // 1_000_000)
