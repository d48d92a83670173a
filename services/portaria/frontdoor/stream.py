"""The frames of one watch."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from portaria.core.errors import SlowWatcher, StoreUnavailable
from portaria.frontdoor.convert import Converter
from portaria.frontdoor.cursor import Cursor, entry_order
from portaria.frontdoor.feed import Feed
from portaria.frontdoor.frames import in_order, outdates_progress, split
from portaria.frontdoor.history import page
from portaria.frontdoor.opening import Opening
from portaria.frontdoor.plan import WatchPlan
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.subscription import Report, Subscription
from portaria.frontdoor.telling import events_of, portions
from portaria.store.events import StateEvent
from portaria.v1.jobs_service_pb2 import JobEvent, WatchJobsResponse

Answer = TypeVar("Answer")

_PAUSE = 0.2
_LOOK, _LOOKING = 0.02, 1.0
"""Seconds between two looks whether a cursor that was withheld is good by now, and for how long."""


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
    _owed_until: float = field(default=-math.inf, init=False)
    """Until then its caller is to have a first cursor: cut off without one, it begins again."""

    def __post_init__(self) -> None:
        self._reached = self.opening.reached
        self._unfinished = set(self.opening.unfinished)

    async def run(self) -> None:
        """Writes frames until all is told. Raises what ends the watch before."""
        await self._open()
        if self.opening.history_until:
            await self._replay(self.opening.history_until)
        while self._unfinished or not self.plan.ends:
            await self._next()

    async def _open(self) -> None:
        """The first frame, or several: only the last one of a snapshot has a cursor, since the
        rest of it would be missed by who went on from there.
        """
        pieces = split(self.opening.events)
        self.opening.events.clear()
        for number, piece in enumerate(pieces, start=1):
            last = number == len(pieces)
            is_whole = last or not self.plan.snapshot
            await self._write(piece, self._reached if is_whole else None, opened=last)

    async def _replay(self, until: str) -> None:
        """The history up to where the subscription began. Raises CursorExpired."""
        while self._reached.order < entry_order(until):
            if self.subscription.error is not None:
                raise self.subscription.error
            changes, reached = await self._patiently(
                lambda: page(self.plan.selector, self._reached, until, store=self.store)
            )
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
        await self._tell(changes, self._due_reports(changes), self._place(changes))
        if self.subscription.error is not None:
            raise self.subscription.error

    def _place(self, changes: Sequence[StateEvent]) -> Cursor:
        """Up to where all is told when these are."""
        place = self.feed.position
        if self.subscription.has_gap and changes:
            place = replace(self._reached, entry_id=changes[-1].entry_id)
        elif self.subscription.has_gap or place.generation != self._reached.generation:
            return self._reached
        return max(place, self._reached, key=lambda each: each.order)

    def _is_ready(self) -> bool:
        subscription = self.subscription
        if subscription.changes or subscription.error is not None:
            return True
        return self._wake_at() <= _clock()

    def _wake_at(self) -> float:
        progress_at = self._progress_at if self.subscription.reports else math.inf
        return min(self._heartbeat_at, progress_at, self._cursor_at())

    def _cursor_at(self) -> float:
        """When to write a frame for the sake of its cursor. Nobody tells a watch that the feed is
        past what its snapshot shows, where what it read was of other jobs.
        """
        now = _clock()
        if now >= self._owed_until:
            return math.inf
        return now if self.feed.position.order >= self.opening.shown else now + _LOOK

    def _is_news(self, change: StateEvent) -> bool:
        return entry_order(change.entry_id) > self._known_until(change.job_id)

    def _known_until(self, job_id: str) -> tuple[int, int]:
        """The place up to which a job's story was told when the watch began."""
        return self.opening.seen.get(job_id, self.opening.live_after)

    def _due_reports(self, changes: Sequence[StateEvent]) -> dict[str, Report]:
        """All progress once an interval; what a change outdates, at once."""
        reports = self.subscription.reports
        if not reports:
            return {}
        if _clock() >= self._progress_at:
            self._progress_at = _clock() + self.plan.interval
            due = self.subscription.take_reports()
        else:
            old = {each.job_id for each in changes if outdates_progress(each)}
            due = {job_id: reports.pop(job_id) for job_id in old & reports.keys()}
        return {job_id: each for job_id, each in due.items() if self._is_fresh(each)}

    def _is_fresh(self, report: Report) -> bool:
        """Whether it is not from before what is known: a door that lags reads such reports."""
        return report.time_ms >= self._known_until(report.event.job_id)[0]

    async def _tell(
        self, changes: Sequence[StateEvent], reports: Mapping[str, Report], reached: Cursor
    ) -> None:
        """A piece at a time, the last one with `reached`: what was told is told, whatever happens
        to the rest.
        """
        include = self.plan.include_result
        read = partial(
            events_of, store=self.store, converter=self.converter, include_result=include
        )
        pieces = portions(in_order(changes, reports), include_result=include)
        for number, piece in enumerate(pieces, start=1):
            if number > 1 and self.subscription.error is not None:
                raise self.subscription.error
            events = await self._patiently(partial(read, piece))
            entries = ["" if isinstance(each, Report) else each.entry_id for each in piece]
            await self._send(events, entries, reached if number == len(pieces) else None)
            self._note_ends(events)

    def _note_ends(self, events: Sequence[JobEvent]) -> None:
        """One after the other: a job that begins and ends in one piece has ended."""
        for each in events:
            if each.done:
                self._unfinished.discard(each.job_id)
            elif self.plan.selector.workflow_id and each.HasField("state_change"):
                # Its jobs may submit others; before they end, so that none is missed.
                self._unfinished.add(each.job_id)

    async def _send(
        self, events: Sequence[JobEvent], entries: Sequence[str], reached: Cursor | None
    ) -> None:
        """One frame, or several where it would be too large, each with the place up to which it
        tells; `entries` has that of each event that is a state change. Without `reached`, the
        last one tells as far as its last change.
        """
        told, pieces = 0, split(events)
        for number, piece in enumerate(pieces, start=1):
            told += len(piece)
            if reached is not None and number == len(pieces):
                self._reached = reached
            elif entry := next(filter(None, reversed(entries[:told])), ""):
                self._reached = replace(self._reached, entry_id=entry)
            await self._write(piece, self._reached)

    async def _write(
        self, events: Sequence[JobEvent], reached: Cursor | None, *, opened: bool = False
    ) -> None:
        resumes = reached is not None and reached.order >= self.opening.shown
        if opened and not resumes:
            self._owed_until = _clock() + _LOOKING
        elif resumes or self.feed.position.order >= self.opening.shown:
            self._owed_until = -math.inf  # it has one, or lost its place and is about to end
        frame = WatchJobsResponse(
            events=events,
            cursor=str(reached) if resumes else "",
            snapshot_complete=opened,
            coalesced=self.subscription.take_coalesced(),
        )
        await self.subscription.write(self.write(frame))
        self._heartbeat_at = _clock() + self.heartbeat

    async def _patiently(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Asks the store until it answers: a watch stays open while Redis is away."""
        while True:
            try:
                return await ask()
            except StoreUnavailable:
                if self.subscription.error is not None:
                    raise self.subscription.error from None
                if _clock() >= self._heartbeat_at:
                    await self._write([], self._reached)
                await asyncio.sleep(_PAUSE)


def _clock() -> float:
    return asyncio.get_running_loop().time()
