"""Where a watch begins: the jobs as they are, and the place in the stream from which news count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from portaria.core.errors import CursorExpired, NotFound, WorkflowNotFound
from portaria.core.states import TERMINAL
from portaria.frontdoor.convert import Converter
from portaria.frontdoor.cursor import Cursor, entry_order, is_trimmed
from portaria.frontdoor.feed import Feed
from portaria.frontdoor.frames import removed_event, snapshot_event
from portaria.frontdoor.looks import TOGETHER
from portaria.frontdoor.plan import WatchPlan
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.subscription import Subscription
from portaria.store import JobRecord
from portaria.store.aio import Look
from portaria.v1.job_pb2 import JOB_VIEW_BASIC
from portaria.v1.jobs_service_pb2 import JobEvent

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
    events: list[JobEvent]
    """What the first frame tells; who told it may empty it."""
    unfinished: frozenset[str]
    """Explicit ids of which a last event will come."""
    shown: Order = (0, 0)
    """The last change that the snapshot shows of any job. Who went on from a cursor before it
    would be told how one of them came there, so that its state went back."""
    history_until: str = ""
    """Entries after `reached` up to here are read from the stream; empty for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """One of the jobs. Not its record: that may be large, and there may be a thousand."""

    is_done: bool
    changed: Order
    """Its last change."""
    seen: Order
    """What comes after this entry of the stream is news of it."""
    snapshot: JobEvent | None


async def open_watch(
    plan: WatchPlan,
    subscription: Subscription,
    *,
    store: PromptStore,
    feed: Feed,
    converter: Converter,
) -> Opening:
    """Reads the explicit jobs, or those of the workflow.

    Raises NotFound for a single unknown id or an unknown workflow, and CursorExpired.
    """
    ids: Sequence[str] = plan.selector.job_ids
    if plan.selector.workflow_id and not ids:
        ids = await store.workflow_members(plan.selector.namespace, plan.selector.workflow_id)
        if not ids and plan.ends:
            raise WorkflowNotFound
    first, found = None, dict[str, _Found]()
    unseen = ids
    while first is None or unseen:
        for start in range(0, len(unseen) or 1, TOGETHER):
            look = await store.look(unseen[start : start + TOGETHER])
            first = first or replace(look, records=())
            found |= {
                record.job_id: _found(record, look, converter if plan.snapshot else None)
                for record in look.records
                if record is not None and plan.selector.matches(record.tag)
            }
        unseen = await _added(plan, ids, store=store)
        ids = [*ids, *unseen]
    missing = [job_id for job_id in plan.selector.job_ids if job_id not in found]
    if missing and len(ids) == 1:
        raise NotFound("no such job, or it was purged")
    removed = [removed_event(job_id, "NOT_FOUND") for job_id in missing]
    if plan.cursor is not None:
        return _resumed(plan, plan.cursor, first, found, removed, subscription)
    # A workflow may have got further jobs between the two looks: what is news is told.
    start_at = first.tail if plan.selector.job_ids else subscription.since
    generation = first.generation or feed.position.generation
    return Opening(
        reached=Cursor(generation, start_at, first.now_ms),
        live_after=entry_order(start_at),
        seen={job_id: each.seen for job_id, each in found.items()},
        events=removed + [each.snapshot for each in found.values() if each.snapshot is not None],
        unfinished=frozenset(job_id for job_id, each in found.items() if not each.is_done),
        shown=max(
            (each.changed for each in found.values() if each.snapshot is not None), default=(0, 0)
        ),
    )


async def _added(plan: WatchPlan, ids: Sequence[str], *, store: PromptStore) -> list[str]:
    """Jobs that jobs of the workflow submitted before they were seen to be done: where all that
    is known is done, nobody would wait for news of these.
    """
    if not plan.selector.workflow_id or plan.selector.job_ids:
        return []
    known = set(ids)
    now = await store.workflow_members(plan.selector.namespace, plan.selector.workflow_id)
    return [each for each in now if each not in known]


def _found(record: JobRecord, look: Look, converter: Converter | None) -> _Found:
    """`converter` for those of which a snapshot is wanted."""
    snapshot = None
    if converter is not None:
        snapshot = snapshot_event(converter.job_to_proto(record, look.generation, JOB_VIEW_BASIC))
    changed = entry_order(record.cursor or "0-0")
    return _Found(
        is_done=record.state in TERMINAL,
        changed=changed,
        seen=max(changed, entry_order(look.tail)),
        snapshot=snapshot,
    )


def _resumed(
    plan: WatchPlan,
    cursor: Cursor,
    look: Look,
    found: Mapping[str, _Found],
    removed: list[JobEvent],
    subscription: Subscription,
) -> Opening:
    if cursor.generation != look.generation:
        raise CursorExpired("the cursor is of another store, or of one that was emptied since")
    changed = {job_id for job_id, each in found.items() if each.changed > cursor.order}
    trimmed = is_trimmed(cursor, oldest=look.oldest, now_ms=look.now_ms)
    # A job whose last change the caller has seen lost nothing, however long ago that was.
    if trimmed and (changed or not (found or removed)):
        raise CursorExpired("the history after the cursor was trimmed")
    # Nor is there anything to read of it: all watchers of a door that ended come at once.
    tells = changed or removed or not plan.selector.job_ids
    reads = tells and not trimmed and cursor.order < entry_order(subscription.since)
    return Opening(
        reached=cursor,
        live_after=cursor.order,
        seen={},
        events=removed,
        unfinished=frozenset(
            job_id for job_id, each in found.items() if not each.is_done or job_id in changed
        ),
        history_until=subscription.since if reads else "",
    )
