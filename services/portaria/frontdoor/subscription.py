"""What waits for one watcher: state changes in order, and the latest progress of each job."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass

from portaria.core.errors import PortariaError, ShuttingDown, SlowWatcher
from portaria.frontdoor.selector import Selector
from portaria.store.events import ProgressEvent, StateEvent

MOST_CHANGES = 10_000
LAST_WRITE_SECONDS = 1.0
"""What a watch that is ended by us has left to take its last frame."""
LONGEST_WRITE = 60.0
"""Seconds until a watcher that takes nothing is ended, however little its slot holds: some of its
frames are kept for it, and nobody may ever come for them."""


@dataclass(frozen=True, slots=True)
class Report:
    """The latest progress of a job, and when the store took it."""

    time_ms: int
    event: ProgressEvent


class Subscription:
    """The slot that the feed fills and one watcher empties."""

    def __init__(
        self,
        selector: Selector,
        *,
        progress: bool,
        most_changes: int,
        longest_write: float = LONGEST_WRITE,
    ) -> None:
        self.selector = selector
        self.wants_progress = progress
        self.since = "0-0"
        """Everything after this entry comes; set by the feed."""
        self.error: PortariaError | None = None
        self.has_gap = False
        """Whether something was not handed to it, and so nothing after that either: what is in the
        slot is from before the gap, and the feed's place says nothing of it."""
        self.changes: list[StateEvent] = []
        self.reports: dict[str, Report] = {}
        self.coalesced = 0
        # A workflow's come in bursts while all of its jobs are looked at.
        self._most_changes = most_changes * (5 if selector.workflow_id else 1)
        self._longest_write = longest_write
        self._news = asyncio.Event()
        self._patience: asyncio.Timeout | None = None

    def offer_change(self, event: StateEvent) -> None:
        """Keeps a state change; ends a watcher that has left too many."""
        if self.has_gap:
            return
        if len(self.changes) >= self._most_changes:
            self.fail(_slow())
            return
        self.changes.append(event)
        self._news.set()

    def offer_report(self, report: Report) -> None:
        """Keeps a job's progress in place of an earlier one that nobody took."""
        if self.has_gap:
            return
        if self.reports.pop(report.event.job_id, None) is not None:
            self.coalesced += 1
        self.reports[report.event.job_id] = report
        self._news.set()

    def fail(self, error: PortariaError) -> None:
        """Ends the watch, a write that does not get through included. The first error counts."""
        # Only a door that shuts down still hands out all that comes.
        self.has_gap = self.has_gap or not isinstance(error, ShuttingDown)
        if self.error is not None:
            return
        self.error = error
        self._news.set()
        if self._patience is not None:
            self._patience.reschedule(_clock() + self._last_write())

    async def news(self, until: float) -> None:
        """Waits for anything new, or until that time of the event loop."""
        try:
            async with asyncio.timeout_at(until):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()

    async def write(self, writing: Awaitable[None]) -> None:
        """Awaits one write, as long as nothing ends the watch. Raises what ended it."""
        if isinstance(self.error, SlowWatcher):
            # Not within a write: gRPC sends no status behind one that was broken off.
            _never(writing)
            raise self.error
        try:
            async with asyncio.timeout(self._longest_write) as self._patience:
                if self.error is not None:
                    self._patience.reschedule(_clock() + self._last_write())
                await writing
        except TimeoutError:
            raise self.error or _slow() from None
        finally:
            self._patience = None

    def take_changes(self) -> list[StateEvent]:
        """All state changes, in order."""
        taken, self.changes = self.changes, []
        return taken

    def take_reports(self) -> dict[str, Report]:
        """All progress, the latest of each job."""
        taken, self.reports = self.reports, {}
        return taken

    def take_coalesced(self) -> int:
        """How many reports were replaced since the last time."""
        taken, self.coalesced = self.coalesced, 0
        return taken

    def _last_write(self) -> float:
        return 0 if isinstance(self.error, SlowWatcher) else LAST_WRITE_SECONDS


def _never(writing: Awaitable[None]) -> None:
    """What is not awaited is closed, or Python complains."""
    if isinstance(writing, Coroutine):
        writing.close()


def _slow() -> SlowWatcher:
    return SlowWatcher("this watch did not keep up; resume with its last cursor")


def _clock() -> float:
    return asyncio.get_running_loop().time()
