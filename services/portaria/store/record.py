"""A job as Redis holds it: the hash rq:job:{id}, ours and RQ's fields side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from portaria.core.states import State
from portaria.store.events import Tag, parse_tag


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """The truth about a job; RQ's own fields (status, started_at…) only mirror it.

    Moments are milliseconds since 1970 by the clock of Redis, 0 where they have not come.
    """

    job_id: str
    state: State
    type: str
    tag: Tag
    envelope: bytes
    attempt: int
    failures: int
    max_attempts: int
    created_ms: int
    updated_ms: int
    due_ms: int
    before_ms: int
    deadline_ms: int
    started_ms: int
    ended_ms: int
    ttl_ms: int
    worker: str
    cursor: str
    """The stream's entry of the last change."""
    progress: bytes
    output: bytes
    failure: bytes
    past: bytes
    """The attempts that did not succeed; see `attempts`."""
    warnings: tuple[str, ...]
    cancel_reason: str = ""
    cancel_asked_ms: int = 0
    retried_from: str = ""
    """The job that this one repeats."""
    retried_as: str = ""
    """The job that repeats this one."""
    link: str = ""
    """Of a job of a workflow; see lua/flow.lua."""


def job_record(job_id: str, fields: Mapping[bytes, bytes]) -> JobRecord | None:
    """Reads a hash as HGETALL gives it; None where there is no such job, or it is not ours."""
    if b"state" not in fields:
        return None
    try:
        return _record(job_id, fields)
    except (ValueError, OverflowError):
        return None  # written by others: as the scripts see it, no job


def _record(job_id: str, fields: Mapping[bytes, bytes]) -> JobRecord:
    def text(name: bytes) -> str:
        return fields.get(name, b"").decode()

    def number(name: bytes) -> int:
        return int(float(fields.get(name) or 0))

    return JobRecord(
        job_id=job_id,
        state=State(text(b"state")),
        type=text(b"type"),
        tag=parse_tag(text(b"tag").split(" ")),
        envelope=fields.get(b"env", b""),
        attempt=number(b"attempt"),
        failures=number(b"failures"),
        max_attempts=number(b"max_attempts"),
        created_ms=number(b"created"),
        updated_ms=number(b"updated"),
        due_ms=number(b"due"),
        before_ms=number(b"before"),
        deadline_ms=number(b"deadline"),
        started_ms=number(b"started"),
        ended_ms=number(b"ended"),
        ttl_ms=number(b"ttl"),
        worker=text(b"worker_name"),
        cursor=text(b"cursor"),
        progress=fields.get(b"progress", b""),
        output=fields.get(b"output", b""),
        failure=fields.get(b"failure", b""),
        past=fields.get(b"past", b""),
        warnings=tuple(json.loads(fields.get(b"warnings") or b"[]")),
        cancel_reason=text(b"cancel_reason"),
        cancel_asked_ms=number(b"cancel_asked"),
        retried_from=text(b"retried_from"),
        retried_as=text(b"retried_as"),
        link=text(b"link"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAttempt:
    """An attempt that did not succeed. Moments as in JobRecord."""

    number: int
    started_ms: int
    """0 where it was over before anybody was told that it had begun."""
    ended_ms: int
    due_ms: int
    """Of the attempt that followed; 0 where none was planned."""
    worker: str
    what: str
    """crashes, losts, or "" where it failed by itself."""
    failure: bytes


def attempts(past: bytes) -> list[PastAttempt]:
    """Reads what prelude.lua writes, the oldest first; up to what is spoilt, if anything is."""
    found = []
    while past:
        line, _, rest = past.partition(b"\n")
        try:
            number, started, ended, due, what, length, worker = line.decode().split(" ", 6)
            size = int(length)
            attempt = PastAttempt(
                number=int(number),
                started_ms=int(started),
                ended_ms=int(ended),
                due_ms=int(due),
                worker=worker if worker != "-" else "",
                what=what if what != "-" else "",
                failure=rest[:size],
            )
        except ValueError:
            break
        found.append(attempt)
        past = rest[size:]
    return found
