"""What operators do to jobs: move, cancel, hand in again, forget."""

from __future__ import annotations

from collections.abc import Iterable

from portaria.admission.rules import Rules
from portaria.core.clock import milliseconds
from portaria.core.errors import AlreadyBegun, InvalidRequest, NotFound, Violation
from portaria.core.job_type import priority_name
from portaria.core.states import TERMINAL, State, queue_name, split_queue
from portaria.frontdoor.jobs_reading import JobsReading
from portaria.frontdoor.ownership import ours
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.retrying import Copying, Copyist
from portaria.frontdoor.selection import Found, Walk, selection_faults
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
        self._rules.require(request, _update_faults(request))
        job_id, queue = request.job_id.lower(), ""
        if request.priority:
            record = ours(await self._store.get(job_id), self._namespace)
            domain, _ = split_queue(record.tag.queue)
            queue = queue_name(domain, priority_name(request.priority))
        # Any moment before 1970 is as good as the first.
        run_at = max(0, milliseconds(request.run_time)) if request.HasField("run_time") else -1
        call = calls.update(self._namespace, job_id, queue=queue, run_at_ms=run_at)
        updated = await self._store.run(call)
        match updated.word:
            case "missing":
                raise NotFound
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
        walk, asked = await self._walk(request, remaining), State.CANCELLING

        async def act(found: list[Found]) -> int:
            states = {each.job_id: each.state for _, each in found if each}
            ids = [
                job_id
                for job_id, state in states.items()
                if state not in TERMINAL and (state is not asked or request.force)
            ]
            if not ids:
                return 0
            call = calls.cancel(self._namespace, ids, reason=request.reason, force=request.force)
            words = await self._store.run(call)
            return sum(
                word in (Cancelled.NOW, Cancelled.ASKED) and states[job_id] is not asked
                for job_id, word in zip(ids, words, strict=True)
            )

        count, token = await walk.each(act), walk.token
        return CancelJobsResponse(count=count, remaining=bool(token), next_page_token=token)

    async def delete(
        self, request: DeleteJobsRequest, remaining: float | None
    ) -> DeleteJobsResponse:
        """Counts those that this call forgot."""
        walk = await self._walk(request, remaining)

        async def act(found: list[Found]) -> int:
            ids = [each.job_id for _, each in found if each and each.state in TERMINAL]
            if not ids:
                return 0
            return (await self._store.run(calls.delete(self._namespace, ids))).count(Deleted.NOW)

        count, token = await walk.each(act), walk.token
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

        async def act(found: list[Found]) -> int:
            made = await self._copyist.copy(found, copying)
            results.extend(made)
            return len(made)

        await walk.each(act)
        token = walk.token
        return RetryJobsResponse(results=results, remaining=bool(token), next_page_token=token)

    async def _walk(
        self,
        request: CancelJobsRequest | RetryJobsRequest | DeleteJobsRequest,
        remaining: float | None,
    ) -> Walk:
        selector, token = request.selector, request.page_token
        # Where there is none at all, the request's own rules say so.
        self._rules.require(
            request, selection_faults(selector, token) if request.HasField("selector") else ()
        )
        walk = Walk(self._store, selector, token, namespace=self._namespace, remaining=remaining)
        await walk.begin()
        return walk


def _update_faults(request: UpdateJobRequest) -> Iterable[Violation]:
    if not request.priority and not request.HasField("run_time"):
        yield Violation("priority", "REQUIRED", "give a priority, a run_time, or both")


def _words(state: str) -> str:
    if state == State.BLOCKED:
        return "the job waits for others, and has no place in a queue yet"
    held = state in (State.PENDING, State.SCHEDULED, State.RETRYING)
    return "a worker holds the job" if held else f"the job is {state}"
