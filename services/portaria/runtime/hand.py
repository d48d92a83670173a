"""The jobs that a child has in hand: waiting for their start, running, and run but not reported."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from portaria.store import Claim, Finished
from portaria.store.calls import Hold

SLOW = 0.01
"""Seconds of one job after which the others in hand wait no longer for it."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the store is to be told with a turn."""

    finished: Sequence[Finished] = ()
    returned: Sequence[Hold] = ()
    begun: Hold | None = None


class Hand:
    """Shared by a child's main thread and its relief; each method is one step."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting: deque[Claim] = deque()
        self._finished: list[Finished] = []
        self._returned: list[Hold] = []
        self._current: Claim | None = None
        self._began = 0.0
        self._sleeps = False

    # --- the main thread ------------------------------------------------------------------------

    def deal(self, claims: Sequence[Claim]) -> None:
        """Takes what was claimed; nothing was left waiting by then."""
        with self._lock:
            self._waiting.extend(claims)
            if self._sleeps and len(claims) > 1:
                self._changed.notify()

    def next(self) -> Claim | None:
        """The job to start now."""
        with self._lock:
            self._current = self._waiting.popleft() if self._waiting else None
            self._began = time.monotonic()
            return self._current

    def end(self, finished: Finished) -> None:
        """What `next` gave has run."""
        with self._lock:
            self._current = None
            self._finished.append(finished)

    def put_back(self, claim: Claim) -> None:
        """What `next` gave was not started."""
        with self._lock:
            self._current = None
            self._returned.append((claim.job_id, claim.token))

    def report(self) -> Report:
        """All that is to be told between two jobs; it counts as told from now on."""
        with self._lock:
            self._current = None
            report = Report(self._finished, self._returned)
            self._finished, self._returned = [], []
            return report

    # --- the relief -----------------------------------------------------------------------------

    def await_slow(self) -> Report:
        """Blocks until a job keeps others waiting; answers all that is to be told then.

        What waited goes back to its queue: no worker may be free, but another may become so.
        """
        with self._lock:
            while True:
                if self._current is None or not (self._waiting or self._finished):
                    pause = SLOW if self._waiting or self._finished else None
                else:
                    pause = self._began + SLOW - time.monotonic()
                    if pause <= 0:
                        break
                self._sleeps = pause is None
                self._changed.wait(pause)
                self._sleeps = False
            current = self._current
            report = Report(
                self._finished,
                self._returned + _holds(self._waiting),
                (current.job_id, current.token),
            )
            self._finished, self._returned = [], []
            self._waiting.clear()
            return report


def _holds(claims: Sequence[Claim]) -> list[Hold]:
    return [(claim.job_id, claim.token) for claim in claims]
