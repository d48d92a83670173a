"""A child's turns at the store, one at a time, from whichever of its threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from portaria.core.errors import StoreUnavailable
from portaria.logs import logger
from portaria.runtime.hand import Report
from portaria.store import Finished, Turn, calls
from portaria.store.batch import settle
from portaria.store.calls import MOST_AT_ONCE
from portaria.store.wire import Wire

_MOST_SLICES = 20
"""Of 200 jobs: the next job of this child waits for them."""


class Turns:
    """Takes turns under one incarnation, each with a token of its own."""

    def __init__(
        self, wire: Wire, *, worker: str, incarnation: str, queues: Sequence[str], served: str
    ) -> None:
        self._wire = wire
        self._worker = worker
        self._incarnation = incarnation
        self._queues = queues
        self._served = served
        self._lock = threading.Lock()
        self._taken = 0
        self._answered: list[Finished] = []
        self._log = logger(worker=worker)

    def take(self, report: Report, *, want: int, give_up: Callable[[], bool]) -> Turn:
        """Tells the report, claims up to `want`. Raises StoreUnavailable where `give_up` says so
        while Redis is away.
        """
        with self._lock:
            self._taken += 1
            turn = self._wire.run(
                calls.turn(
                    worker=self._worker,
                    incarnation=self._incarnation,
                    token=f"{self._incarnation}.{self._taken}",
                    queues=self._queues,
                    want=want,
                    served=self._served,
                    finished=report.finished,
                    returned=report.returned,
                    begun=report.begun,
                ),
                give_up=give_up,
            )
            self._answered += report.finished
        if turn.wide:
            self._go_on(give_up)
        for ended, taken in zip(report.finished, turn.taken, strict=False):
            if not taken:
                self._log.warning("job lost to another worker", job_id=ended.job_id)
        for job_id in turn.refused:
            self._log.error("refused what is no job of ours", job_id=job_id)
        return turn

    def _go_on(self, give_up: Callable[[], bool]) -> None:
        """With wide workflows, at once; what is left over the sweeps find within a second."""
        with suppress(StoreUnavailable):
            for _ in range(_MOST_SLICES):
                with self._lock:  # another thread's turn may come between two slices
                    looked = self._wire.run(settle(), give_up=give_up)
                if looked < MOST_AT_ONCE:
                    return

    def answered(self) -> list[Finished]:
        """The jobs whose end the store knows, since this was last asked."""
        with self._lock:
            answered, self._answered = self._answered, []
            return answered
