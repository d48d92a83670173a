"""Schedules as Redis holds them: read by the door and by schedulers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ResponseError

from portaria.store import keys
from portaria.store.faults import fault, translated
from portaria.store.schedules import Paused

MOST_RUNS = 50
"""Ticks that are remembered of a schedule."""

Name = tuple[str, str]
"""Namespace and id of a schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRecord:
    """A schedule as Redis holds it. Moments are milliseconds since 1970, 0 where there is none."""

    namespace: str
    schedule_id: str
    revision: str
    definition: bytes
    """Sealed; nothing beside it is believed of what the schedule does."""
    content_hash: str
    owner: str
    release: str
    paused: Paused | None
    error: str
    next_ms: int
    created_ms: int
    updated_ms: int
    last_tick_ms: int
    last_job_id: str
    fired: int
    passed: int


@dataclass(frozen=True, slots=True)
class Run:
    """One tick, or several that were passed over together."""

    tick_ms: int
    job_id: str
    """Empty where it was passed over."""
    fired_ms: int
    passed: int
    """How many ticks were passed over, this one included."""
    reason: str


@dataclass(frozen=True, slots=True)
class Due:
    """The plan at one moment."""

    now_ms: int
    """By the clock of Redis."""
    ticks: Sequence[tuple[Name, int]]
    """Schedules whose next tick has come, the longest due first."""
    next_ms: int
    """The first tick after these; 0 where there is none."""


def read_due(redis: Redis, namespace: str, *, most: int) -> Due:
    """Up to `most` ticks that are due. Raises StoreUnavailable.

    A moment that others wrote and that is none counts as 0.
    """
    with translated():
        pipeline: Any = redis.pipeline(transaction=False)
        pipeline.time()
        pipeline.zrange(keys.ticks(namespace), 0, most, withscores=True)
        (seconds, micros), plan = pipeline.execute()
        names = [_text(packed) for packed, _ in plan]
        strange = [packed for (packed, _), name in zip(plan, names, strict=True) if name is None]
        if strange:
            # No schedule is called so, and it would stand in the way of others.
            redis.zrem(keys.ticks(namespace), *strange)
    now_ms = seconds * 1000 + micros // 1000
    ticks = [
        ((namespace, name), _moment(score))
        for name, (_, score) in zip(names, plan, strict=True)
        if name is not None
    ]
    due = [each for each in ticks[:most] if each[1] <= now_ms]
    return Due(now_ms, due, next((moment for _, moment in ticks if moment > now_ms), 0))


def read_schedules(redis: Redis, names: Sequence[Name]) -> list[ScheduleRecord | None]:
    """In order; None where there is no such schedule. Raises StoreUnavailable."""
    with translated():
        pipeline: Any = redis.pipeline(transaction=False)
        replies = _ask(pipeline, names).execute(raise_on_error=False)
        return _records(names, [_usable(each) for each in replies])


def read_all_schedules(redis: Redis, namespace: str) -> list[ScheduleRecord]:
    """All of a namespace, by id. Raises StoreUnavailable."""
    with translated():
        found: Any = redis.zrange(keys.schedules(namespace), 0, -1)
    names = [(namespace, each.decode()) for each in found]
    return [each for each in read_schedules(redis, names) if each]


async def aread_schedules(redis: AsyncRedis, names: Sequence[Name]) -> list[ScheduleRecord | None]:
    """As read_schedules."""
    with translated():
        pipeline: Any = redis.pipeline(transaction=False)
        replies = await _ask(pipeline, names).execute(raise_on_error=False)
        return _records(names, [_usable(each) for each in replies])


async def aread_page(
    redis: AsyncRedis, namespace: str, *, after: str, most: int
) -> tuple[list[ScheduleRecord], str]:
    """Of the `most` ids after `after` those that are schedules, and the last id: "" at the end.

    Raises StoreUnavailable.
    """
    with translated():
        start = f"({after}" if after else "-"
        found: Any = await redis.zrange(
            keys.schedules(namespace), start, "+", bylex=True, offset=0, num=most
        )
    names = [(namespace, each.decode(errors="replace")) for each in found]
    records = [each for each in await aread_schedules(redis, names) if each]
    return records, names[-1][1] if len(names) == most else ""


async def aread_runs(redis: AsyncRedis, namespace: str, schedule_id: str) -> list[Run]:
    """What became of the last ticks, the newest first. Raises StoreUnavailable."""
    with translated():
        found: Any = await redis.xrevrange(keys.runs(namespace, schedule_id), count=MOST_RUNS)
    runs = (_run(fields.get(b"r", b"")) for _, fields in found)
    return [each for each in runs if each]


def _usable(reply: Any) -> Any:
    """Raises what went wrong. What others put in the place of one schedule hides none."""
    if isinstance(reply, ResponseError) and fault(reply) is None:
        return {}
    if isinstance(reply, Exception):
        raise reply
    return reply


def _text(packed: bytes) -> str | None:
    try:
        return packed.decode()
    except UnicodeDecodeError:
        return None


def _moment(score: float) -> int:
    return int(score) if score.is_integer() else 0


def _ask(pipeline: Any, names: Sequence[Name]) -> Any:
    for namespace, schedule_id in names:
        pipeline.hgetall(keys.schedule(namespace, schedule_id))
        pipeline.zscore(keys.ticks(namespace), schedule_id)
    return pipeline


def _records(names: Sequence[Name], replies: Sequence[Any]) -> list[ScheduleRecord | None]:
    return [
        _record(*name, fields, score)
        for name, fields, score in zip(names, replies[::2], replies[1::2], strict=True)
    ]


def _record(
    namespace: str, schedule_id: str, fields: Mapping[bytes, bytes], score: float | None
) -> ScheduleRecord | None:
    if b"revision" not in fields:
        return None

    def text(name: bytes) -> str:
        return fields.get(name, b"").decode(errors="replace")

    def number(name: bytes) -> int:
        value = text(name)
        return int(value) if value.isdecimal() else 0

    return ScheduleRecord(
        namespace=namespace,
        schedule_id=schedule_id,
        revision=text(b"revision"),
        definition=fields.get(b"definition", b""),
        content_hash=text(b"hash"),
        owner=text(b"owner"),
        release=text(b"release"),
        paused=_paused(fields.get(b"paused", b"")),
        error=text(b"error"),
        next_ms=_moment(score or 0.0),
        created_ms=number(b"created"),
        updated_ms=number(b"updated"),
        last_tick_ms=number(b"last_tick"),
        last_job_id=text(b"last_job"),
        fired=number(b"fired"),
        passed=number(b"passed"),
    )


def _run(packed: bytes) -> Run | None:
    try:
        tick_ms, job_id, fired_ms, passed, reason = packed.decode().split(" ", 4)
        return Run(
            int(tick_ms),
            job_id if job_id != "-" else "",
            int(fired_ms),
            int(passed),
            reason if reason != "-" else "",
        )
    except ValueError:
        return None  # others wrote it


def _paused(packed: bytes) -> Paused | None:
    if not packed:
        return None
    try:
        found = json.loads(packed)
        return Paused(str(found["reason"]), str(found["by"]), int(found["at_ms"]))
    except (ValueError, KeyError, TypeError, OverflowError):
        return Paused("", "", 0)  # spoilt, but somebody meant it to stop
