"""Why a job waits that could run: what its queue and the workers look like, as of a second ago."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from portaria.frontdoor.prompt import PromptStore
from portaria.store.readiness import Readiness, read_readiness
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import Job, PendingReason

FRESH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Picture:
    """Queues and living workers at one moment."""

    paused: frozenset[str] = frozenset()
    served: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    """queue -> types that a living worker of it serves; None where one did not say."""

    def reason(self, queue: str, job_type: str) -> PendingReason.ValueType:
        """Why a pending job of this queue and type is not running."""
        if queue in self.paused:
            return job_pb2.PENDING_REASON_QUEUE_PAUSED
        if queue not in self.served:
            return job_pb2.PENDING_REASON_NO_WORKER
        types = self.served[queue]
        if types is not None and job_type not in types:
            return job_pb2.PENDING_REASON_TYPE_NOT_SERVED
        return job_pb2.PENDING_REASON_QUEUED

    def serves(self, job_type: str) -> bool:
        """Whether a living worker said that it has a handler for it."""
        return any(types and job_type in types for types in self.served.values())


class Standing:
    """The picture, read anew when somebody asks and it is older than a second."""

    def __init__(self, store: PromptStore, *, fresh: float = FRESH_SECONDS) -> None:
        self._store = store
        self._fresh = fresh
        self._lock = asyncio.Lock()
        self._picture = Picture()
        self._good_until = 0.0

    async def picture(self) -> Picture:
        """Raises StoreUnavailable."""
        clock = asyncio.get_running_loop().time
        async with self._lock:
            if clock() >= self._good_until:
                readiness = await self._store.read(lambda store: read_readiness(store.redis))
                self._picture = _picture_of(readiness)
                self._good_until = clock() + self._fresh
            return self._picture

    async def explain(self, *jobs: Job) -> None:
        """Says of those that are pending why they wait."""
        pending = [each for each in jobs if each.state == job_pb2.JOB_STATE_PENDING]
        if pending:
            picture = await self.picture()
            for job in pending:
                job.pending_reason = picture.reason(job.queue, job.type)


def _picture_of(readiness: Readiness) -> Picture:
    served: dict[str, frozenset[str] | None] = {}
    for worker in readiness.workers:
        for queue in worker.queues:
            before = served.get(queue, frozenset())
            if before is None or not worker.types:
                served[queue] = None
            else:
                served[queue] = before | frozenset(worker.types)
    return Picture(readiness.paused, served)
