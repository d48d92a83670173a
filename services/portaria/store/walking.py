"""Over the jobs of an index, in the order of their ids and so of time, reading little of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from portaria.core.states import State
from portaria.store import keys
from portaria.store.events import Tag, encode_labels, parse_tag
from portaria.store.faults import fault, translated

_FIELDS = ("state", "tag", "created", "retried_as")


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What of a job a selector judges."""

    job_id: str
    state: State
    tag: Tag
    created_ms: int
    retried_as: str


def sources_of(
    namespace: str,
    *,
    types: Iterable[str] = (),
    workflow_id: str = "",
    schedule_id: str = "",
    labels: Iterable[tuple[str, str]] = (),
) -> list[list[str]]:
    """Each holds every job that is wanted, and others: one index, or several that are merged."""
    sources = [[keys.index(namespace)]]
    if names := [keys.index(namespace, "type", each) for each in types]:
        sources.append(names)
    if workflow_id:
        sources.append([keys.index(namespace, "workflow", workflow_id)])
    if schedule_id:
        sources.append([keys.index(namespace, "schedule", schedule_id)])
    sources += [[keys.index(namespace, "label", encode_labels([each]))] for each in labels]
    return sources


async def walk(
    redis: Redis,
    sources: Sequence[Sequence[str]],
    *,
    after: str = "",
    most: int = 200,
    newest_first: bool = False,
) -> tuple[list[Brief], str]:
    """Looks at the next `most` jobs of the smallest source, those after the id `after`.

    Answers those that are there, and the id to go on after: "" at the end. Raises
    StoreUnavailable, as `briefs` does.
    """
    with translated():
        source = await _smallest(redis, sources)
        ids = await _ids(redis, source, after, most, newest_first)
    found = [each for each in await briefs(redis, ids) if each is not None]
    return found, ids[-1] if len(ids) == most else ""


async def briefs(redis: Redis, job_ids: Sequence[str]) -> list[Brief | None]:
    """Jobs in the order of their ids, None where there is none of ours. Raises StoreUnavailable."""
    with translated():
        pipeline = redis.pipeline(transaction=False)
        for job_id in job_ids:
            pipeline.hmget(keys.job(job_id), _FIELDS)
        # What others put in the place of one job must not hide all others.
        rows: list[Any] = await pipeline.execute(raise_on_error=False) if job_ids else []
        return [_brief(job_id, row) for job_id, row in zip(job_ids, rows, strict=True)]


async def _smallest(redis: Redis, sources: Sequence[Sequence[str]]) -> Sequence[str]:
    if len(sources) == 1:
        return sources[0]
    pipeline = redis.pipeline(transaction=False)
    for source in sources:
        for name in source:
            pipeline.zcard(name)
    sizes = iter(await pipeline.execute())
    return min((sum(next(sizes) for _ in source), source) for source in sources)[1]


async def _ids(
    redis: Redis, source: Sequence[str], after: str, most: int, newest_first: bool
) -> list[str]:
    pipeline = redis.pipeline(transaction=False)
    first, last = ("+", "-") if newest_first else ("-", "+")
    for name in source:
        start = f"({after}" if after else first
        pipeline.zrange(name, start, last, desc=newest_first, bylex=True, offset=0, num=most)
    found: set[bytes] = set()
    for members in await pipeline.execute():
        found.update(members)
    ordered = sorted(found, reverse=newest_first)[:most]
    return [each.decode() for each in ordered]


def _brief(job_id: str, row: Sequence[bytes | None] | Exception) -> Brief | None:
    if isinstance(row, ResponseError) and fault(row) is None:
        return None  # something else is in its place
    if isinstance(row, Exception):
        raise row
    state, tag, created, retried_as = row
    if state is None or tag is None:
        return None
    try:
        return Brief(
            job_id=job_id,
            state=State(state.decode()),
            tag=parse_tag(tag.decode().split(" ")),
            created_ms=int(float(created or 0)),
            retried_as=(retried_as or b"").decode(),
        )
    except (ValueError, OverflowError):
        return None  # written by others: as the scripts see it, no job
