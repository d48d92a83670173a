"""What a worker's parent sees to: its own leases renewed, others' reaped, due jobs queued."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from portaria.logs import logger
from portaria.runtime import outcome
from portaria.runtime.family import ChildProcess
from portaria.runtime.slot import CANCEL, LOST
from portaria.store import Store, calls
from portaria.store.batch import settle
from portaria.store.calls import MOST_AT_ONCE

PROMOTE_EVERY = 1.0
EXPIRE_EVERY = 3.0
PURGE_EVERY = 10.0
TIDY_EVERY = 5.0
UNPARK_EVERY = 4.0
SETTLE_EVERY = 5.0
TYPES_EVERY = 5.0
AUDIT_EVERY = 10.0
"""Seconds between two looks whether a round is due; its slices follow at once."""
EARLY_PURGE_FROM = 0.75
"""Share of Redis' memory limit from which the oldest successes are forgotten early."""
_SLICE, _SLICES = 50, 10
_RENEWED_AT_ONCE = 12
"""Children, each with up to 16 jobs: no script touches more than 200."""


class Upkeep:
    """Each duty at its own pace; `tick` does those whose time has come."""

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
        self._store = store
        self._kill = kill
        run = store.run
        self._duties: dict[str, tuple[float, Callable[[], object]]] = {
            "reap": (calls.REAP_EVERY, self._reap),
            "promote": (PROMOTE_EVERY, self._promote),
            "expire": (EXPIRE_EVERY, lambda: run(calls.expire())),
            "purge": (PURGE_EVERY, self._purge),
            "tidy": (TIDY_EVERY, lambda: run(calls.tidy())),
            "settle": (SETTLE_EVERY, self._settle),
            "unpark": (UNPARK_EVERY, lambda: run(calls.unpark(types))),
            "audit": (AUDIT_EVERY, self._audit),
            "types": (TYPES_EVERY, keep_types),
        }
        self._due = dict.fromkeys(("renew", *self._duties), 0.0)
        self._is_reachable = True
        self._log = logger()

    def tick(self, children: Sequence[ChildProcess]) -> None:
        """Raises StoreUnavailable where Redis is away; renewing comes first."""
        if self._is_due("renew", calls.RENEW_EVERY):
            self._renew(children)
        for duty, (every, do) in self._duties.items():
            if self._is_due(duty, every):
                do()

    def hurry(self, duty: str) -> None:
        """Somebody asks for it now."""
        self._due[duty] = 0.0

    def reachable(self, yes: bool) -> None:
        """Notes whether Redis answers; says so once."""
        if yes != self._is_reachable:
            self._is_reachable = yes
            if yes:
                self._log.info("redis is back")
            else:
                self._log.warning("redis cannot be reached, waiting for it")

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

    def _reap(self) -> None:
        call = calls.reap(
            # Asked each time: a restart that is over before anybody notices must be noticed.
            run_id=self._store.run_id(),
            lost_failure=outcome.loss_failure(),
            doubt_failure=outcome.doubt_failure(),
        )
        _, job_ids = self._store.run(call)
        for job_id in job_ids:
            self._log.warning("lease lapsed, job given to another worker", job_id=job_id)

    def _promote(self) -> None:
        promotion = self._store.run(calls.promote())
        if promotion.moved == 100:
            self._due["promote"] = 0.0
        elif promotion.next_ms >= 0:
            soonest = time.monotonic() + promotion.next_ms / 1000
            self._due["promote"] = min(self._due["promote"], soonest)

    def _purge(self) -> None:
        """In slices, so that no script is long; where jobs end fast, as many as it takes."""
        early = self._store.memory_used() > EARLY_PURGE_FROM
        for _ in range(_SLICES):
            # What is over goes first, also where memory is short.
            forgotten = self._store.run(calls.purge(_SLICE))
            if forgotten < _SLICE and early:
                forgotten = self._store.run(calls.purge(_SLICE, early=True))
            if forgotten < _SLICE:
                return
        self._due["purge"] = 0.0

    def _settle(self) -> None:
        """Batches that broke off, and the records of those that are over."""
        for _ in range(_SLICES):
            if self._store.run(settle()) < MOST_AT_ONCE:
                return
        self._due["settle"] = 0.0

    def _audit(self) -> None:
        audited = self._store.run(calls.audit())
        for job_id in audited.mended:
            self._log.warning("another tool had removed this job; put back", job_id=job_id)
        if audited.goes_on:
            self._due["audit"] = 0.0

    def _is_due(self, duty: str, every: float) -> bool:
        now = time.monotonic()
        if now < self._due[duty]:
            return False
        self._due[duty] = now + every
        return True


def _of(child: ChildProcess) -> tuple[str, str, str]:
    running = child.running()
    return child.worker, child.incarnation, running.job_id if running else ""
