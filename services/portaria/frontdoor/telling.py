"""What a watch tells of changes and reports, with what only the records know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from portaria.core.states import State
from portaria.frontdoor.convert import Converter
from portaria.frontdoor.frames import change_event, has_failure, progress_event
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.subscription import Report
from portaria.store.ends import ends
from portaria.store.events import StateEvent
from portaria.v1.jobs_service_pb2 import JobEvent

Told = StateEvent | Report

# Records that are read at once: a failure has some KiB, a result up to 4 MiB.
_MOST_FAILURES, _MOST_RESULTS = 50, 10


def portions(ordered: Iterable[Told], *, include_result: bool) -> list[list[Told]]:
    """Pieces of which each needs few records, so that one is told before those of the next are
    read; one piece for nothing.
    """
    pieces: list[list[Told]] = [[]]
    most, needed = _MOST_RESULTS if include_result else _MOST_FAILURES, 0
    for each in ordered:
        if _needs_record(each, include_result=include_result):
            if needed == most:
                pieces.append([])
                needed = 0
            needed += 1
        pieces[-1].append(each)
    return pieces


async def events_of(
    piece: Sequence[Told], *, store: PromptStore, converter: Converter, include_result: bool
) -> list[JobEvent]:
    """One event for each. Raises StoreUnavailable."""
    ids = {
        each.job_id
        for each in piece
        if isinstance(each, StateEvent) and _needs_record(each, include_result=include_result)
    }
    records = (
        await store.read(lambda each: ends(each.redis, ids, results=include_result)) if ids else {}
    )
    return [
        progress_event(each)
        if isinstance(each, Report)
        else change_event(each, records.get(each.job_id), converter, include_result=include_result)
        for each in piece
    ]


def _needs_record(told: Told, *, include_result: bool) -> bool:
    """Whether the stream says too little about it."""
    return isinstance(told, StateEvent) and (
        has_failure(told) or (include_result and told.state == State.SUCCEEDED)
    )
