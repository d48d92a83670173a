"""Progress on its way to Redis, beside the handler: the latest wins, at most one each 50 ms."""

from __future__ import annotations

import threading
from collections.abc import Callable

from portaria.core.errors import StoreUnavailable
from portaria.store import calls
from portaria.store.calls import Hold
from portaria.store.wire import Target, Wire

INTERVAL = 0.05


class Reporter:
    """One thread with a connection of its own, started by the first report."""

    def __init__(self, target: Target, heard: Callable[[Hold, str], None]) -> None:
        """`heard` is told the hold and "cancel" or "lost" where a reply says so; on the thread."""
        self._wire = Wire(target)
        self._heard = heard
        self._changed = threading.Condition()
        self._latest: tuple[str, str, bytes] | None = None
        self._thread: threading.Thread | None = None
        self._is_abandoned = False

    def report(self, job_id: str, token: str, progress: bytes) -> None:
        """Replaces what was not sent yet. Returns at once."""
        if self._is_abandoned:
            return
        with self._changed:
            self._latest = (job_id, token, progress)
            if self._thread is None:
                self._thread = threading.Thread(target=self._send, name="progress", daemon=True)
                self._thread.start()
            self._changed.notify()

    def drop(self) -> None:
        """Forgets what was not sent: the job ended, and its end says more."""
        with self._changed:
            self._latest = None

    def abandon(self) -> None:
        """In a fork of the process: nothing is reported from there."""
        self._is_abandoned = True  # its lock may be held by the thread, which the fork has not
        self._wire.abandon()

    def forget(self) -> None:
        """The descriptor of its connection may be anything by now."""
        self._wire.forget()

    def _send(self) -> None:
        pause = threading.Event()
        while True:
            with self._changed:
                while self._latest is None:
                    self._changed.wait()
                (job_id, token, progress), self._latest = self._latest, None
            try:
                word = self._wire.run(calls.progress(job_id, token, progress), give_up=lambda: True)
            except StoreUnavailable:
                word = "held"  # the next report, or the end of the job, will tell
            if word != "held":
                self._heard((job_id, token), word)
            pause.wait(INTERVAL)
