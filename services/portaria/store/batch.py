"""Jobs that were handed in together: written in slices, placed when all of them are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from portaria.store import keys
from portaria.store.calls import MOST_AT_ONCE, Argument, Call, Submission, hook_fields, tag
from portaria.store.scripts import script


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What all slices of a batch have in common."""

    namespace: str
    request_id: str
    content_hash: str
    """Hex; of the whole batch."""
    batch_id: str
    """Its workflow id; see core/ids.py."""
    size: int
    """Numbers that its jobs have, those included that are not written since they are bad."""
    partial: bool = False
    """A job whose unique key is held is left out, instead of all."""


Kind = tuple[str, str, int, int, int, int, str]
"""Queue, type, timeout in s, ttl in ms, attempts, at most once, tag: what many jobs may share."""
Member = Sequence[Argument]
"""Number, that of its kind from 1, envelope, key of its unique key, then its `rest_of`."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the jobs, at most 200."""

    start: int
    stop: int
    """The numbers from `start` up to before `stop` are settled by it."""
    kinds: Sequence[Kind] = ()
    members: Sequence[Member] = ()
    fields: Mapping[str, Argument] = field(default_factory=dict)
    """Of the batch's hash, of a workflow: see flow.lua."""


class Stage(StrEnum):
    """How far a batch is."""

    OPEN = "open"
    """Some of it is written."""
    WHOLE = "whole"
    """All of it is written: it will be placed, by whoever comes first."""
    PLACED = "placed"
    LEAVING = "leaving"
    """It will be removed, for it was not whole in time."""


@dataclass(frozen=True, slots=True)
class Held:
    """A job of a batch whose unique key another open job holds."""

    job_id: str
    """The other one."""
    is_answer: bool
    """The caller takes the other one instead."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a slice."""

    word: str
    """ok; known (by an earlier call, or not the next one), reused (request_id), held, gone."""
    batch_id: str = ""
    """Where the word is known or reused."""
    stage: Stage = Stage.OPEN
    written: int = 0
    """Where the word is known: up to which number."""
    held: Mapping[int, Held] = field(default_factory=dict)
    """Of all slices so far."""


def write_slice(batch: Batch, part: Slice) -> Call[Written]:
    """Writes some jobs of a batch; an empty slice from its end on places what is whole."""
    if len(part.members) > MOST_AT_ONCE:
        raise ValueError(f"{len(part.members)} jobs at once: at most {MOST_AT_ONCE}")
    arguments: list[Argument] = [
        batch.content_hash,
        batch.batch_id,
        batch.namespace,
        batch.size,
        part.start,
        part.stop,
        int(batch.partial),
        len(part.kinds),
    ]
    for kind in part.kinds:
        arguments += kind
    arguments.append(len(part.fields))
    for pair in part.fields.items():
        arguments += pair
    for member in part.members:
        arguments += member
    return Call(
        script("batch"),
        (keys.request(batch.namespace, batch.request_id), keys.batch(batch.batch_id), keys.BATCHES),
        arguments,
        _written,
    )


def kind_of(job: Submission) -> Kind:
    """What other jobs of its batch may have, too."""
    return (
        job.queue,
        job.type,
        job.timeout_s,
        job.ttl_ms,
        job.max_attempts,
        int(job.at_most_once),
        tag(job),
    )


def unique_of(job: Submission) -> str:
    """The key that stands for its unique key; empty where it has none."""
    return keys.unique(job.namespace, job.type, job.unique_key) if job.unique_key else ""


def rest_of(job: Submission, link: bytes = b"") -> Sequence[Argument]:
    """Its times, empty for a job that runs at once, has no limit, takes no other for itself and has
    no hooks; its link; the fields of its hooks."""
    hooks = hook_fields(job)
    times = (job.delay_ms, job.run_at_ms, job.before_ms, job.deadline_ms, int(job.use_existing))
    if not (hooks or any(times)):
        return ("", link)
    return (" ".join(map(str, (*times, len(hooks)))), link, *hooks)


def settle(most: int = MOST_AT_ONCE) -> Call[int]:
    """Removes batches that were not whole in time, and goes on with those that are.

    Answers how many jobs it looked at.
    """
    return Call(script("settle"), (keys.BATCHES,), (most,), int)


def _written(reply: Any) -> Written:
    word = reply[0].decode()
    if word == "gone":
        return Written(word)
    if word == "reused":
        return Written(word, reply[1].decode())
    if word == "held":
        return Written(word, held={int(reply[1]): Held(reply[2].decode(), is_answer=False)})
    if word == "known":
        stage = Stage(reply[2].decode())
        return Written(word, reply[1].decode(), stage, int(reply[3]), _held(reply[5:]))
    return Written(word, "", Stage(reply[1].decode()), 0, _held(reply[3:]))


def _held(words: Sequence[bytes]) -> dict[int, Held]:
    numbers, kinds, ids = words[::3], words[1::3], words[2::3]
    return {
        int(number): Held(job_id.decode(), is_answer=kind == b"same")
        for number, kind, job_id in zip(numbers, kinds, ids, strict=True)
    }
