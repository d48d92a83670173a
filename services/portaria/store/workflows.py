"""Workflows and batches as Redis holds them, read for callers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from portaria.core.states import State
from portaria.store import keys
from portaria.store.faults import translated

_FIELDS = (
    "namespace", "stage", "size", "created", "ended", "state", "c0", "head", "retried_as", "keep",
)  # fmt: skip
_AT_ONCE = 1_000
_PLACED = b"placed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRecord:
    """The hash of a workflow or a batch. Moments are milliseconds since 1970, 0 for none."""

    workflow_id: str
    namespace: str
    size: int
    """Jobs that were handed in together."""
    created_ms: int
    ended_ms: int
    state: State | None
    """None while it is open."""
    cause: str
    """Id of the job whose failure was the first that counts."""
    head: bytes
    """Sealed; empty of a batch without labels."""
    is_batch: bool
    retried_as: str


@dataclass(frozen=True, slots=True)
class MemberState:
    """What a tree shows of a job."""

    job_id: str
    state: State | None
    """None where it was purged."""
    type: str = ""
    failure: bytes = b""
    ended_ms: int = 0
    parent: str = ""
    """The job that submitted it, if one did."""


async def aread_workflows(redis: Redis, ids: Sequence[str]) -> list[WorkflowRecord | None]:
    """Those that are there as a whole; None for others. Raises StoreUnavailable."""
    with translated():
        pipeline = redis.pipeline(transaction=False)
        for each in ids:
            pipeline.hmget(keys.batch(each), *_FIELDS)
        rows: list[Any] = await pipeline.execute(raise_on_error=False)
    return [_record(each, row) for each, row in zip(ids, rows, strict=True)]


async def aread_ids(redis: Redis, namespace: str, *, before: str, most: int) -> list[str]:
    """The newest first, those before an id; "" for the first ones."""
    with translated():
        found: Any = await redis.zrevrangebylex(
            keys.workflows(namespace), f"({before}" if before else "+", "-", start=0, num=most
        )
    return [each.decode() for each in found]


async def aread_plan(redis: Redis, workflow_id: str) -> bytes | None:
    """The sealed plan; None of a batch."""
    with translated():
        found: Any = await redis.hget(keys.batch(workflow_id), "plan")
    return found  # type: ignore[no-any-return]


async def aread_ended(redis: Redis, workflow_ids: Sequence[str]) -> list[int]:
    """How many jobs of each workflow have ended, those that jobs submitted left out."""
    with translated():
        pipeline = redis.pipeline(transaction=False)
        for each in workflow_ids:
            pipeline.bitcount(keys.ended(each))
        found: list[int] = await pipeline.execute()
    return found


async def aread_members(redis: Redis, job_ids: Sequence[str]) -> list[MemberState]:
    """The states of at most 1,000 jobs, in order."""
    with translated():
        pipeline = redis.pipeline(transaction=False)
        for each in job_ids[:_AT_ONCE]:
            pipeline.hmget(keys.job(each), "state", "type", "failure", "ended", "parent")
        rows: list[Any] = await pipeline.execute(raise_on_error=False)
    return [_member(each, row) for each, row in zip(job_ids, rows, strict=True)]


async def aread_asked(redis: Redis, workflow_id: str) -> str:
    """By which call a workflow was handed in, as that call said; empty where it did not."""
    with translated():
        found: Any = await redis.hget(keys.batch(workflow_id), "asked")
    return found.decode() if found else ""


async def anote_retry(redis: Redis, workflow_id: str, retried_as: str) -> None:
    """Notes by which workflow another one was handed in again. Harmless when repeated."""
    with translated():
        if await redis.exists(keys.batch(workflow_id)):
            await redis.hset(keys.batch(workflow_id), "retried_as", retried_as)


def _record(workflow_id: str, row: Any) -> WorkflowRecord | None:
    if isinstance(row, Exception) or row[0] is None or row[1] != _PLACED:
        return None
    namespace, _, size, created, ended, state, cause, head, retried_as, keep = row
    try:
        return WorkflowRecord(
            workflow_id=workflow_id,
            namespace=namespace.decode(),
            size=int(size),
            created_ms=int(created),
            ended_ms=int(ended or 0),
            state=State(state.decode()) if state else None,
            cause=(cause or b"").decode().partition(" ")[0],
            head=head or b"",
            is_batch=keep is None,
            retried_as=(retried_as or b"").decode(),
        )
    except (ValueError, TypeError):
        return None  # written by others


def _member(job_id: str, row: Any) -> MemberState:
    if isinstance(row, Exception) or row[0] is None:
        return MemberState(job_id, None)
    state, job_type, failure, ended, parent = row
    try:
        return MemberState(
            job_id,
            State(state.decode()),
            (job_type or b"").decode(),
            failure or b"",
            int(ended or 0),
            (parent or b"").decode(),
        )
    except ValueError:
        return MemberState(job_id, None)
