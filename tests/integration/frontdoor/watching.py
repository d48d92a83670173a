"""A watch that tests read frame by frame."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import grpc

from integration.frontdoor.playing import Door, Refusal
from portaria.v1.job_pb2 import JobState
from portaria.v1.jobs_service_pb2 import (
    JobEvent,
    JobSelector,
    WatchJobsRequest,
    WatchJobsResponse,
)

_END = object()


class Watch:
    """Reads in the background; `events` takes what came, in order."""

    def __init__(self, door: Door, *job_ids: str, **given: Any) -> None:
        selector = given.pop("selector", None) or JobSelector(job_ids=job_ids)
        request = WatchJobsRequest(selector=selector, **given)
        self.call = door.jobs.WatchJobs(request, timeout=40)
        self.frames: list[WatchJobsResponse] = []
        self.refusal: Refusal | None = None
        self._events: queue.Queue[JobEvent | object] = queue.Queue()
        self._opened = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def cursor(self) -> str:
        """Of the last frame."""
        return self.frames[-1].cursor

    def opened(self) -> Watch:
        """Waits until the first frame is here."""
        assert self._opened.wait(10), "no first frame"
        return self

    def next(self) -> JobEvent:
        """The next event; there must be one."""
        event = self._events.get(timeout=10)
        assert isinstance(event, JobEvent), f"the watch ended: {self.refusal}"
        return event

    def until(self, holds: Callable[[JobEvent], bool]) -> list[JobEvent]:
        """Events up to the first for which this holds."""
        events = [self.next()]
        while not holds(events[-1]):
            events.append(self.next())
        return events

    def rest(self) -> list[JobEvent]:
        """All further events to the end of the stream."""
        found = []
        while isinstance(event := self._events.get(timeout=10), JobEvent):
            found.append(event)
        return found

    def ended(self) -> Refusal | None:
        """Waits for the end of the stream; why it ended, None for OK."""
        self._reader.join(15)
        assert not self._reader.is_alive(), "the watch goes on"
        return self.refusal

    def cancel(self) -> Watch:
        """What a lost connection does."""
        self.call.cancel()
        self._reader.join(10)
        return self

    def _read(self) -> None:
        try:
            for frame in self.call:
                self.frames.append(frame)
                self._opened.set()
                for event in frame.events:
                    self._events.put(event)
        except grpc.RpcError as error:
            self.refusal = Refusal(error)
        finally:
            self._opened.set()
            self._events.put(_END)


def words(events: list[JobEvent]) -> list[str]:
    """Each event in a word: its kind, or the state that it tells."""
    found = []
    for event in events:
        kind = event.WhichOneof("event") or ""
        state = JobState.Name(event.state).removeprefix("JOB_STATE_")
        found.append(state if kind == "state_change" else kind)
    return found


def is_done(event: JobEvent) -> bool:
    """Whether nothing comes after it."""
    return event.done
