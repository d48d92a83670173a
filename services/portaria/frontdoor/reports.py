"""What workers and scripts wrote about a run, as messages of the contract."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from portaria.core.ends import CRASHED, WORKER_LOST
from portaria.core.states import TERMINAL, State
from portaria.store import JobRecord
from portaria.store.record import PastAttempt, attempts
from portaria.v1.job_pb2 import Attempt, Failure, Progress

_LOST = {"crashes": CRASHED, "losts": WORKER_LOST}
_SHOWN = TERMINAL | {State.RUNNING, State.CANCELLING}


def timestamp(milliseconds: int) -> Timestamp:
    """A moment of the store's clock."""
    return Timestamp(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)


def progress_to_proto(packed: bytes) -> Progress:
    """What a worker reported, with the percentage."""
    progress = Progress()
    try:
        progress.ParseFromString(packed)
    except DecodeError:
        return Progress()
    if progress.total:
        progress.percent = min(100.0, 100.0 * progress.current / progress.total)
    return progress


def failure_to_proto(packed: bytes, *, full: bool = False) -> Failure:
    """What a worker or a script wrote about a failure."""
    failure = Failure()
    try:
        failure.ParseFromString(packed)
    except DecodeError:
        return Failure(kind=Failure.KIND_ERROR, reason="UNREADABLE")
    if not full:
        failure.ClearField("traceback")
    return failure


def attempts_to_proto(record: JobRecord) -> Iterator[Attempt]:
    """Each attempt that is still known, the oldest first, up to the one that runs or succeeded."""
    number = 0
    for past in attempts(record.past):
        number = past.number
        yield _past_to_proto(past)
    if record.attempt > number and record.state in _SHOWN:
        last = Attempt(number=record.attempt, worker=record.worker)
        _set_span(last, record.started_ms, record.ended_ms)
        if record.failure and record.state is State.FAILED:
            last.failure.CopyFrom(failure_to_proto(record.failure, full=True))
        yield last


def _past_to_proto(past: PastAttempt) -> Attempt:
    attempt = Attempt(number=past.number, worker=past.worker)
    _set_span(attempt, past.started_ms, past.ended_ms)
    failure = _LOST.get(past.what) or failure_to_proto(past.failure, full=True)
    attempt.failure.CopyFrom(failure)
    if past.due_ms:
        attempt.next_attempt_time.CopyFrom(timestamp(past.due_ms))
    return attempt


def _set_span(attempt: Attempt, started_ms: int, ended_ms: int) -> None:
    if started_ms:
        attempt.start_time.CopyFrom(timestamp(started_ms))
    if ended_ms:
        attempt.end_time.CopyFrom(timestamp(ended_ms))
