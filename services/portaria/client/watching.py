"""Following jobs over cut streams: what was seen, and what to ask for next.

A frame's cursor counts only after the snapshot is complete: a stream that is cut before starts
again, and jobs that are shown as they were already known are not repeated. A trimmed history
(CURSOR_EXPIRED) is bridged in the same way, by a new snapshot. A job of a workflow that a new
snapshot lacks went meanwhile, and is told as removed: nothing else would ever end it.

A watch of a workflow has snapshots, too, and ends when the door has told all. One of whatever else
jobs have in common has neither: it goes on for ever, and a gap in it cannot be bridged.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice

from portaria.client.requests import duration
from portaria.client.retries import Outage
from portaria.client.seen import Seen
from portaria.client.selecting import Lasting, lasting_selector
from portaria.client.waiting import Deadline
from portaria.core.errors import (
    CursorExpired,
    DeadlineExceeded,
    InvalidRequest,
    PortariaError,
    ShuttingDown,
    Violation,
)
from portaria.v1.jobs_service_pb2 import (
    WATCH_UNTIL_ALL_DONE,
    WATCH_UNTIL_FOREVER,
    JobEvent,
    WatchJobsRequest,
    WatchJobsResponse,
)

_log = logging.getLogger(__name__)

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """How to watch. `cursor` starts after an earlier frame or job instead of with a snapshot."""

    cursor: str = ""
    progress_interval: timedelta | None = None
    include_result: bool = False
    selection: Lasting = field(default_factory=Lasting)
    """What the jobs have in common; with ids, too, they must have it."""


class WatchSession:
    """One watch, over all its streams; of jobs by id or of a workflow until each is done."""

    def __init__(
        self,
        job_ids: Sequence[str],
        options: WatchOptions,
        *,
        deadline: Deadline,
        outage: Outage,
    ) -> None:
        if not job_ids and not any(options.selection.values()):
            raise InvalidRequest([Violation("selector.job_ids", "REQUIRED", "names no job")])
        self._open = dict.fromkeys(job_ids)
        self._is_endless = not (job_ids or options.selection.get("workflow_id"))
        # Only the door knows which jobs a workflow has, and so when all of them were told of.
        self._has_more = not job_ids
        self._ended: set[str] = set()
        self._shown: set[str] = set()
        """What this stream told of before its snapshot was complete."""
        self._known: dict[str, Seen] = {}
        self._options = options
        self._cursor = options.cursor
        self._resumes = bool(options.cursor)
        self._own_cursor = False
        self._flows = False
        self._idle_ends = 0
        self._deadline = deadline
        self._outage = outage

    def is_finished(self) -> bool:
        """Whether every job has ended."""
        return not (self._open or self._has_more)

    def request(self) -> WatchJobsRequest:
        """What to open the next stream with."""
        request = WatchJobsRequest(
            selector=lasting_selector(
                () if self._has_more else self._open, self._options.selection
            ),
            cursor=self._cursor if self._resumes else "",
            until=WATCH_UNTIL_FOREVER if self._is_endless else WATCH_UNTIL_ALL_DONE,
            include_result=self._options.include_result,
        )
        if self._options.progress_interval is not None:
            request.progress_interval.CopyFrom(duration(self._options.progress_interval))
        return request

    def seconds(self) -> float | None:
        """How long the next stream may stay open; None for as long as it lasts."""
        left = self._deadline.left()
        return None if left is None else left.total_seconds()

    def receive(self, frame: WatchJobsResponse) -> Iterator[JobEvent]:
        """The events of a frame that are news."""
        self._outage.answered()
        self._flows = True
        if self._is_endless:
            yield from frame.events  # nothing is ever shown again
        else:
            yield from filter(self._is_told, frame.events)
        if self._has_more and not self._resumes:
            self._shown.update(event.job_id for event in frame.events)
            if frame.snapshot_complete:
                yield from filter(self._is_told, self._vanished())
        self._resumes = self._resumes or frame.snapshot_complete
        if self._resumes and frame.cursor:
            self._cursor = frame.cursor
            self._own_cursor = True

    def ended(self) -> timedelta:
        """The wait after a stream that ended in order, where not every job is done; else none."""
        if self._has_more and not (self._open or self._is_endless):
            self._has_more = False
            return timedelta()
        self._idle_ends += 1
        if self._idle_ends > 1 and not self._is_endless:
            # The door holds that all is told, we do not: the present state settles it.
            self._restart()
        return self._next(ShuttingDown("the door ended the stream"))

    def failed(self, error: PortariaError) -> timedelta:
        """The wait before the next stream. Raises what ends the watch."""
        is_bridged = not (self._is_endless or self._is_callers_cursor())
        if isinstance(error, CursorExpired) and is_bridged:
            self._restart()
            return self._next(ShuttingDown(error.message))
        if isinstance(error, DeadlineExceeded):
            self._check_deadline()
        return self._next(error)

    def _is_told(self, event: JobEvent) -> bool:
        """Whether it is news of a job that has not ended; notes what it tells."""
        if not (self._is_wanted(event.job_id) and self._is_news(event)):
            return False
        self._idle_ends = 0
        if event.done or event.WhichOneof("event") == "removed":
            self._open.pop(event.job_id, None)
            self._ended.add(event.job_id)
        elif self._has_more:
            self._open[event.job_id] = None
        return True

    def _vanished(self) -> list[JobEvent]:
        gone = JobEvent.Removed(reason="NOT_FOUND")
        lacking = [job_id for job_id in self._open if job_id not in self._shown]
        return [JobEvent(job_id=job_id, done=True, removed=gone) for job_id in lacking]

    def _is_wanted(self, job_id: str) -> bool:
        return job_id in self._open or (self._has_more and job_id not in self._ended)

    def _next(self, error: PortariaError) -> timedelta:
        wait = self._outage.failed(error, stream=True)
        if self._flows:
            _log.info("a watch was broken off, and goes on: %s", error.message)
        self._flows = False
        self._shown.clear()
        # A snapshot may be complete and have no cursor yet: who is cut off then begins again.
        self._resumes = bool(self._cursor)
        self._check_deadline()
        return self._deadline.shorten(wait)

    def _is_callers_cursor(self) -> bool:
        return bool(self._cursor) and not self._own_cursor

    def _restart(self) -> None:
        self._cursor, self._resumes = "", False

    def _check_deadline(self) -> None:
        named = ", ".join(islice(self._open, _MOST_NAMED)) or "the selected jobs"
        more = len(self._open) - _MOST_NAMED
        self._deadline.check(f"{named}{f' and {more:,} more' if more > 0 else ''}: not done")

    def _is_news(self, event: JobEvent) -> bool:
        before = self._known.get(event.job_id)
        if before is not None and before.outdates(event):
            return False
        after = self._known[event.job_id] = Seen.after(before, event)
        if event.HasField("progress") and before is not None:
            return after != before or after.moment > before.moment
        return after != before or not event.HasField("snapshot")
