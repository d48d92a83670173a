"""From what callers say to a selector of jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypedDict

from google.protobuf.message import Message

from portaria.client.requests import timestamp
from portaria.core.errors import InvalidRequest, Violation
from portaria.v1.job_pb2 import JobState
from portaria.v1.jobs_service_pb2 import JobSelector

_MOST_IDS = 1_000


class Lasting(TypedDict, total=False):
    """What jobs have in common for good: fields are ANDed, values inside one field ORed."""

    types: Sequence[str | type[Message]]
    """Classes of payloads, or full names."""
    domains: Sequence[str]
    queues: Sequence[str]
    """As "mail:high"."""
    labels: Mapping[str, str]
    workflow_id: str
    schedule_id: str


class Selection(Lasting, total=False):
    """What jobs have in common now."""

    states: Sequence[str]
    """As "FAILED"."""
    created_after: datetime
    created_before: datetime


def selectors(job_ids: Sequence[str], selection: Selection) -> Iterator[JobSelector]:
    """One for each thousand ids; a single one where none is given. Raises InvalidRequest."""
    for start in range(0, len(job_ids) or 1, _MOST_IDS):
        selector = lasting_selector(job_ids[start : start + _MOST_IDS], selection)
        selector.states.extend(_state(each) for each in selection.get("states", ()))
        if after := selection.get("created_after"):
            selector.created_after.CopyFrom(timestamp(after, "selector.created_after"))
        if before := selection.get("created_before"):
            selector.created_before.CopyFrom(timestamp(before, "selector.created_before"))
        yield selector


def lasting_selector(job_ids: Iterable[str], selection: Lasting) -> JobSelector:
    """All of it in one."""
    return JobSelector(
        job_ids=job_ids,
        types=[_type_name(each) for each in selection.get("types", ())],
        domains=selection.get("domains", ()),
        queues=selection.get("queues", ()),
        labels=selection.get("labels", {}),
        workflow_id=selection.get("workflow_id", ""),
        schedule_id=selection.get("schedule_id", ""),
    )


def _type_name(kind: str | type[Message]) -> str:
    return kind if isinstance(kind, str) else str(kind.DESCRIPTOR.full_name)


def _state(name: str) -> JobState.ValueType:
    try:
        return JobState.Value(f"JOB_STATE_{name.upper()}")
    except ValueError:
        text = f"has no state {name.upper()}"
        raise InvalidRequest([Violation("selector.states", "UNKNOWN", text)]) from None
