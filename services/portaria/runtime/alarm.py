"""The soft timeout of a handler that blocks: SIGALRM raises inside it."""

from __future__ import annotations

import signal
from types import FrameType

from portaria.jobs.errors import SoftTimeout


class Alarm:
    """One timer a process; works in its main thread only."""

    def __init__(self) -> None:
        self._armed = False
        signal.signal(signal.SIGALRM, self._ring)

    def arm(self, seconds: float) -> None:
        """SoftTimeout will be raised after `seconds`."""
        self._armed = True
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def disarm(self) -> None:
        """It will not; also where the signal is already on its way."""
        self._armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self, _signal: int, _frame: FrameType | None) -> None:
        if self._armed:
            self._armed = False
            raise SoftTimeout("the timeout of the job passed")
