"""What a client calls, answered by an engine instead of a door."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from datetime import timedelta
from typing import Any

from portaria.client import AsyncClient, Client
from portaria.client.async_calls import AsyncCalls
from portaria.client.calls import Calls
from portaria.client.watching import WatchOptions
from portaria.core.errors import CursorExpired, InvalidRequest, NotFound, Violation
from portaria.core.states import TERMINAL, State
from portaria.testing.admission import admit
from portaria.testing.attempt import awaited, finished
from portaria.testing.batch import submit_batch
from portaria.testing.engine import Engine, WaitEnd
from portaria.testing.kernel import Record
from portaria.testing.reading import get_many, list_jobs
from portaria.v1.job_pb2 import JOB_VIEW_FULL, Job
from portaria.v1.jobs_service_pb2 import (
    BatchGetJobsRequest,
    BatchGetJobsResponse,
    BatchSubmitJobsRequest,
    BatchSubmitJobsResponse,
    CancelJobsRequest,
    CancelJobsResponse,
    GetJobRequest,
    GetJobResponse,
    JobEvent,
    ListJobsRequest,
    ListJobsResponse,
    SubmitJobRequest,
    SubmitJobResponse,
)

_Method = Callable[[Any], Callable[..., Any]]

ADDRESS = "eager"
_BASIC_RESULT = 64 * 1024
_NOT_CANCELLED = {*TERMINAL, State.CANCELLING}


class Service:
    """The RPCs that a client makes; those that eager mode lacks say so."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def SubmitJob(self, request: SubmitJobRequest) -> SubmitJobResponse:
        """As the door's."""
        record, deduplicated = self._engine.kernel.submit(admit(request))
        return SubmitJobResponse(job=basic(record.job), deduplicated=deduplicated)

    def BatchSubmitJobs(self, request: BatchSubmitJobsRequest) -> BatchSubmitJobsResponse:
        """As the door's; see testing/batch.py."""
        return submit_batch(self._engine.kernel, request)

    def GetJob(self, request: GetJobRequest) -> GetJobResponse:
        """As the door's."""
        record = self._engine.kernel.get(request.job_id)
        full = request.view == JOB_VIEW_FULL
        return GetJobResponse(job=record.job if full else basic(record.job))

    def BatchGetJobs(self, request: BatchGetJobsRequest) -> BatchGetJobsResponse:
        """As the door's."""
        return get_many(self._engine.kernel, request, basic)

    def ListJobs(self, request: ListJobsRequest) -> ListJobsResponse:
        """As the door's."""
        return list_jobs(self._engine.kernel, request, basic)

    def CancelJobs(self, request: CancelJobsRequest) -> CancelJobsResponse:
        """As the door's, of explicit ids; nothing here can be killed."""
        kernel, count = self._engine.kernel, 0
        if not request.selector.job_ids:
            raise NotImplementedError("eager mode cancels by id only")
        for job_id in dict.fromkeys(map(str.lower, request.selector.job_ids)):
            record = kernel.find(job_id)
            if record is not None and record.state not in _NOT_CANCELLED:
                kernel.cancel(record, request.reason)
                count += 1
        return CancelJobsResponse(count=count)

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(f"eager mode does not answer {name}")


class EagerCalls(Calls):
    """In the place of a blocking channel."""

    def __init__(self, engine: Engine) -> None:
        self.address = ADDRESS
        self._engine = engine
        self._service = Service(engine)

    def unary(self, method: _Method, request: Any, **_: timedelta | None) -> Any:
        """One call."""
        return method(self._service)(request)

    def admin(self, method: Any, request: Any) -> Any:
        """There are no queues and workers here: says so."""
        return method(self._service)(request)

    def wait(self, job_id: str, timeout: timedelta | None) -> Job:
        """Lets jobs run and time pass until the job is done."""
        engine, end = self._engine, WaitEnd(timeout, self._engine.clock)
        record = engine.kernel.get(job_id)
        while not record.state.is_terminal:
            finished(engine.move(record, end, engine.here))
        return basic(record.job)

    def watch(
        self, job_ids: Sequence[str], options: WatchOptions, timeout: timedelta | None
    ) -> Generator[JobEvent, None, None]:
        """As `wait`, telling what happens."""
        engine, end = self._engine, WaitEnd(timeout, self._engine.clock)
        look = Look(engine, job_ids, options)
        yield from look.news()
        while (record := look.open()) is not None:
            finished(engine.move(record, end, engine.here))
            yield from look.news()

    def close(self) -> None:
        """Nothing to end."""


