"""The frames of one watch."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from portaria.core.errors import SlowWatcher, StoreUnavailable
from portaria.core.states import TERMINAL
from portaria.frontdoor.convert import Converter
from portaria.frontdoor.cursor import Cursor, entry_order
from portaria.frontdoor.feed import Feed
from portaria.frontdoor.frames import (
    change_event,
    in_order,
    needs_record,
    progress_event,
    readable,
    removed_event,
    run_ended,
    snapshot_event,
    split,
)
from portaria.frontdoor.opening import Opening
from portaria.frontdoor.plan import WatchPlan
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.subscription import Report, Subscription
from portaria.store import JobRecord
from portaria.store.events import REMOVED, StateEvent, job_id_of
from portaria.v1.job_pb2 import JOB_VIEW_BASIC
from portaria.v1.jobs_service_pb2 import JobEvent, WatchJobsResponse

Answer = TypeVar("Answer")

_ENDS = {*TERMINAL, REMOVED}
_PAUSE = 0.2


@dataclass(kw_only=True)
class Stream:
    """Writes what an opening and its subscription hold, and then each news."""

    plan: WatchPlan
    opening: Opening
    subscription: Subscription
    store: PromptStore
    feed: Feed
    converter: Converter
    heartbeat: float
    write: Callable[[WatchJobsResponse], Awaitable[None]]
    _reached: Cursor = field(init=False)
    _unfinished: set[str] = field(init=False)
    _heartbeat_at: float = field(default=0.0, init=False)
    _progress_at: float = field(default=-math.inf, init=False)

    def __post_init__(self) -> None:
        self._reached = self.opening.reached
        self._unfinished = set(self.opening.unfinished)

    async def run(self) -> None:
        """Writes frames until all is told. Raises what ends the watch before."""
        events = [removed_event(job_id, "NOT_FOUND") for job_id in self.opening.missing]
        if self.plan.snapshot:
            events += [self._snapshot(record) for record in self.opening.records]
        await self._send(events, self._reached, opening=True)
        if self.opening.history_until:
            await self._replay(self.opening.history_until)
        while self._unfinished or not self.plan.ends:
            await self._next()

    def _snapshot(self, record: JobRecord) -> JobEvent:
        generation = self._reached.generation
        return snapshot_event(self.converter.job_to_proto(record, generation, JOB_VIEW_BASIC))

    async def _replay(self, until: str) -> None:
        """The history up to where the subscription began."""
        wanted = {job_id.encode() for job_id in self.plan.selector.job_ids}
        while entries := await self._patiently(
            lambda: self.store.history(self._reached.entry_id, until)
        ):
            read = [
                readable(entry_id, packed)
                for entry_id, packed in entries
                if not wanted or job_id_of(packed) in wanted
            ]
            changes = [each for each in read if each and self.plan.selector.matches(each.tag)]
            reached = replace(self._reached, entry_id=entries[-1][0].decode())
            if changes:
                await self._tell(changes, {}, reached)
            self._reached = reached

    async def _next(self) -> None:
        """Waits for what is to be told next, and tells it."""
        while not self._is_ready():
            await self.subscription.news(self._wake_at())
        if isinstance(self.subscription.error, SlowWatcher):
            raise self.subscription.error
        changes = [each for each in self.subscription.take_changes() if self._is_news(each)]
        reports = self._due_reports(changes)
        position = self.feed.position
        if position.order < self._reached.order or position.generation != self._reached.generation:
            position = self._reached
        await self._tell(changes, reports, position)
        if self.subscription.error is not None:
            raise self.subscription.error

    def _is_ready(self) -> bool:
        subscription = self.subscription
        if subscription.changes or subscription.error is not None:
            return True
        return self._wake_at() <= _clock()

    def _wake_at(self) -> float:
        progress_at = self._progress_at if self.subscription.reports else math.inf
        return min(self._heartbeat_at, progress_at)

    def _is_news(self, change: StateEvent) -> bool:
        seen = self.opening.seen.get(change.job_id, self.opening.live_after)
        return entry_order(change.entry_id) > seen

    def _due_reports(self, changes: Sequence[StateEvent]) -> dict[str, Report]:
        """All progress once an interval; of a run that ended, at once."""
        reports = self.subscription.reports
        if not reports:
            return {}
        if _clock() >= self._progress_at:
            self._progress_at = _clock() + self.plan.interval
            return self.subscription.take_reports()
        ended = {each.job_id for each in changes if run_ended(each)}
        return {job_id: reports.pop(job_id) for job_id in ended & reports.keys()}

    async def _tell(
        self, changes: Sequence[StateEvent], reports: Mapping[str, Report], reached: Cursor
    ) -> None:
        include = self.plan.include_result
        ids = {each.job_id for each in changes if needs_record(each, include_result=include)}
        records = await self._patiently(lambda: self._records(sorted(ids))) if ids else {}
        events = [
            progress_event(each)
            if isinstance(each, Report)
            else change_event(
                each, records.get(each.job_id), self.converter, include_result=include
            )
            for each in in_order(changes, reports)
        ]
        await self._send(events, reached)
        self._unfinished -= {each.job_id for each in changes if each.state in _ENDS}

    async def _send(
        self, events: Sequence[JobEvent], reached: Cursor, *, opening: bool = False
    ) -> None:
        """One frame, or several where it would be too large; only the last has `reached`."""
        pieces = list(split(events))
        for number, piece in enumerate(pieces, start=1):
            last = number == len(pieces)
            if last:
                self._reached = reached
            frame = WatchJobsResponse(
                events=piece,
                cursor=str(self._reached),
                snapshot_complete=opening and last,
                coalesced=self.subscription.take_coalesced(),
            )
            await self.subscription.write(self.write(frame))
        self._heartbeat_at = _clock() + self.heartbeat

    async def _records(self, job_ids: Sequence[str]) -> dict[str, JobRecord]:
        records = await self.store.get_many(job_ids)
        return {record.job_id: record for record in records if record is not None}

    async def _patiently(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Asks the store until it answers: a watch stays open while Redis is away."""
        while True:
            try:
                return await ask()
            except StoreUnavailable:
                if self.subscription.error is not None:
                    raise self.subscription.error from None
                if _clock() >= self._heartbeat_at:
                    await self._send([], self._reached)
                await asyncio.sleep(_PAUSE)


def _clock() -> float:
    return asyncio.get_running_loop().time()
