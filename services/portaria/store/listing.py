"""What a listing looks at: the smallest set that holds all of what is wanted, by id."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from portaria.core.ids import id_floor
from portaria.core.states import State
from portaria.store import keys
from portaria.store.faults import translated
from portaria.store.walking import Brief, briefs, walk

_SKEW_MS = 600_000
"""How far the clock of a door, which makes the ids, may be off that of Redis."""

_REGISTRIES = {
    State.SUCCEEDED: "finished",
    State.FAILED: "failed",
    State.CANCELLED: "canceled",
    State.EXPIRED: "canceled",
    State.SCHEDULED: "scheduled",
    State.RETRYING: "scheduled",
    State.RUNNING: "wip",
    State.CANCELLING: "wip",
}
"""RQ's registries in which jobs of a state are; other jobs may be in them, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What is walked, and in which order: exactly `job_ids` where they are given, else an index."""

    newest_first: bool
    sources: Sequence[Sequence[str]] = ()
    """As of `sources_of`."""
    job_ids: tuple[str, ...] | None = None
    start: str = ""
    """The walk of an index begins behind this id; empty for the first one."""
    end: str = ""
    """It need not go beyond this id."""


def bounds(*, newest_first: bool, after_ns: int | None, before_ns: int | None) -> tuple[str, str]:
    """Start and end of the span that holds all jobs created between two moments."""
    oldest = "" if after_ns is None else id_floor(after_ns // 1_000_000 - _SKEW_MS)
    newest = "" if before_ns is None else id_floor(before_ns // 1_000_000 + 1 + _SKEW_MS)
    return (newest, oldest) if newest_first else (oldest, newest)


async def step(redis: Redis, span: Span, *, after: str, most: int) -> tuple[list[Brief], str]:
    """Looks at the next `most` ids, those after `after`; answers the jobs that are there, and the
    id to go on after: "" at the end. Raises StoreUnavailable.
    """
    with translated():
        if span.job_ids is None:
            found, following = await walk(
                redis,
                span.sources,
                after=after or span.start,
                most=most,
                newest_first=span.newest_first,
            )
            return found, "" if _is_over(span, following) else following
        ids = _after(span.job_ids, after, newest_first=span.newest_first)
        found = [each for each in await briefs(redis, ids[:most]) if each is not None]
        return found, ids[most - 1] if len(ids) > most else ""


async def ids_in_states(
    redis: Redis, states: Collection[State], *, of: Callable[[str], bool], most: int
) -> tuple[str, ...] | None:
    """The ids in RQ's registries of these states, over all queues that `of` wants.

    None where there are more than `most`, or where a state has no registry. Others are among them.
    """
    kinds = {_REGISTRIES.get(state, "") for state in states}
    if not kinds or "" in kinds:
        return None
    with translated():
        prefix = len(keys.queue(""))
        names = [each.decode(errors="replace")[prefix:] for each in await _queues(redis)]
        places = [keys.registry(kind, name) for name in names if of(name) for kind in kinds]
        pipeline = redis.pipeline(transaction=False)
        for place in places:
            pipeline.zcard(place)
        if sum(await pipeline.execute()) > most:
            return None
        for place in places:
            pipeline.zrange(place, 0, most)
        found = {
            each.decode(errors="replace").partition(":")[0]  # the id of id:token
            for registry in await pipeline.execute()
            for each in registry
        }
    return tuple(sorted(found))


async def _queues(redis: Redis) -> Collection[bytes]:
    found: Collection[bytes] = await redis.smembers(keys.QUEUES)  # type: ignore[assignment]
    return found


def _after(job_ids: Sequence[str], after: str, *, newest_first: bool) -> list[str]:
    ordered = sorted(job_ids, reverse=newest_first)
    if not after:
        return ordered
    return [each for each in ordered if (each < after if newest_first else each > after)]


def _is_over(span: Span, following: str) -> bool:
    if not (span.end and following):
        return False
    return following <= span.end if span.newest_first else following >= span.end
