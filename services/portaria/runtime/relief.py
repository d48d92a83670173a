"""The thread that keeps a slow job from holding up the jobs around it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from portaria.logs import logger
from portaria.runtime.hand import Hand
from portaria.runtime.turns import Turns
from portaria.store.calls import Began, Hold


class Relief:
    """Where several jobs were claimed at once and one turns out slow, hands over what has run,
    says that this one runs, and gives back what waits. Started by the first such claim.
    """

    def __init__(self, hand: Hand, turns: Turns, lost: Callable[[Hold], None]) -> None:
        """`lost` is told of the running job that is no longer this worker's; on the thread."""
        self._hand = hand
        self._turns = turns
        self._lost = lost
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="relief", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            self._relieve()
        except BaseException:
            # What it had taken from the hand would be held for ever: the parent sorts it out.
            logger().exception("the relief of a worker's child failed")
            os._exit(1)

    def _relieve(self) -> None:
        while True:
            report = self._hand.await_slow()
            # Never given up: a worker that stops keeps what has run until its grace is over.
            turn = self._turns.take(report, want=0, give_up=lambda: False)
            if turn.began is Began.LOST and report.begun is not None:
                self._lost(report.begun)
