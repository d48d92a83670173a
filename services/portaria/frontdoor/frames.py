"""Events of the store as events of the contract, in order, in frames of a bearable size."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from portaria.core.seal import SealBroken
from portaria.core.states import TERMINAL, State
from portaria.frontdoor.convert import Converter, state_to_proto
from portaria.frontdoor.cursor import entry_order
from portaria.frontdoor.reports import failure_to_proto, progress_to_proto, timestamp
from portaria.frontdoor.subscription import Report
from portaria.logs import logger
from portaria.store import JobRecord
from portaria.store.events import REMOVED, StateEvent, parse_state
from portaria.store.record import attempts
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import Job, JobState
from portaria.v1.jobs_service_pb2 import JobEvent

FRAME_BYTES = 1024 * 1024
_TIMED = (State.SCHEDULED, State.RETRYING)
_BEGUN = (State.RUNNING, State.CANCELLING)


def readable(entry_id: bytes, packed: bytes) -> StateEvent | None:
    """A state change; None for what no script of ours wrote, which goes to the log."""
    try:
        change = parse_state(entry_id, packed)
        if change.state != REMOVED:
            State(change.state)
    except ValueError:
        logger().error("an event that cannot be read is skipped", entry=entry_id.decode())
        return None
    return change


def snapshot_event(job: Job) -> JobEvent:
    """The present state of a job."""
    return JobEvent(
        job_id=job.job_id,
        event_time=job.update_time,
        attempt=job.attempt,
        state=job.state,
        done=job.done,
        snapshot=job,
        workflow_id=job.workflow_id,
    )


def removed_event(job_id: str, reason: str) -> JobEvent:
    """A job that nothing more will come of."""
    return JobEvent(job_id=job_id, done=True, removed=JobEvent.Removed(reason=reason))


def change_event(
    change: StateEvent, record: JobRecord | None, converter: Converter, *, include_result: bool
) -> JobEvent:
    """A state change, with the failure or result that the record holds."""
    time_ms = entry_order(change.entry_id)[0]
    if change.state == REMOVED:
        event = removed_event(change.job_id, "PURGED")
        event.event_time.CopyFrom(timestamp(time_ms))
        return event
    state = State(change.state)
    body = JobEvent.StateChange(
        previous=_state(change.previous), worker=change.worker, queue=change.tag.queue
    )
    if state in _TIMED and change.next_ms:
        body.next_attempt_time.CopyFrom(timestamp(change.next_ms))
    if record is not None and has_failure(change):
        failure = _failure_of(record, change)
        if failure:
            body.failure.CopyFrom(failure_to_proto(failure))
    if record is not None and state is State.SUCCEEDED and include_result:
        _set_result(body, record, converter)
    return JobEvent(
        job_id=change.job_id,
        event_time=timestamp(time_ms),
        attempt=change.attempt,
        state=state_to_proto(state),
        done=state in TERMINAL,
        state_change=body,
        workflow_id=change.tag.workflow_id,
    )


def has_failure(change: StateEvent) -> bool:
    """Whether a record may say why. Of what waited for others: since one of them failed."""
    if change.state == State.CANCELLED:
        return change.previous == State.BLOCKED
    return change.state in (State.FAILED, State.RETRYING)


def progress_event(report: Report) -> JobEvent:
    """The progress of a running job."""
    return JobEvent(
        job_id=report.event.job_id,
        event_time=timestamp(report.time_ms),
        attempt=report.event.attempt,
        state=state_to_proto(State.CANCELLING if report.event.cancelling else State.RUNNING),
        progress=progress_to_proto(report.event.report),
        workflow_id=report.event.tag.workflow_id,
    )


def outdates_progress(change: StateEvent) -> bool:
    """Whether a change is one out of a running state: what was reported before is told before."""
    return change.previous in _BEGUN


def in_order(
    changes: Sequence[StateEvent], reports: Mapping[str, Report]
) -> list[StateEvent | Report]:
    """Changes, which are in order, and progress as they happened.

    Within one millisecond, progress comes after the change that began a run and before the one
    that made it an old story.
    """
    if not reports:
        return list(changes)
    found: list[StateEvent | Report] = []
    untold = dict(reports)
    by_time = deque(sorted(reports.values(), key=lambda report: report.time_ms))
    for change in changes:
        time_ms = entry_order(change.entry_id)[0]
        while by_time and by_time[0].time_ms < time_ms:
            found += _taken(untold, by_time.popleft().event.job_id)
        report = untold.get(change.job_id)
        if report is not None and _is_before(report, change, time_ms):
            found += _taken(untold, change.job_id)
        found.append(change)
    for report in by_time:
        found += _taken(untold, report.event.job_id)
    return found


def _taken(untold: dict[str, Report], job_id: str) -> list[Report]:
    report = untold.pop(job_id, None)
    return [report] if report is not None else []


def _is_before(report: Report, change: StateEvent, time_ms: int) -> bool:
    event = report.event
    return (
        report.time_ms == time_ms
        and (event.job_id, event.attempt) == (change.job_id, change.attempt)
        and outdates_progress(change)
        and not (event.cancelling and change.state == State.CANCELLING)
    )


def split(events: Iterable[JobEvent], limit: int = FRAME_BYTES) -> list[list[JobEvent]]:
    """Pieces of at most about `limit` bytes, at least one event each; one piece for no event."""
    pieces: list[list[JobEvent]] = [[]]
    size = 0
    for event in events:
        length = event.ByteSize()
        if pieces[-1] and size + length > limit:
            pieces.append([])
            size = 0
        pieces[-1].append(event)
        size += length
    return pieces


def _failure_of(record: JobRecord, change: StateEvent) -> bytes:
    """Of the attempt that the change tells of: the record's own is that of the latest."""
    if change.state != State.RETRYING or not record.past:
        return record.failure
    past = attempts(record.past)
    return next(
        (each.failure for each in past if each.number == change.attempt and each.failure), b""
    )


def _state(name: str) -> JobState.ValueType:
    return state_to_proto(State(name)) if name else job_pb2.JOB_STATE_UNSPECIFIED


def _set_result(body: JobEvent.StateChange, record: JobRecord, converter: Converter) -> None:
    try:
        result = converter.result_of(record)
    except SealBroken:
        return  # GetJob says so, and the log
    if result is not None:
        body.result.CopyFrom(result)
