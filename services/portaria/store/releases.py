"""Which release applied a declared list of schedules last, and what the list is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from portaria.store import keys
from portaria.store.calls import Call
from portaria.store.faults import translated
from portaria.store.schedule_records import (
    Name,
    ScheduleRecord,
    aread_schedules,
    read_schedules,
)
from portaria.store.schedules import Applied, Changed
from portaria.store.scripts import script

_SLICE = 200


@dataclass(frozen=True, slots=True)
class Standing:
    """All that a declared list is compared with."""

    release: str
    """That applied the list last; empty where none has."""
    now_ms: int
    """By the clock of Redis."""
    records: Sequence[ScheduleRecord]
    """Of the whole namespace, by id."""


def take_over(namespace: str, applied: Applied, seen: str) -> Call[Changed]:
    """From now on this release applies the list, after the one that was seen ("" for none): ok or
    stale."""
    words = (keys.release(namespace, applied.owner), seen, applied.release)
    return Call(
        script("release"), (keys.RELEASES,), words, lambda reply: Changed(reply[0].decode())
    )


def read_standing(redis: Redis, namespace: str, owner: str) -> Standing:
    """Of the list of an owner. Raises StoreUnavailable."""
    with translated():
        pipeline: Any = redis.pipeline(transaction=False)
        release, clock, found = _ask(pipeline, namespace, owner).execute()
    records: list[ScheduleRecord | None] = []
    for names in _slices(namespace, found):
        records += read_schedules(redis, names)
    return _standing(release, clock, records)


async def aread_standing(redis: AsyncRedis, namespace: str, owner: str) -> Standing:
    """As read_standing."""
    with translated():
        pipeline: Any = redis.pipeline(transaction=False)
        release, clock, found = await _ask(pipeline, namespace, owner).execute()
    records: list[ScheduleRecord | None] = []
    for names in _slices(namespace, found):
        records += await aread_schedules(redis, names)
    return _standing(release, clock, records)


def _ask(pipeline: Any, namespace: str, owner: str) -> Any:
    # The release first: of one that comes between, the script hears, too.
    pipeline.hget(keys.RELEASES, keys.release(namespace, owner))
    pipeline.time()
    pipeline.zrange(keys.schedules(namespace), 0, -1)
    return pipeline


def _slices(namespace: str, found: Sequence[bytes]) -> list[list[Name]]:
    names = [(namespace, each.decode(errors="replace")) for each in found]
    return [names[start : start + _SLICE] for start in range(0, len(names), _SLICE)]


def _standing(
    release: bytes | None, clock: tuple[int, int], found: Sequence[ScheduleRecord | None]
) -> Standing:
    text = (release or b"").decode(errors="replace")
    return Standing(text, clock[0] * 1000 + clock[1] // 1000, [each for each in found if each])
