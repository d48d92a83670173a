"""What a worker's parent sees to: its own leases renewed, others' reaped, due jobs queued."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from portaria.runtime.family import ChildProcess
from portaria.runtime.slot import CANCEL, LOST
from portaria.runtime.sweeps import Sweeps
from portaria.store import Store, calls

UNPARK_EVERY = 4.0
TYPES_EVERY = 5.0
_RENEWED_AT_ONCE = 12
"""Children, each with up to 16 jobs: no script touches more than 200."""


class Upkeep(Sweeps):
    """What a worker does beside the sweeps of all."""

    def __init__(
        self,
        store: Store,
        *,
        types: Sequence[tuple[str, str]],
        keep_types: Callable[[], None],
        kill: Callable[[ChildProcess, str, str], None],
    ) -> None:
        """`types` are the (domain, type) that are served, `keep_types` sees that they are
        registered; `kill` ends the run of one hold."""
        super().__init__(store)
        self._kill = kill
        self._duties["unpark"] = (UNPARK_EVERY, lambda: store.run(calls.unpark(types)))
        self._duties["types"] = (TYPES_EVERY, keep_types)

    def tick(self, children: Sequence[ChildProcess]) -> None:
        """Raises StoreUnavailable where Redis is away; renewing comes first."""
        if self._is_due("renew", calls.RENEW_EVERY):
            self._renew(children)
        self.sweep()

    def _renew(self, children: Sequence[ChildProcess]) -> None:
        for start in range(0, len(children), _RENEWED_AT_ONCE):
            self._renew_some(children[start : start + _RENEWED_AT_ONCE])

    def _renew_some(self, children: Sequence[ChildProcess]) -> None:
        asked_at = time.monotonic()
        renewals: list[calls.Renewal] = self._store.run(calls.renew([_of(c) for c in children]))
        for child, renewal in zip(children, renewals, strict=True):
            if renewal.gone:
                running = child.running()
                if running is not None:
                    child.slot.tell([(running.job_id, running.token, LOST)])
                continue
            tokens = renewal.tokens
            words = [(job_id, tokens[job_id], LOST) for job_id in renewal.lost]
            words += [(job_id, tokens[job_id], CANCEL) for job_id in renewal.cancelled]
            child.slot.tell(words)
            # From the question, not the answer: the lease runs from somewhere in between. After
            # the words, so that nobody takes what was lost for renewed.
            child.slot.renewed(asked_at)
            for job_id in renewal.killed:
                self._kill(child, job_id, tokens[job_id])


def _of(child: ChildProcess) -> tuple[str, str, str]:
    running = child.running()
    return child.worker, child.incarnation, running.job_id if running else ""
