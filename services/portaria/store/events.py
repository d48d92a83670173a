"""The streams: state changes for ever in order, and progress while somebody watches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

REMOVED = "REMOVED"
"""In place of a state: the job was purged."""

Entry = tuple[bytes, dict[bytes, bytes]]
"""Id and fields, as Redis gives them."""
Entries = list[Entry]


@dataclass(frozen=True, slots=True)
class Tag:
    """What changes of a job, if at all, only by a move: its queue."""

    queue: str
    type: str
    namespace: str
    workflow_id: str
    labels: Mapping[str, str]
    schedule_id: str = ""


@dataclass(frozen=True, slots=True)
class StateEvent:
    """One entry of portaria:events."""

    entry_id: str
    job_id: str
    state: str
    """A State, or REMOVED."""
    attempt: int
    previous: str
    """Empty for the first one; the same where a job that waits was moved."""
    worker: str
    next_ms: int
    """When a SCHEDULED or RETRYING job is due; 0 otherwise."""
    tag: Tag


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One entry of portaria:progress."""

    job_id: str
    attempt: int
    tag: Tag
    report: bytes
    """portaria.v1.Progress."""
    cancelling: bool = False
    """Whether the run had been asked to end."""


def job_id_of(packed: bytes) -> bytes:
    """The job of an entry without decoding the rest of it."""
    return packed.partition(b" ")[0]


def groups_of(packed: bytes) -> list[bytes]:
    """The workflow, the labels and the schedule of a state change, a word each, without decoding
    the rest.

    A label's word is that of `encode_labels`, a schedule's begins with "@".
    """
    return _groups(packed.split(b" ", 12)[9:12])


def groups_of_progress(packed: bytes) -> list[bytes]:
    """The same of the field `p` of a report."""
    return _groups(packed.split(b" ", 8)[5:8])


def _groups(words: list[bytes]) -> list[bytes]:
    return b"&".join(words).split(b"&")


def in_step(changes: Entries, reports: Entries, most: int) -> tuple[Entries, Entries]:
    """Both streams as far as both were read, where one read of both took `most` entries of each.

    Where one of them was cut there, what the other one has from that millisecond on is left to the
    next read: else the end of a run would come before its progress.
    """
    told_changes, told_reports = changes, reports
    if len(reports) >= most:
        told_changes = _before(changes, reports[-1])
    if len(changes) >= most:
        told_reports = _before(reports, changes[-1])
    if told_changes or told_reports:
        return told_changes, told_reports
    return changes, reports  # all of one millisecond: to wait for more would be to wait for ever


def _before(entries: Entries, last: Entry) -> Entries:
    return [each for each in entries if _milliseconds(each) < _milliseconds(last)]


def _milliseconds(entry: Entry) -> int:
    return int(entry[0].partition(b"-")[0])


def parse_state(entry_id: bytes, packed: bytes) -> StateEvent:
    """Reads the field `e` of an entry. Raises ValueError for what no script of ours wrote."""
    job_id, state, attempt, previous, worker, next_ms, *tag = packed.decode().split(" ")
    return StateEvent(
        entry_id=entry_id.decode(),
        job_id=job_id,
        state=state,
        attempt=int(attempt),
        previous="" if previous == "-" else previous,
        worker="" if worker == "-" else worker,
        next_ms=int(float(next_ms)),
        tag=parse_tag(tag),
    )


def parse_progress(packed: bytes, report: bytes) -> ProgressEvent:
    """Reads the fields `p` and `b` of an entry."""
    job_id, attempt, *tag = packed.decode().split(" ")
    # The state follows the tag; entries of an earlier release have none.
    return ProgressEvent(job_id, int(attempt), parse_tag(tag), report, "CANCELLING" in tag[5:])


def parse_tag(words: list[str]) -> Tag:
    """Reads the words of a tag; a later release may add some. Raises ValueError where one lacks."""
    queue, job_type, namespace, workflow_id, labels, *more = words
    return Tag(
        queue=queue,
        type=job_type,
        namespace=namespace,
        workflow_id="" if workflow_id == "-" else workflow_id,
        labels=decode_labels(labels),
        schedule_id=next((word[1:] for word in more if word.startswith("@")), ""),
    )


def encode_labels(labels: Iterable[tuple[str, str]]) -> str:
    """One word, "-" for none."""
    return "&".join(f"{quote(key)}={quote(value, safe='')}" for key, value in labels) or "-"


def decode_labels(word: str) -> dict[str, str]:
    """The inverse of `encode_labels`."""
    if word == "-":
        return {}
    pairs = (pair.partition("=") for pair in word.split("&"))
    return {unquote(key): unquote(value) for key, _, value in pairs}
