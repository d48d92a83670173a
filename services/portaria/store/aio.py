"""The store for the door: the same calls, awaited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from portaria.core.ids import new_token
from portaria.store import keys
from portaria.store.calls import Call
from portaria.store.events import Entries, in_step
from portaria.store.faults import translated
from portaria.store.record import JobRecord, job_record
from portaria.store.sentinel import close_async
from portaria.store.sync import REPLICAS, SAFE, SCHEMA_VERSION, UNREADABLE, unsafe, was_promoted

Reply = TypeVar("Reply")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The stream of state changes at one moment, and jobs right after it."""

    generation: str
    """Empty where the store was not prepared, or was emptied since."""
    tail: str
    """The newest state change: all up to it is in the records, and whatever came until they were
    read; the cursor of a record says up to where."""
    oldest: str
    now_ms: int
    records: Sequence[JobRecord | None]
    """In the order of the ids."""


class AsyncStore:
    """Calls over one redis.asyncio client. Raises StoreUnavailable and StoreFull.

    `replicas` is how many must have a job before it is acknowledged; see Lane, which sees to that.
    """

    def __init__(self, redis: Redis, *, replicas: int = 0) -> None:
        self.redis = redis
        self.replicas = replicas

    async def run(self, call: Call[Reply]) -> Reply:
        """Sends one call and answers its reply."""
        with translated():
            return call.parse(await self._evaluate(call))

    async def get(self, job_id: str) -> JobRecord | None:
        """The record of a job."""
        return (await self.get_many([job_id]))[0]

    async def get_many(self, job_ids: Sequence[str]) -> list[JobRecord | None]:
        """The records of jobs, in order, in one round trip."""
        with translated():
            pipeline = self.redis.pipeline(transaction=False)
            for job_id in job_ids:
                pipeline.hgetall(keys.job(job_id))
            hashes: list[Any] = await pipeline.execute()
        return [job_record(job_id, each) for job_id, each in zip(job_ids, hashes, strict=True)]

    async def workflow_members(self, namespace: str, workflow_id: str) -> list[str]:
        """The ids of all jobs of a workflow or a batch that are known, the oldest first."""
        with translated():
            found: Any = await self.redis.zrange(
                keys.index(namespace, "workflow", workflow_id), 0, -1
            )
            return [each.decode() for each in found]

    async def look(self, job_ids: Sequence[str] = ()) -> Look:
        """The stream, then the jobs; at most 200 ids, since each may be large."""
        with translated():
            # No transaction: a full Redis takes none, not even of reads.
            pipeline = self.redis.pipeline(transaction=False)
            pipeline.get(keys.GENERATION)
            pipeline.xrevrange(keys.EVENTS, count=1)
            pipeline.xrange(keys.EVENTS, count=1)
            pipeline.time()
            for job_id in job_ids:
                pipeline.hgetall(keys.job(job_id))
            replies = [_read(each) for each in await pipeline.execute(raise_on_error=False)]
            generation, newest, first, clock, *hashes = replies
        return Look(
            generation=generation.decode() if generation else "",
            tail=newest[0][0].decode() if newest else "0-0",
            oldest=first[0][0].decode() if first else "0-0",
            now_ms=clock[0] * 1000 + clock[1] // 1000,
            records=[
                job_record(job_id, each) for job_id, each in zip(job_ids, hashes, strict=True)
            ],
        )

    async def prepare(self) -> str:
        """Makes generation and schema at the first start; answers the generation.

        A new one where Redis was promoted since: it may lack what watchers were told.
        """
        with translated():
            await self.redis.set(keys.SCHEMA, SCHEMA_VERSION, nx=True)
            await self.redis.set(keys.GENERATION, new_token(), nx=True)
            lineage: Any = await self.redis.info("replication")
            before: Any = await self.redis.set(keys.LINEAGE, lineage["master_replid"], get=True)
            if was_promoted(before, lineage):
                await self.redis.set(keys.GENERATION, new_token())
            generation: Any = await self.redis.get(keys.GENERATION)
            return str(generation.decode())

    async def unsafe_settings(self) -> list[str]:
        """What about this Redis can lose an acknowledged job; empty where nothing can."""
        with translated():
            try:
                names = (*SAFE, REPLICAS)
                given = {name: await self.redis.config_get(name) for name in names}
            except ResponseError:
                return [UNREADABLE]
        return unsafe(given.__getitem__, self.replicas)

    async def ping(self) -> None:
        """Raises StoreUnavailable where Redis does not answer."""
        with translated():
            await self.redis.ping()

    async def close(self) -> None:
        """Closes all connections."""
        await close_async(self.redis)

    async def _evaluate(self, call: Call[Reply]) -> Any:
        count = len(call.keys)
        try:
            return await self.redis.evalsha(call.script.sha, count, *call.keys, *call.arguments)
        except NoScriptError:
            return await self.redis.eval(call.script.text, count, *call.keys, *call.arguments)

    # --- the streams ----------------------------------------------------------------------------

    async def tail(self) -> str:
        """The id of the newest state change, "0-0" where there is none."""
        with translated():
            newest: Any = await self.redis.xrevrange(keys.EVENTS, count=1)
            return str(newest[0][0].decode()) if newest else "0-0"

    async def oldest(self) -> str:
        """The id of the oldest state change that is kept, "0-0" where there is none."""
        with translated():
            first: Any = await self.redis.xrange(keys.EVENTS, count=1)
            return str(first[0][0].decode()) if first else "0-0"

    async def history(self, after: str, until: str, most: int = 1000) -> list[tuple[bytes, bytes]]:
        """Entries with after < id <= until, the oldest first: (id, packed)."""
        with translated():
            entries: Any = await self.redis.xrange(keys.EVENTS, f"({after}", until, count=most)
            return [(entry_id, fields[b"e"]) for entry_id, fields in entries]

    async def follow(
        self, events_after: str, progress_after: str, block_ms: int, most: int = 2000
    ) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes, bytes]]]:
        """Waits for news on both streams: (id, packed) changes and (id, packed, report) progress.

        At most `most` of each; where those are not all, in step, so that no end comes before its
        run's progress. Needs a client whose reply timeout is longer than `block_ms`.
        """
        with translated():
            reply: Any = await self.redis.xread(
                {keys.EVENTS: events_after, keys.PROGRESS: progress_after},
                count=most,
                block=block_ms,
            )
        found: dict[bytes, Entries] = {}
        for name, entries in reply.items() if isinstance(reply, dict) else reply:
            found[name] = entries[0] if isinstance(reply, dict) else entries
        changes, reports = in_step(
            found.get(keys.EVENTS.encode(), []), found.get(keys.PROGRESS.encode(), []), most
        )
        return (
            [(entry_id, fields[b"e"]) for entry_id, fields in changes],
            [(entry_id, fields[b"p"], fields[b"b"]) for entry_id, fields in reports],
        )

    async def progress_tail(self) -> str:
        """The id of the newest progress entry, "0-0" where there is none."""
        with translated():
            newest: Any = await self.redis.xrevrange(keys.PROGRESS, count=1)
            return str(newest[0][0].decode()) if newest else "0-0"

    async def keep_watched(self, seconds: int) -> None:
        """Says that somebody watches, so that workers tell their progress."""
        with translated():
            await self.redis.set(keys.WATCHED, "1", ex=seconds)


def _read(reply: Any) -> Any:
    """Raises what went wrong. What others put in the place of one job is no job, and hides none."""
    if isinstance(reply, ResponseError) and str(reply).startswith("WRONGTYPE"):
        return {}
    if isinstance(reply, Exception):
        raise reply
    return reply
