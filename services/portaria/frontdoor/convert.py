"""From records of the store to messages of the contract. Pure but for checking seals."""

from __future__ import annotations

import time

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError

from portaria.core.ids import is_member
from portaria.core.seal import KeyRing, SealBroken
from portaria.core.states import TERMINAL, State, split_queue
from portaria.frontdoor.cursor import Cursor
from portaria.frontdoor.reports import (
    attempts_to_proto,
    failure_to_proto,
    progress_to_proto,
    timestamp,
)
from portaria.intake.admission import Admitted
from portaria.internal.v1.envelope_pb2 import Envelope
from portaria.logs import logger
from portaria.store import JobRecord, Submitted
from portaria.store.ended import unseal_outcome
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import Job, JobState, JobView, PendingReason, Priority

BASIC_RESULT_LIMIT = 64 * 1024
_SHORTEST_KEPT_MS = 3_600_000  # as in prelude.lua: a job outlives its request_id

_STATES = {state: JobState.Value(f"JOB_STATE_{state}") for state in State}
_PENDING_REASONS = {
    State.SCHEDULED: job_pb2.PENDING_REASON_NOT_DUE,
    State.RETRYING: job_pb2.PENDING_REASON_NOT_DUE,
    State.PENDING: job_pb2.PENDING_REASON_QUEUED,
    State.BLOCKED: job_pb2.PENDING_REASON_BLOCKED,
}


def state_to_proto(state: State) -> JobState.ValueType:
    """The contract's word for a state."""
    return _STATES[state]


def pending_reason(state: State) -> PendingReason.ValueType:
    """Why a job in this state does not run."""
    return _PENDING_REASONS.get(state, job_pb2.PENDING_REASON_UNSPECIFIED)


def submitted_to_proto(admitted: Admitted, submitted: Submitted | None) -> Job:
    """A job as it stands right after it was handed in, made without asking the store again.

    None where it was only checked: as it would stand.
    """
    submission, options = admitted.submission, admitted.options
    now_ms = submitted.created_ms if submitted else time.time_ns() // 1_000_000
    due_ms = submission.run_at_ms or now_ms + submission.delay_ms
    state = State.SCHEDULED if due_ms > now_ms else State.PENDING
    now = timestamp(now_ms) if submitted else None
    job = Job(
        job_id=submitted.job_id if submitted else "",
        type=submission.type,
        domain=admitted.job_type.domain,
        queue=submission.queue,
        priority=options.priority,
        state=_STATES[state],
        pending_reason=_PENDING_REASONS[state],
        max_attempts=submission.max_attempts,
        created_by=admitted.caller,
        schedule_id=submission.schedule_id,
        namespace=submission.namespace,
        create_time=now,
        update_time=now,
    )
    if submitted and submitted.generation:
        job.cursor = str(Cursor(submitted.generation, submitted.entry_id))
    if options.labels:
        job.labels.update(options.labels)
    if options.unique_key:
        job.unique_key = options.unique_key
    if state is State.SCHEDULED:
        job.run_time.CopyFrom(timestamp(due_ms))
    return job


class Converter:
    """Makes messages from records, believing only what is sealed with our keys."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def job_to_proto(self, record: JobRecord, generation: str, view: JobView.ValueType) -> Job:
        """A job as callers see it. BASIC has no payload, traceback, or result over 64 KiB."""
        full = view == job_pb2.JOB_VIEW_FULL
        domain, priority = split_queue(record.tag.queue)
        job = Job(
            job_id=record.job_id,
            type=record.type,
            domain=domain,
            queue=record.tag.queue,
            priority=Priority.Value(f"PRIORITY_{priority.upper()}"),
            state=_STATES[record.state],
            done=record.state in TERMINAL,
            attempt=record.attempt,
            failures=record.failures,
            max_attempts=record.max_attempts,
            worker=record.worker,
            workflow_id=record.tag.workflow_id,
            schedule_id=record.tag.schedule_id,
            namespace=record.tag.namespace,
            labels=record.tag.labels,
            warnings=record.warnings,
            pending_reason=pending_reason(record.state),
            cancel_reason=record.cancel_reason,
            retried_from=record.retried_from,
            retried_as=record.retried_as,
        )
        if record.cursor:
            job.cursor = str(Cursor(generation, record.cursor))
        _set_times(job, record)
        if record.progress:
            job.progress.CopyFrom(progress_to_proto(record.progress))
        if record.failure:
            job.last_failure.CopyFrom(failure_to_proto(record.failure, full=full))
        if full:
            job.attempts.extend(attempts_to_proto(record))
        self._set_spec(job, record, full=full)
        self._set_result(job, record, full=full)
        return job

    def envelope_of(self, record: JobRecord) -> Envelope:
        """What a door wrote when the job was handed in. Raises SealBroken."""
        purpose = f"domain/{split_queue(record.tag.queue)[0]}"
        envelope = Envelope()
        try:
            envelope.ParseFromString(self._keys.unseal(purpose, record.envelope))
        except DecodeError:
            raise SealBroken("sealed, but not an envelope") from None
        is_its = envelope.job_id == record.job_id or (
            envelope.is_family and is_member(envelope.job_id, record.job_id)
        )
        if envelope.namespace != record.tag.namespace or not is_its:
            raise SealBroken("the envelope of another job")
        return envelope

    def result_of(self, record: JobRecord) -> AnyMessage | None:
        """What the handler returned; None for nothing. Raises SealBroken."""
        if not record.output:
            return None
        return unseal_outcome(self._keys, record.tag.namespace, record.job_id, record.output)

    def _set_result(self, job: Job, record: JobRecord, *, full: bool) -> None:
        try:
            result = self.result_of(record)
        except SealBroken as error:
            logger().error("result withheld", job_id=record.job_id, why=str(error))
            job.warnings.append("the result is withheld: it was not written by a known worker")
            return
        if result is not None and (full or len(result.value) <= BASIC_RESULT_LIMIT):
            job.result.CopyFrom(result)

    def _set_spec(self, job: Job, record: JobRecord, *, full: bool) -> None:
        """What only the envelope holds."""
        try:
            envelope = self.envelope_of(record)
        except SealBroken as error:
            logger().error("spec withheld", job_id=record.job_id, why=str(error))
            job.warnings.append("the spec is withheld: it was not written by a known door")
            return
        job.labels.update(envelope.spec.options.labels)
        job.created_by = envelope.caller
        job.node_id = envelope.place.node_id
        job.parent_job_id = envelope.parent_job_id
        job.unique_key = envelope.spec.options.unique_key
        if full:
            job.spec.CopyFrom(envelope.spec)


def _set_times(job: Job, record: JobRecord) -> None:
    moments = {
        "create_time": record.created_ms,
        "update_time": record.updated_ms,
        "start_time": record.started_ms,
        "end_time": record.ended_ms,
        "start_before_time": record.before_ms,
        "deadline": record.deadline_ms,
        "cancel_request_time": record.cancel_asked_ms,
    }
    if record.state is State.SCHEDULED:
        moments["run_time"] = record.due_ms
    if record.state is State.RETRYING:
        moments["next_attempt_time"] = record.due_ms
    if record.ended_ms:
        moments["purge_time"] = record.ended_ms + max(record.ttl_ms, _SHORTEST_KEPT_MS)
    for name, milliseconds in moments.items():
        if milliseconds:
            getattr(job, name).CopyFrom(timestamp(milliseconds))
