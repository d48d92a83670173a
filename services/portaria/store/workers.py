"""The workers in RQ's register, with what ours write there, and what each of them holds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from redis.asyncio import Redis

from portaria.store import keys
from portaria.store.faults import translated

TTL_SECONDS = 30
"""After which a silent worker disappears from the register; each write begins it anew."""
_LOST_AFTER_MS = 10_000
_SLICE = 200
_NAME = "rq:worker:"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """A worker as it described itself. Moments are milliseconds since 1970, 0 where unknown."""

    name: str
    hostname: str
    pid: int
    """Of the parent, which obeys signals."""
    child_pid: int
    """Of the process that runs jobs; 0 between two."""
    queues: tuple[str, ...]
    types: tuple[str, ...]
    """Full names of what it serves; empty where it did not say."""
    state: str
    """starting, idle, busy or suspended, in its own words."""
    silent_ms: int
    """Since it was heard of last, by the clock of Redis."""
    begun_ids: tuple[str, ...] = ()
    held_ids: tuple[str, ...] = ()
    """Held for it, and not begun."""
    cpu_percent: float
    rss_bytes: int
    birth_ms: int
    heartbeat_ms: int
    done: int
    failed: int
    busy_seconds: float
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def domains(self) -> frozenset[str]:
        """Of its queues."""
        return frozenset(queue.partition(":")[0] for queue in self.queues)

    @property
    def is_lost(self) -> bool:
        """Whether it is silent for longer than a living one ever is."""
        return self.silent_ms > _LOST_AFTER_MS

    def setting(self, name: str) -> str:
        """What it said of itself; empty where an older release did not."""
        return self.settings.get(name, "")


async def list_workers(
    redis: Redis, *, domain: str = "", after: str = "", most: int = 1_000_000
) -> list[WorkerRecord]:
    """Up to `most` workers by name, from the one that follows `after`; of one domain if given."""
    with translated():
        members: Any = await redis.smembers(keys.WORKERS)
        names = sorted(name for name in map(_name_of, members) if name > after)
        found: list[WorkerRecord] = []
        for start in range(0, len(names), _SLICE):
            for record in await _read(redis, names[start : start + _SLICE]):
                if not domain or domain in record.domains:
                    found.append(record)
            if len(found) >= most:
                break
    return found[:most]


def _name_of(key: bytes) -> str:
    return key.decode(errors="replace").removeprefix(_NAME)


async def _read(redis: Redis, names: Sequence[str]) -> list[WorkerRecord]:
    pipeline = redis.pipeline(transaction=False)
    pipeline.time()
    pipeline.hmget(keys.HOLDS, list(names))
    for name in names:
        pipeline.hgetall(keys.worker(name))
        pipeline.pttl(keys.worker(name))
    (seconds, micros), holds, *replies = await pipeline.execute()
    now_ms = seconds * 1000 + micros // 1000
    held = [_held(record) for record in holds]
    begun = await _begun(redis, [hold for each in held for hold in each])
    found = []
    for name, fields, ttl_ms, own in zip(names, replies[::2], replies[1::2], held, strict=True):
        if fields:
            found.append(_record(name, fields, now_ms, ttl_ms, own, begun))
    return found


def _held(record: bytes | None) -> list[tuple[str, str]]:
    """Id and token of each job in a record of portaria:holds."""
    parts = [word.split("|") for word in (record or b"").decode(errors="replace").split(" ")[3:]]
    return [(part[0], part[2]) for part in parts if len(part) == 3]


async def _begun(redis: Redis, holds: Sequence[tuple[str, str]]) -> dict[str, bool]:
    """Of each job that is still held under its token: whether it has begun."""
    pipeline = redis.pipeline(transaction=False)
    for job_id, _ in holds:
        pipeline.hmget(keys.job(job_id), "state", "hold", "begun")
    replies: list[Any] = await pipeline.execute() if holds else []
    return {
        job_id: state == b"RUNNING" or begun == hold
        for (job_id, token), (state, hold, begun) in zip(holds, replies, strict=True)
        if hold == token.encode()
    }


def _record(
    name: str,
    fields: Mapping[bytes, bytes],
    now_ms: int,
    ttl_ms: int,
    own: Sequence[tuple[str, str]],
    begun: Mapping[str, bool],
) -> WorkerRecord:
    def text(key: str) -> str:
        return fields.get(key.encode(), b"").decode(errors="replace")

    heartbeat_ms = _milliseconds(text("last_heartbeat"))
    return WorkerRecord(
        name=name,
        hostname=text("hostname"),
        pid=int(_number(text("pid"))),
        child_pid=int(_number(text("child_pid"))),
        queues=_words(text("queues")),
        types=_words(text("types")),
        state=text("state") or "starting",
        silent_ms=_silence(now_ms, ttl_ms, heartbeat_ms),
        begun_ids=tuple(job_id for job_id, _ in own if begun.get(job_id) is True),
        held_ids=tuple(job_id for job_id, _ in own if begun.get(job_id) is False),
        cpu_percent=_number(text("child_cpu_percent")),
        rss_bytes=int(_number(text("child_rss_bytes"))),
        birth_ms=_milliseconds(text("birth")),
        heartbeat_ms=heartbeat_ms,
        done=int(_number(text("successful_job_count"))),
        failed=int(_number(text("failed_job_count"))),
        busy_seconds=_number(text("total_working_time")),
        settings=_settings(text("settings")),
    )


def _silence(now_ms: int, ttl_ms: int, heartbeat_ms: int) -> int:
    """From the expiry that its last write set, which no clock but that of Redis decides.

    Where that is further off, as with a worker that has just begun, from its own words.
    """
    if 0 <= ttl_ms <= TTL_SECONDS * 1000:
        return TTL_SECONDS * 1000 - ttl_ms
    return max(0, now_ms - heartbeat_ms)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


def _number(text: str) -> float:
    """0 for what is no number, since anybody may write there; never less."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if 0 <= number < 2**62 else 0.0


def _milliseconds(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0


def _settings(text: str) -> dict[str, str]:
    try:
        given = json.loads(text or "{}")
    except ValueError:
        return {}
    return {str(key): str(each) for key, each in given.items()} if isinstance(given, dict) else {}
