"""How attempts ended, without what else a record holds: the envelope alone may have 4 MiB."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from redis.asyncio import Redis

from portaria.store import keys
from portaria.store.faults import translated
from portaria.store.record import JobRecord, job_record

_FIELDS = ("state", "type", "tag", "failure", "past")


async def ends(redis: Redis, job_ids: Collection[str], *, results: bool) -> dict[str, JobRecord]:
    """Records of the jobs that there are, in which all but state, type, tag, failure, past and,
    with `results`, output is empty. Raises StoreUnavailable.
    """
    names = (*_FIELDS, "output") if results else _FIELDS
    with translated():
        # No transaction: a full Redis takes none, not even of reads.
        pipeline = redis.pipeline(transaction=False)
        for job_id in job_ids:
            pipeline.hmget(keys.job(job_id), names)
        rows: list[Any] = await pipeline.execute()
    found = {}
    for job_id, row in zip(job_ids, rows, strict=True):
        fields = {name.encode(): each for name, each in zip(names, row, strict=True) if each}
        if record := job_record(job_id, fields):
            found[job_id] = record
    return found