class EagerAsyncCalls(AsyncCalls):
    """In the place of an asyncio channel; async handlers run in the caller's loop."""

    def __init__(self, engine: Engine) -> None:
        self.address = ADDRESS
        self._engine = engine
        self._service = Service(engine)

    async def unary(self, method: _Method, request: Any, **_: timedelta | None) -> Any:
        """One call."""
        return method(self._service)(request)

    async def admin(self, method: Any, request: Any) -> Any:
        """There are no queues and workers here: says so."""
        return method(self._service)(request)

    async def wait(self, job_id: str, timeout: timedelta | None) -> Job:
        """As EagerCalls.wait."""
        engine, end = self._engine, WaitEnd(timeout, self._engine.clock)
        record = engine.kernel.get(job_id)
        while not record.state.is_terminal:
            await engine.move(record, end, awaited)
        return basic(record.job)

    async def watch(
        self, job_ids: Sequence[str], options: WatchOptions, timeout: timedelta | None
    ) -> AsyncGenerator[JobEvent, None]:
        """As EagerCalls.watch."""
        engine, end = self._engine, WaitEnd(timeout, self._engine.clock)
        look = Look(engine, job_ids, options)
        for event in look.news():
            yield event
        while (record := look.open()) is not None:
            await engine.move(record, end, awaited)
            for event in look.news():
                yield event

    async def close(self) -> None:
        """Nothing to end."""


class EagerClient(Client):
    """A Client for code that takes one."""

    def __init__(self, engine: Engine) -> None:
        self._calls = EagerCalls(engine)


class EagerAsyncClient(AsyncClient):
    """An AsyncClient for code that takes one."""

    def __init__(self, engine: Engine) -> None:
        self._calls = EagerAsyncCalls(engine)


class Look:
    """What a watcher of some jobs was told already."""

    def __init__(self, engine: Engine, job_ids: Sequence[str], options: WatchOptions) -> None:
        workflow_id = options.selection.get("workflow_id", "")
        if not (job_ids or any(options.selection.values())):
            raise InvalidRequest([Violation("selector.job_ids", "REQUIRED", "names no job")])
        if not (job_ids or workflow_id):
            raise NotImplementedError("eager mode watches by id or workflow, not for ever")
        self._records = [
            engine.kernel.get(job_id) for job_id in dict.fromkeys(map(str.lower, job_ids))
        ]
        if not job_ids:
            self._records = _members(engine, workflow_id)
        self._events = engine.kernel.events
        self._options = options
        self._snapshot = not options.cursor
        self._next = _position(options.cursor) if options.cursor else len(self._events)

    def open(self) -> Record | None:
        """A job that is not done."""
        return next((each for each in self._records if not each.state.is_terminal), None)

    def news(self) -> Iterator[JobEvent]:
        """What happened since the last time, or at first how the jobs stand."""
        if self._snapshot:
            self._snapshot = False
            yield from [_snapshot(each.job) for each in self._records]
        ids = {each.job.job_id for each in self._records}
        while self._next < len(self._events):
            event, self._next = self._events[self._next], self._next + 1
            if event.job_id in ids:
                shown = JobEvent()
                shown.CopyFrom(event)
                if shown.HasField("state_change") and not self._options.include_result:
                    shown.state_change.ClearField("result")
                yield shown


def _members(engine: Engine, workflow_id: str) -> list[Record]:
    members = [each for each in engine.kernel.jobs.values() if each.job.workflow_id == workflow_id]
    if not members:
        raise NotFound("no such workflow, or it was purged")
    return members


def basic(job: Job) -> Job:
    """A job without what only the FULL view shows."""
    shown = Job()
    shown.CopyFrom(job)
    shown.ClearField("spec")
    shown.ClearField("attempts")
    if shown.HasField("last_failure"):
        shown.last_failure.ClearField("traceback")
    if len(shown.result.value) > _BASIC_RESULT:
        shown.ClearField("result")
    return shown


def _snapshot(job: Job) -> JobEvent:
    return JobEvent(
        job_id=job.job_id,
        event_time=job.update_time,
        attempt=job.attempt,
        state=job.state,
        done=job.done,
        snapshot=basic(job),
    )


def _position(cursor: str) -> int:
    if not cursor.isdecimal():
        raise CursorExpired("the cursor is another store's")
    return int(cursor)
