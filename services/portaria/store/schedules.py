"""Each change of a schedule as one call of a script: of its definition, and its ticks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from portaria.store import keys
from portaria.store.calls import Argument, Call, Submission, Submitted, submit
from portaria.store.scripts import script


@dataclass(frozen=True, slots=True)
class Paused:
    """Who stopped a schedule, when and why."""

    reason: str
    by: str
    at_ms: int


# --- definitions --------------------------------------------------------------------------------


class Changed(StrEnum):
    """What became of a change of a schedule."""

    OK = "ok"
    MISSING = "missing"
    STALE = "stale"
    """Its revision is not the one that was read."""
    EXISTS = "exists"
    SAME = "same"
    """It exists with this very content; nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What is written of a schedule."""

    revision: str
    """Random; another one for each change."""
    sealed: bytes
    content_hash: str
    owner: str = ""
    release: str = ""
    next_ms: int = 0
    """Its first tick from now on; 0 where there is none, KEEP where the plan stays as it is."""


KEEP = -1
ANY = "*"
"""Any revision."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The release of a declared list for which something is written: only while it is the one."""

    owner: str
    release: str


def create(
    namespace: str, schedule_id: str, made: Definition, applied: Applied | None = None
) -> Call[Changed]:
    """Makes a schedule: ok, exists or same; stale where another release applies its list."""
    return _change("create", namespace, schedule_id, "", made.next_ms, _words(made), applied)


def replace(
    namespace: str,
    schedule_id: str,
    made: Definition,
    seen: str = ANY,
    applied: Applied | None = None,
) -> Call[Changed]:
    """Gives a schedule another definition; a paused one stays so. Ok, missing or stale."""
    return _change("replace", namespace, schedule_id, seen, made.next_ms, _words(made), applied)


def remove(
    namespace: str, schedule_id: str, seen: str = ANY, applied: Applied | None = None
) -> Call[Changed]:
    """Forgets a schedule and its history; its jobs stay. Ok, missing or stale."""
    return _change("remove", namespace, schedule_id, seen, applied=applied)


def pause(namespace: str, schedule_id: str, paused: Paused) -> Call[Changed]:
    """No tick fires from now on; pausing again replaces the reason. Ok or missing."""
    words = [json.dumps({"reason": paused.reason, "by": paused.by, "at_ms": paused.at_ms})]
    return _change("pause", namespace, schedule_id, ANY, 0, words)


def resume(namespace: str, schedule_id: str, seen: str, next_ms: int) -> Call[Changed]:
    """Ticks fire again from `next_ms` on, which follows from the revision that was seen."""
    return _change("resume", namespace, schedule_id, seen, next_ms)


def plan(namespace: str, schedule_id: str, seen: str, next_ms: int) -> Call[Changed]:
    """Puts right a next tick that others spoilt. Ok, missing or stale."""
    return _change("plan", namespace, schedule_id, seen, next_ms)


def fault(namespace: str, schedule_id: str, seen: str, tick_ms: int, why: str) -> Call[Changed]:
    """Says why the tick that was seen cannot fire, until it does or the schedule is replaced.

    Ok, missing, or stale where it has fired since.
    """
    return _change("fault", namespace, schedule_id, seen, tick_ms, [why])


def _moment(next_ms: int) -> Argument:
    return "keep" if next_ms == KEEP else next_ms or ""


def _words(made: Definition) -> list[Argument]:
    return [made.revision, made.sealed, made.content_hash, made.owner, made.release]


def _change(
    op: str,
    namespace: str,
    schedule_id: str,
    seen: str,
    next_ms: int = 0,
    more: Sequence[Argument] = (),
    applied: Applied | None = None,
) -> Call[Changed]:
    names: tuple[str, ...] = (
        keys.schedule(namespace, schedule_id),
        keys.ticks(namespace),
        keys.schedules(namespace),
        keys.runs(namespace, schedule_id),
    )
    words: tuple[Argument, ...] = (op, schedule_id, seen, _moment(next_ms), *more)
    if applied is not None:
        names += (keys.RELEASES,)
        words += (keys.release(namespace, applied.owner), applied.release)
    return Call(script("schedule"), names, words, lambda reply: Changed(reply[0].decode()))


# --- ticks --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One step of a schedule; see tick.lua."""

    namespace: str
    schedule_id: str
    revision: str
    seen_ms: int = 0
    """The next tick as it was read; 0 for a run by hand, which leaves the plan as it is."""
    tick_ms: int
    next_ms: int = 0
    """0 where none follows."""
    is_alone: bool = True
    """Whether it is passed over while the last run is open."""
    passed: int = 0
    """How many before it are passed over with it."""
    reason: str = "-"
    submission: Submission | None = None
    """None where it is passed over itself."""
    request_id: str = ""
    """Of a run by hand: where it stands for another submission, nothing is written."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """What became of a tick."""

    word: str
    """gone (somebody was faster, or the definition changed), passed, or fired."""
    reason: str = ""
    open_job_id: str = ""
    """The run for which it was passed over."""
    submitted: Submitted | None = None


def tick(step: Tick) -> Call[Ticked]:
    """Fires a tick, or passes it over, and moves the schedule on; each exactly once."""
    namespace, schedule_id = step.namespace, step.schedule_id
    if step.request_id:
        record = keys.request(namespace, step.request_id)
    else:
        record = keys.tick(namespace, schedule_id, step.tick_ms)
    job, job_id = None, ""
    if step.submission is not None:
        job, job_id = submit(step.submission), step.submission.job_id
    names = (
        keys.ticks(namespace),
        keys.schedule(namespace, schedule_id),
        keys.runs(namespace, schedule_id),
        record,
        *(job.keys[1:] if job else ()),
    )
    words = (
        schedule_id,
        step.seen_ms or "",
        step.revision,
        step.next_ms or "",
        "skip" if step.is_alone else "allow",
        step.tick_ms,
        step.passed,
        step.reason,
        job_id,
        *(job.arguments if job else ()),
    )

    def parse(reply: Any) -> Ticked:
        word = reply[0].decode()
        if word == "passed":
            return Ticked(word, reply[1].decode(), reply[2].decode().strip("-"))
        if word == "fired" and job is not None:
            return Ticked(word, submitted=job.parse(reply[1]))
        return Ticked(word)

    return Call(script("tick"), names, words, parse)
