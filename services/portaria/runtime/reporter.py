"""Progress on its way to Redis, beside the handler: the latest wins, at most one each 50 ms."""

from __future__ import annotations

import threading
from collections.abc import Callable

from portaria.core.errors import StoreUnavailable
from portaria.store import calls
from portaria.store.wire import Target, Wire

INTERVAL = 0.05


class Reporter:
    """One thread with a connection of its own, started by the first report."""

    def __init__(self, target: Target, heard: Callable[[str, str], None]) -> None:
        """`heard` is told (job id, "cancel" | "lost") where a reply says so; on the thread."""
        self._wire = Wire(target)
        self._heard = heard
        self._changed = threading.Condition()
        self._latest: tuple[str, str, bytes] | None = None
        self._thread: threading.Thread | None = None

    def report(self, job_id: str, token: str, progress: bytes) -> None:
        """Replaces what was not sent yet. Returns at once."""
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
                self._heard(job_id, word)
            pause.wait(INTERVAL)
