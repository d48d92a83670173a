"""From queues and workers of the store to messages of the contract, and pages of workers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from portaria.core.errors import InvalidRequest
from portaria.frontdoor.pages import foreign_token, pack, page_size, unpack
from portaria.frontdoor.reports import timestamp
from portaria.store.queues import QueueRecord
from portaria.store.workers import WorkerRecord
from portaria.v1.admin_service_pb2 import ListWorkersRequest, ListWorkersResponse, Queue, Worker
from portaria.v1.job_pb2 import Priority

_STATES = {
    "starting": Worker.STATE_STARTING,
    "started": Worker.STATE_STARTING,
    "idle": Worker.STATE_IDLE,
    "busy": Worker.STATE_BUSY,
    "suspended": Worker.STATE_SUSPENDED,
}


def queue_to_proto(record: QueueRecord) -> Queue:
    """A queue as operators see it."""
    queue = Queue(
        name=record.name,
        domain=record.domain,
        priority=Priority.Value(f"PRIORITY_{record.priority.upper()}"),
        depth=record.depth,
        running=record.running,
        scheduled=record.scheduled,
        dead=record.dead,
        workers=record.workers,
    )
    if record.oldest_ms >= 0:
        queue.oldest_age.FromMilliseconds(record.oldest_ms)
    if record.pause is not None:
        queue.paused, queue.pause_reason = True, record.pause.reason
    return queue


def worker_to_proto(record: WorkerRecord) -> Worker:
    """A worker as operators see it; one that is silent for too long is LOST."""
    unknown = Worker.STATE_UNSPECIFIED
    worker = Worker(
        name=record.name,
        host=record.hostname,
        pid=record.pid % 2**32,
        domain=",".join(sorted(record.domains)),
        queues=record.queues,
        job_types=record.types,
        state=Worker.STATE_LOST if record.is_lost else _STATES.get(record.state, unknown),
        running_job_ids=record.begun_ids,
        reserved_job_ids=record.held_ids,
        cpu_percent=record.cpu_percent,
        rss_bytes=record.rss_bytes,
        succeeded=record.done,
        failed=record.failed,
        concurrency=_count(record.setting("concurrency")),
        max_jobs_per_child=_count(record.setting("max_jobs_per_child")),
        version=record.setting("version"),
        settings=record.settings,
    )
    worker.busy_time.FromTimedelta(timedelta(seconds=min(record.busy_seconds, 1e10)))
    if record.birth_ms:
        worker.start_time.CopyFrom(timestamp(record.birth_ms))
    if record.heartbeat_ms:
        worker.heartbeat_time.CopyFrom(timestamp(record.heartbeat_ms))
    return worker


def workers_after(request: ListWorkersRequest) -> tuple[str, int]:
    """After which name a page begins, and how many it has. Raises InvalidRequest."""
    try:
        after = unpack(request.page_token).decode()
    except ValueError:
        raise InvalidRequest([foreign_token()]) from None
    return after, page_size(request)


def workers_page(found: Sequence[WorkerRecord], most: int) -> ListWorkersResponse:
    """The first `most` of them, with the token of the next page where there are more."""
    token = pack(found[most - 1].name.encode()) if len(found) > most else ""
    return ListWorkersResponse(
        workers=[worker_to_proto(each) for each in found[:most]], next_page_token=token
    )


def _count(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0
