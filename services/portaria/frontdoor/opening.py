"""Where a watch begins: the jobs as they are, and the place in the stream from which news count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portaria.core.errors import CursorExpired, NotFound
from portaria.core.states import TERMINAL
from portaria.frontdoor.cursor import Cursor, entry_order, is_trimmed
from portaria.frontdoor.feed import Feed
from portaria.frontdoor.plan import WatchPlan
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.selector import Selector
from portaria.frontdoor.subscription import Subscription
from portaria.store import JobRecord
from portaria.store.aio import Look

_SLICE = 200
Order = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What is known when the first frame is written."""

    reached: Cursor
    """Everything up to here is told by the first frame or was told before."""
    live_after: Order
    """What the subscription holds counts from here on."""
    seen: Mapping[str, Order]
    """The same for single jobs whose present state is told."""
    records: Sequence[JobRecord]
    missing: Sequence[str]
    unfinished: frozenset[str]
    """Explicit ids of which a last event will come."""
    history_until: str
    """Entries after `reached` up to here are read from the stream; empty for none."""


async def open_watch(
    plan: WatchPlan, subscription: Subscription, store: PromptStore, feed: Feed
) -> Opening:
    """Reads the explicit jobs, or those of the workflow.

    Raises NotFound for a single unknown id or an unknown workflow, and CursorExpired.
    """
    ids: Sequence[str] = plan.selector.job_ids
    if plan.selector.workflow_id and not ids:
        ids = await store.workflow_members(plan.selector.namespace, plan.selector.workflow_id)
        if not ids and plan.ends:
            raise NotFound("no such workflow, or it was purged")
    looks = [
        await store.look(ids[start : start + _SLICE]) for start in range(0, len(ids) or 1, _SLICE)
    ]
    found: dict[str, tuple[JobRecord, Look]] = {}
    for number, look in enumerate(looks):
        for job_id, record in zip(ids[number * _SLICE :], look.records, strict=False):
            if record is not None and _selects(plan.selector, record):
                found[job_id] = (record, look)
    missing = [job_id for job_id in plan.selector.job_ids if job_id not in found]
    if missing and len(ids) == 1:
        raise NotFound("no such job, or it was purged")
    if plan.cursor is not None:
        return _resumed(plan.cursor, looks[0], found, missing, subscription)
    generation = looks[0].generation or feed.position.generation
    # A workflow may have got further jobs between the two looks: what is news is told.
    start = looks[0].tail if plan.selector.job_ids else subscription.since
    return Opening(
        reached=Cursor(generation, start, looks[0].now_ms),
        live_after=entry_order(start),
        seen={job_id: entry_order(look.tail) for job_id, (_, look) in found.items()},
        records=[record for record, _ in found.values()],
        missing=missing,
        unfinished=frozenset(
            job_id for job_id, (record, _) in found.items() if record.state not in TERMINAL
        ),
        history_until="",
    )


def _resumed(
    cursor: Cursor,
    look: Look,
    found: Mapping[str, tuple[JobRecord, Look]],
    missing: Sequence[str],
    subscription: Subscription,
) -> Opening:
    if cursor.generation != look.generation:
        raise CursorExpired("the cursor is of another store, or of one that was emptied since")
    changed = {
        job_id for job_id, (record, _) in found.items() if _last_change(record) > cursor.order
    }
    # A job whose last change the caller has seen lost nothing, however long ago that was.
    if (changed or not (found or missing)) and is_trimmed(
        cursor, oldest=look.oldest, now_ms=look.now_ms
    ):
        raise CursorExpired("the history after the cursor was trimmed")
    since = entry_order(subscription.since)
    return Opening(
        reached=cursor,
        live_after=cursor.order,
        seen={},
        records=[],
        missing=missing,
        unfinished=frozenset(
            job_id
            for job_id, (record, _) in found.items()
            if record.state not in TERMINAL or job_id in changed
        ),
        history_until=subscription.since if cursor.order < since else "",
    )


def _selects(selector: Selector, record: JobRecord) -> bool:
    return selector.matches(record.tag)


def _last_change(record: JobRecord) -> Order:
    return entry_order(record.cursor or "0-0")
