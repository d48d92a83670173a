"""The kernel's rules over dicts: what its scripts do to a job, by a clock that a test shifts.

tests/conformance/test_eager.py plays the same scenarios here and on Redis with a real worker.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from portaria.core.clock import milliseconds
from portaria.core.errors import AlreadyExists, NotFound, RequestIdReused
from portaria.core.ids import new_job_id
from portaria.core.job_type import TYPE_URL_PREFIX, JobType, priority_name
from portaria.core.states import PRIORITIES, State, queue_name
from portaria.internal.v1.envelope_pb2 import Outcome
from portaria.jobs.eager import EagerJob
from portaria.runtime import outcome
from portaria.store import Finished, Verdict
from portaria.store.calls import CRASH_BUDGET
from portaria.testing.admission import Admitted
from portaria.testing.clock import ShiftedClock
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import CONFLICT_POLICY_USE_EXISTING, Failure, Job, Progress, SubmitOptions
from portaria.v1.jobs_service_pb2 import JobEvent

NAMESPACE = "default"
_CALLER = "anonymous"
_WORKER = "eager"
_REQUEST_KEPT_MS = 3_600_000
_HOOK_AT_END = {
    State.SUCCEEDED: "on_success",
    State.FAILED: "on_failure",
    State.EXPIRED: "on_failure",
}
_WAITING = (State.SCHEDULED, State.PENDING, State.RETRYING)
_REASONS = {
    State.SCHEDULED: job_pb2.PENDING_REASON_NOT_DUE,
    State.RETRYING: job_pb2.PENDING_REASON_NOT_DUE,
    State.PENDING: job_pb2.PENDING_REASON_QUEUED,
}


@dataclass(kw_only=True, eq=False)
class Record:
    """A job; moments are milliseconds since 1970, 0 for none."""

    job: Job
    """As the FULL view shows it."""
    job_type: JobType
    payload: bytes
    options: SubmitOptions
    run: EagerJob
    due_ms: int
    before_ms: int
    deadline_ms: int
    hooks: Mapping[str, Admitted] = field(default_factory=dict)
    crashes: int = 0
    state: State = State.PENDING
    history: list[State] = field(default_factory=list)

    @property
    def limit_ms(self) -> int:
        """From when it may not begin any more."""
        before = self.before_ms if not self.job.attempt else 0
        return min((each for each in (before, self.deadline_ms) if each), default=0)


class Kernel:
    """All jobs, and what may follow what."""

    def __init__(self, clock: ShiftedClock) -> None:
        self.clock = clock
        self.jobs: dict[str, Record] = {}
        self.events: list[JobEvent] = []
        self._requests: dict[str, tuple[str, str]] = {}
        self._holders: dict[tuple[str, str], Record] = {}
        self._queues: dict[str, deque[Record]] = {name: deque() for name in PRIORITIES}

    def get(self, job_id: str) -> Record:
        """A job. Raises NotFound."""
        record = self.find(job_id)
        if record is None:
            raise NotFound
        return record

    def find(self, job_id: str) -> Record | None:
        """A job, if it is there."""
        return self.jobs.get(job_id.lower())

    def submit(self, admitted: Admitted) -> tuple[Record, bool]:
        """The job, and whether there was one already. Raises RequestIdReused, AlreadyExists."""
        known = self._known(admitted)
        if known is not None:
            return known, True
        options, unique = admitted.options, (admitted.job_type.name, admitted.options.unique_key)
        holder = self._holders.get(unique)
        if holder is not None and options.on_conflict == CONFLICT_POLICY_USE_EXISTING:
            self._requests[admitted.request_id] = (admitted.content_hash, holder.job.job_id)
            return holder, True
        if holder is not None:
            text = "another open job holds the unique_key"
            raise AlreadyExists(text, metadata={"job_id": holder.job.job_id})
        record = self._new(admitted)
        self.jobs[record.job.job_id] = record
        self._requests[admitted.request_id] = (admitted.content_hash, record.job.job_id)
        if options.unique_key:
            self._holders[unique] = record
        self._wait(record, record.due_ms, State.SCHEDULED)
        return record, False

    def next_moment(self) -> int | None:
        """When something becomes due or too late by itself."""
        return min((moment for record in self._open() for moment in _moments(record)), default=None)

    def settle(self) -> None:
        """Queues what is due and ends what is too late, the earliest first."""
        now = self.clock.ms
        due = [each for each in self._open() if any(at <= now for at in _moments(each))]
        for record in sorted(due, key=lambda each: min(_moments(each))):
            if 0 < record.limit_ms <= now:
                self._finish(record, State.EXPIRED)
            else:
                self._wait(record, now, State.PENDING)

    def claim(self, serves: Callable[[Record], bool]) -> Record | None:
        """The next job of the highest priority, begun; None where there is none that is served."""
        for queue in self._queues.values():
            for record in list(queue):
                if record.state is not State.PENDING:
                    queue.remove(record)
                elif serves(record):
                    queue.remove(record)
                    self._begin(record)
                    return record
        return None

    def pending(self) -> Iterator[Record]:
        """The jobs in the queues, in the order in which they would run."""
        for queue in self._queues.values():
            yield from (each for each in queue if each.state is State.PENDING)

    def finish(self, record: Record, finished: Finished, result: Outcome | None) -> None:
        """A run ended, as portaria.runtime.outcome puts it."""
        job, verdict = record.job, finished.verdict
        if record.job_type.at_most_once and verdict is not Verdict.SUCCEEDED:
            verdict = Verdict.FAILED
        job.ClearField("progress")
        if finished.progress:
            job.progress.MergeFromString(finished.progress)
        job.warnings[:] = json.loads(finished.warnings or b"[]")
        if verdict is Verdict.SUCCEEDED:
            if result is not None and result.HasField("result"):
                job.result.CopyFrom(result.result)
            self._finish(record, State.SUCCEEDED)
            return
        job.last_failure.CopyFrom(Failure.FromString(finished.failure))
        job.failures += verdict is not Verdict.LATER
        due = self.clock.ms + finished.wait_ms
        if record.state is State.CANCELLING:
            self._finish(record, State.CANCELLED)
        elif verdict is Verdict.FAILED or 0 < record.deadline_ms <= due:
            self._finish(record, State.FAILED)
        else:
            self._wait(record, due, State.RETRYING)
            if verdict is Verdict.RETRY:
                self._fire(record, "on_retry")

    def crash(self, record: Record) -> None:
        """Its process died: back to the front of its queue, until the budget is used up."""
        record.crashes += 1
        failure = b""
        if record.job_type.at_most_once:
            failure = outcome.doubt_failure()
        elif record.state is State.CANCELLING:
            self._finish(record, State.CANCELLED)
            return
        elif record.crashes >= CRASH_BUDGET:
            failure = outcome.crash_failure()
        if failure:
            record.job.last_failure.CopyFrom(Failure.FromString(failure))
            self._finish(record, State.FAILED)
            return
        self._tell(record, State.PENDING)
        self._queues[priority_name(record.job.priority)].appendleft(record)

    def cancel(self, record: Record, reason: str) -> None:
        """A waiting job ends at once, a running one is asked to; a finished one stays as it is."""
        if record.state.is_terminal or record.state is State.CANCELLING:
            return
        record.job.cancel_reason = reason
        _set(record.job, "cancel_request_time", self.clock.ms)
        if record.state in _WAITING:
            self._finish(record, State.CANCELLED)
            return
        self._tell(record, State.CANCELLING)
        if record.run.hold is not None:
            record.run.hold.cancelled = True

    def show(self, record: Record, progress: Progress) -> None:
        """Keeps and tells a report of a running job."""
        record.job.progress.CopyFrom(progress)
        self._add(record, JobEvent(progress=progress))

    def _known(self, admitted: Admitted) -> Record | None:
        content_hash, job_id = self._requests.get(admitted.request_id, ("", ""))
        if not job_id:
            return None
        record = self.jobs[job_id]
        ended = record.job.end_time.ToMilliseconds()
        if record.job.done and self.clock.ms >= ended + _REQUEST_KEPT_MS:
            return None
        if content_hash != admitted.content_hash:
            text = "the request_id stands for other content"
            raise RequestIdReused(text, metadata={"job_id": job_id})
        return record

    def _new(self, admitted: Admitted) -> Record:
        job_type, options, now = admitted.job_type, admitted.options, self.clock.ms
        due = milliseconds(options.run_time) if options.HasField("run_time") else 0
        job = Job(
            job_id=new_job_id(),
            type=job_type.name,
            domain=job_type.domain,
            queue=queue_name(job_type.domain, priority_name(options.priority)),
            priority=options.priority,
            max_attempts=options.retry.max_attempts,
            labels=options.labels,
            created_by=_CALLER,
            namespace=NAMESPACE,
            unique_key=options.unique_key,
        )
        payload = admitted.payload.SerializeToString(deterministic=True)
        job.spec.payload.type_url = TYPE_URL_PREFIX + job_type.name
        job.spec.payload.value = payload
        job.spec.options.CopyFrom(options)
        for name in ("start_before_time", "deadline"):
            if options.HasField(name):
                getattr(job, name).CopyFrom(getattr(options, name))
        _set(job, "create_time", now)
        return Record(
            job=job,
            job_type=job_type,
            payload=payload,
            options=options,
            run=EagerJob(job.job_id, headers=dict(options.headers)),
            due_ms=due or now + milliseconds(options.delay),
            before_ms=milliseconds(job.start_before_time),
            deadline_ms=milliseconds(job.deadline),
            hooks=admitted.hooks,
        )

    def _wait(self, record: Record, due: int, waits: State) -> None:
        """In `waits` until it is due; in its queue where that is now and it waits anew."""
        record.due_ms = due
        if waits is State.RETRYING or due > self.clock.ms:
            self._tell(record, waits)
            return
        self._tell(record, State.PENDING)
        self._queues[priority_name(record.job.priority)].append(record)

    def _begin(self, record: Record) -> None:
        record.job.attempt += 1
        record.job.worker = _WORKER
        _set(record.job, "start_time", self.clock.ms)
        self._tell(record, State.RUNNING)

    def _finish(self, record: Record, state: State) -> None:
        self._holders = {key: each for key, each in self._holders.items() if each is not record}
        ttl = max(record.options.result_ttl.ToMilliseconds(), _REQUEST_KEPT_MS)
        _set(record.job, "end_time", self.clock.ms)
        _set(record.job, "purge_time", self.clock.ms + ttl)
        record.job.done = True
        self._tell(record, state)
        self._fire(record, _HOOK_AT_END.get(state, ""))

    def _fire(self, record: Record, name: str) -> None:
        """Submits a hook of a job, where it has it. No caller's request_id has blanks."""
        hook, job = record.hooks.get(name), record.job
        if hook is not None:
            request_id = f"hook {name} {job.job_id} {job.attempt}"
            submitted, _ = self.submit(replace(hook, request_id=request_id))
            submitted.job.parent_job_id = job.job_id

    def _tell(self, record: Record, state: State) -> None:
        job = record.job
        change = JobEvent.StateChange(previous=job.state, worker=job.worker, queue=job.queue)
        record.state = state
        record.history.append(state)
        job.state = job_pb2.JobState.Value(f"JOB_STATE_{state}")
        job.pending_reason = _REASONS.get(state, job_pb2.PENDING_REASON_UNSPECIFIED)
        for name, while_in in (
            ("run_time", State.SCHEDULED),
            ("next_attempt_time", State.RETRYING),
        ):
            job.ClearField(name)  # type: ignore[arg-type] # both are fields
            if state is while_in:
                _set(job, name, record.due_ms)
        if state is State.RETRYING:
            change.next_attempt_time.CopyFrom(job.next_attempt_time)
        if state in (State.FAILED, State.RETRYING):
            change.failure.CopyFrom(job.last_failure)
            change.failure.ClearField("traceback")
        if state is State.SUCCEEDED and job.HasField("result"):
            change.result.CopyFrom(job.result)
        _set(job, "update_time", self.clock.ms)
        self._add(record, JobEvent(state_change=change))

    def _add(self, record: Record, event: JobEvent) -> None:
        job = record.job
        event.job_id, event.attempt, event.state, event.done = (
            job.job_id,
            job.attempt,
            job.state,
            job.done,
        )
        event.event_time.FromMilliseconds(self.clock.ms)
        self.events.append(event)
        job.cursor = str(len(self.events))

    def _open(self) -> Iterator[Record]:
        return (each for each in self.jobs.values() if each.state in _WAITING)


def _moments(record: Record) -> Iterator[int]:
    """When something happens to a waiting job by itself."""
    if record.state is not State.PENDING:
        yield record.due_ms
    if record.limit_ms:
        yield record.limit_ms


def _set(job: Job, name: str, ms: int) -> None:
    getattr(job, name).FromMilliseconds(ms)
