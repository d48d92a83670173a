"""What anybody may see to for all: leases reaped, due jobs queued, what is over forgotten."""

from __future__ import annotations

import time
from collections.abc import Callable

from portaria.logs import logger
from portaria.runtime import outcome
from portaria.store import Store, calls
from portaria.store.batch import settle
from portaria.store.calls import MOST_AT_ONCE

PROMOTE_EVERY = 1.0
EXPIRE_EVERY = 3.0
PURGE_EVERY = 10.0
TIDY_EVERY = 5.0
SETTLE_EVERY = 1.0
AUDIT_EVERY = 10.0
"""Seconds between two looks whether a round is due; its slices follow at once."""
EARLY_PURGE_FROM = 0.75
"""Share of Redis' memory limit from which the oldest successes are forgotten early."""
_SLICE, _SLICES = 50, 10

Duty = tuple[float, Callable[[], object]]
"""Seconds between two rounds, and what is done."""


class Sweeps:
    """Each duty at its own pace; `tick` does those whose time has come."""

    def __init__(self, store: Store) -> None:
        self._store = store
        run = store.run
        self._duties: dict[str, Duty] = {
            "reap": (calls.REAP_EVERY, self._reap),
            "promote": (PROMOTE_EVERY, self._promote),
            "expire": (EXPIRE_EVERY, lambda: run(calls.expire())),
            "purge": (PURGE_EVERY, self._purge),
            "tidy": (TIDY_EVERY, lambda: run(calls.tidy())),
            "settle": (SETTLE_EVERY, self._settle),
            "audit": (AUDIT_EVERY, self._audit),
        }
        self._due: dict[str, float] = {}
        self._is_reachable = True
        self._log = logger()

    def sweep(self) -> None:
        """Raises StoreUnavailable where Redis is away."""
        for duty, (every, do) in self._duties.items():
            if self._is_due(duty, every):
                do()

    def rest(self) -> float:
        """Seconds until the next duty is due."""
        soonest = min(self._due.get(duty, 0.0) for duty in self._duties)
        return max(0.0, soonest - time.monotonic())

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
        if now < self._due.get(duty, 0.0):
            return False
        self._due[duty] = now + every
        return True
