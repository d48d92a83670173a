"""Following jobs over cut streams: what was seen, and what to ask for next.

A frame's cursor counts only after the snapshot is complete: a stream that is cut before starts
again, and jobs that are shown as they were already known are not repeated. A trimmed history
(CURSOR_EXPIRED) is bridged in the same way, by a new snapshot.

A watch of a workflow has snapshots, too, and ends when the door has told all. One of whatever else
jobs have in common has neither: it goes on for ever, and a gap in it cannot be bridged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from portaria.client.requests import duration
from portaria.client.retries import Outage
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
from portaria.v1.job_pb2 import JobState, Progress
from portaria.v1.jobs_service_pb2 import (
    WATCH_UNTIL_ALL_DONE,
    WATCH_UNTIL_FOREVER,
    JobEvent,
    WatchJobsRequest,
    WatchJobsResponse,
)


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
        self._by_ids = bool(job_ids)
        self._is_endless = not (job_ids or options.selection.get("workflow_id"))
        self._is_told = False
        self._known: dict[str, _Seen] = {}
        self._options = options
        self._cursor = options.cursor
        self._resumes = bool(options.cursor)
        self._own_cursor = False
        self._idle_ends = 0
        self._deadline = deadline
        self._outage = outage

    def is_finished(self) -> bool:
        """Whether every job has ended."""
        return not self._open if self._by_ids else self._is_told

    def request(self) -> WatchJobsRequest:
        """What to open the next stream with."""
        request = WatchJobsRequest(
            selector=lasting_selector(self._open, self._options.selection),
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
        for event in frame.events:
            if self._is_awaited(event) and self._is_news(event):
                self._idle_ends = 0
                if event.done or event.WhichOneof("event") == "removed":
                    self._open.pop(event.job_id, None)
                yield event
        self._resumes = self._resumes or frame.snapshot_complete
        if self._resumes and frame.cursor:
            self._cursor = frame.cursor
            self._own_cursor = True

    def ended(self) -> timedelta:
        """The wait after a stream that ended in order, though not every job of ours is done."""
        if not (self._by_ids or self._is_endless):
            self._is_told = True
            return timedelta()
        self._idle_ends += 1
        if self._idle_ends > 1 and self._by_ids:
            # The door holds that all is told, we do not: the present state settles it.
            self._restart()
        return self._next(ShuttingDown("the door ended the stream"))

    def failed(self, error: PortariaError) -> timedelta:
        """The wait before the next stream. Raises what ends the watch."""
        bridged = not (self._is_endless or self._is_callers_cursor())
        if isinstance(error, CursorExpired) and bridged:
            self._restart()
            return self._next(ShuttingDown(error.message))
        if isinstance(error, DeadlineExceeded):
            self._check_deadline()
        return self._next(error)

    def _next(self, error: PortariaError) -> timedelta:
        wait = self._outage.failed(error, stream=True)
        self._check_deadline()
        return self._deadline.shorten(wait)

    def _is_callers_cursor(self) -> bool:
        return self._resumes and not self._own_cursor

    def _restart(self) -> None:
        self._cursor, self._resumes = "", False

    def _check_deadline(self) -> None:
        self._deadline.check(f"{', '.join(self._open) or 'the selected jobs'}: not done")

    def _is_awaited(self, event: JobEvent) -> bool:
        return not self._by_ids or event.job_id in self._open

    def _is_news(self, event: JobEvent) -> bool:
        if self._is_endless:
            return True  # nothing is ever shown again
        before = self._known.get(event.job_id)
        after = self._known[event.job_id] = _Seen.after(before, event)
        return event.WhichOneof("event") != "snapshot" or after != before


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a watcher knows of a job; a snapshot that tells no more is not shown again."""

    state: JobState.ValueType
    attempt: int
    progress: tuple[int, int, str]

    @classmethod
    def after(cls, before: "_Seen | None", event: JobEvent) -> "_Seen":
        kind = event.WhichOneof("event")
        progress = before.progress if before else (0, 0, "")
        if kind == "progress":
            progress = _figures(event.progress)
        elif kind == "snapshot":
            progress = _figures(event.snapshot.progress)
        return cls(event.state, event.attempt, progress)


def _figures(progress: Progress) -> tuple[int, int, str]:
    return progress.current, progress.total, progress.message
