"""Progress on its way to Redis, beside the handler: the latest wins, at most one each 50 ms."""

from __future__ import annotations

import threading
from _thread import start_new_thread
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

from portaria.core.errors import StoreUnavailable
from portaria.store import calls
from portaria.store.calls import Hold
from portaria.store.wire import Target, Wire

INTERVAL = 0.05


class Reporter:
    """One thread with a connection of its own, started by the first report.

    The soft timeout may strike within any Python code of the handler's thread. So between the
    threads there are only single steps of C: a condition, or a Thread that starts, would be left
    locked for ever.
    """

    def __init__(self, target: Target, heard: Callable[[Hold, str], None]) -> None:
        """`heard` is told the hold and "cancel" or "lost" where a reply says so; on the thread."""
        self._wire = Wire(target)
        self._heard = heard
        self._latest: deque[tuple[str, str, bytes]] = deque(maxlen=1)
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._is_started = False
        self._alone = threading.Lock()
        self._is_abandoned = False

    def report(self, job_id: str, token: str, progress: bytes) -> None:
        """Replaces what was not sent yet. Returns at once."""
        if self._is_abandoned:
            return
        self._latest.append((job_id, token, progress))
        if self._bell.empty():
            self._bell.put(None)
        if not self._is_started:
            start_new_thread(self._send, ())
            self._is_started = True

    def drop(self) -> None:
        """Forgets what was not sent: the job ended, and its end says more."""
        self._latest.clear()

    def abandon(self) -> None:
        """In a fork of the process: nothing is reported from there."""
        self._is_abandoned = True
        self._wire.abandon()

    def forget(self) -> None:
        """The descriptor of its connection may be anything by now."""
        self._wire.forget()

    def _send(self) -> None:
        if not self._alone.acquire(blocking=False):
            return  # an interruption struck between a start and the note of it
        pause = threading.Event()
        while True:
            self._bell.get()
            try:
                job_id, token, progress = self._latest.pop()
            except IndexError:
                continue  # dropped, or sent with the ring before
            try:
                word = self._wire.run(calls.progress(job_id, token, progress), give_up=lambda: True)
            except StoreUnavailable:
                word = "held"  # the next report, or the end of the job, will tell
            if word != "held":
                self._heard((job_id, token), word)
            pause.wait(INTERVAL)
