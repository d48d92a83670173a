"""The queues as they stand: counts, pauses, the age of what waits longest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from redis.asyncio import Redis

from portaria.core.states import PRIORITIES, split_queue
from portaria.store import keys
from portaria.store.faults import translated
from portaria.store.workers import WorkerRecord, list_workers

FAR_SECONDS = 10_000_000_000
"""What scores of RQ's registries lie ahead of the truth, as in prelude.lua."""
_HEAD = 20
"""How many ids at the head are looked at for one that still waits there."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Why nobody claims from a queue."""

    reason: str
    by: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRecord:
    """A queue at one moment."""

    name: str
    domain: str
    priority: str
    depth: int
    running: int
    """Held by workers, what has not begun included."""
    scheduled: int
    dead: int
    oldest_ms: int
    """For how long the first job waits; -1 where none does."""
    workers: int
    """Living ones that claim from it."""
    pause: Pause | None


async def list_queues(redis: Redis, *, domain: str = "") -> list[QueueRecord]:
    """Every queue that ever had a job or has a worker, by domain and priority."""
    workers = [each for each in await list_workers(redis) if not each.is_lost]
    with translated():
        pipeline = redis.pipeline(transaction=False)
        pipeline.smembers(keys.QUEUES)
        pipeline.hgetall(keys.DEPTH)
        pipeline.hgetall(keys.PAUSED)
        members, depths, pauses = await pipeline.execute()
        names = _known(members, workers, domain)
        counts = await _counts(redis, names)
    return [
        QueueRecord(
            name=name,
            domain=split_queue(name)[0],
            priority=split_queue(name)[1],
            depth=max(0, int(depths.get(name.encode(), 0))),
            running=counts[name].running,
            scheduled=counts[name].scheduled,
            dead=counts[name].dead,
            oldest_ms=counts[name].oldest_ms,
            workers=sum(name in each.queues for each in workers),
            pause=_pause(pauses.get(name.encode())),
        )
        for name in names
    ]


async def dead_letters(
    redis: Redis, queue: str, *, older_ms: int = 0, start: int = 0, most: int = 200
) -> list[str]:
    """Ids of failed jobs of a queue, those that failed first at first, from the place `start` on.

    Ids of other tools are among them.
    """
    with translated():
        seconds, micros = await redis.time()
        until = seconds + micros / 1_000_000 - older_ms / 1000 + FAR_SECONDS
        found: Any = await redis.zrangebyscore(
            keys.registry("failed", queue), "-inf", until, start=start, num=most
        )
    return [each.decode(errors="replace") for each in found]


@dataclass(frozen=True, slots=True)
class _Counts:
    running: int
    scheduled: int
    dead: int
    oldest_ms: int


def _known(members: Any, workers: Sequence[WorkerRecord], domain: str) -> list[str]:
    prefix = keys.queue("")
    names = {each.decode(errors="replace").removeprefix(prefix) for each in members}
    names.update(queue for worker in workers for queue in worker.queues)
    found = []
    for name in names:
        try:
            own, priority = split_queue(name)
        except ValueError:
            continue  # of other users of RQ
        if domain in ("", own):
            found.append((own, PRIORITIES.index(priority), name))
    return [name for *_, name in sorted(found)]


async def _counts(redis: Redis, names: Sequence[str]) -> dict[str, _Counts]:
    pipeline = redis.pipeline(transaction=False)
    pipeline.time()
    for name in names:
        pipeline.zcard(keys.registry("wip", name))
        pipeline.zcard(keys.registry("scheduled", name))
        pipeline.zcard(keys.registry("failed", name))
        pipeline.lrange(keys.queue(name), 0, _HEAD - 1)
    (seconds, micros), *replies = await pipeline.execute()
    oldest = await _oldest(redis, dict(zip(names, replies[3::4], strict=True)))
    now_ms = seconds * 1000 + micros // 1000
    found = {}
    for index, name in enumerate(names):
        running, scheduled, dead = replies[4 * index : 4 * index + 3]
        since_ms = oldest.get(name)
        waits = -1 if since_ms is None else max(0, now_ms - since_ms)
        found[name] = _Counts(running, scheduled, dead, waits)
    return found


async def _oldest(redis: Redis, heads: Mapping[str, Sequence[bytes]]) -> dict[str, int]:
    """Since when the first job of each queue waits that does: others are not removed at once."""
    pipeline = redis.pipeline(transaction=False)
    owners = []
    for name, ids in heads.items():
        for job_id in ids:
            owners.append(name)
            pipeline.hmget(
                keys.job(job_id.decode(errors="replace")),
                "state", "hold", "origin", "parked", "enqueued_at", "created",
            )  # fmt: skip
    replies: list[Any] = await pipeline.execute(raise_on_error=False) if owners else []
    found: dict[str, int] = {}
    for name, fields in zip(owners, replies, strict=True):
        if name not in found and isinstance(fields, list) and _waits(name, fields):
            found[name] = _since(*fields[4:])
    return found


def _waits(queue: str, fields: Sequence[bytes | None]) -> bool:
    state, hold, origin, parked = fields[:4]
    return state == b"PENDING" and not hold and origin == queue.encode() and parked != b"1"


def _since(enqueued: bytes | None, created: bytes | None) -> int:
    try:
        return int(datetime.fromisoformat((enqueued or b"").decode()).timestamp() * 1000)
    except ValueError:
        return int(created or 0)


def _pause(packed: bytes | None) -> Pause | None:
    if packed is None:
        return None
    try:
        given = json.loads(packed)
        return Pause(str(given["reason"]), str(given["by"]), int(given["at_ms"]))
    except (ValueError, KeyError, TypeError):
        return Pause("", "", 0)  # paused all the same
