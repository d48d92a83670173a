"""A child's grip on the job it runs: what JobContext stands on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from structlog.typing import FilteringBoundLogger

from portaria.jobs.context import Recorded
from portaria.jobs.errors import HoldLost, JobCancelled
from portaria.runtime.reporter import Reporter
from portaria.runtime.slot import CANCEL, LOST, Slot
from portaria.store import Claim, calls
from portaria.store.wire import Wire
from portaria.v1.job_pb2 import Progress

# A lease that was not renewed for this long may be given away: wait for word.
_DOUBT = calls.LEASE_MS / 1000 * 0.75
_LOOK_AGAIN = 0.05


class RunningHold:
    """Implements portaria.jobs.Hold over a claim, the slot and the store."""

    def __init__(
        self,
        claim: Claim,
        *,
        job_type: str,
        namespace: str,
        caller: str,
        headers: Mapping[str, str],
        timeout: float,
        slot: Slot,
        wire: Wire,
        reporter: Reporter,
        log: FilteringBoundLogger,
    ) -> None:
        self.job_id = claim.job_id
        self.token = claim.token
        self.type = job_type
        self.namespace = namespace
        self.attempt = claim.attempt
        self.caller = caller
        self.headers = headers
        self.deadline = datetime.now(UTC) + timedelta(seconds=timeout)
        self.log = log
        self.warnings: list[str] = []
        self.progress = b""
        self._slot = slot
        self._wire = wire
        self._reporter = reporter
        self._claimed_at = time.monotonic()
        self._heard = 0

    def report(self, current: int, total: int, message: str) -> None:
        """See Hold."""
        self._check()
        report = Progress(current=current, total=total, message=message)
        if total:
            report.percent = 100.0 * current / total
        report.update_time.GetCurrentTime()
        self.progress = report.SerializeToString()
        self._reporter.report(self.job_id, self.token, self.progress)

    def begin_effect(self, key: str, *, again: bool) -> tuple[Recorded, str]:
        """See Hold."""
        self._check()
        operation = "again" if again else "begin"
        word, value = self._effect(operation, key)
        if word == "lost":
            raise HoldLost
        if word == "cancel":
            raise JobCancelled
        return Recorded(word), value

    def end_effect(self, key: str, value: str) -> None:
        """See Hold."""
        self._effect("done", key, value)

    def clear_effect(self, key: str) -> None:
        """See Hold."""
        self._effect("clear", key)

    def doubt_effect(self, key: str) -> None:
        """See Hold."""
        self._effect("doubt", key)

    def warn(self, text: str) -> None:
        """See Hold."""
        self.warnings.append(text[:1000])

    def is_cancelled(self) -> bool:
        """See Hold."""
        return CANCEL in (self._heard, self._slot.word_about(self.job_id, self.token))

    def hear(self, word: str) -> None:
        """A reply of Redis said "cancel" or "lost", sooner than the parent could."""
        self._heard = CANCEL if word == "cancel" else LOST

    def _check(self) -> None:
        """Waits while the lease is not renewed: Redis is away, or the parent stands still."""
        while True:
            word = self._heard or self._slot.word_about(self.job_id, self.token)
            if word == LOST:
                raise HoldLost
            if word == CANCEL:
                raise JobCancelled
            renewed = max(self._claimed_at, self._slot.last_renewal())
            if time.monotonic() - renewed < _DOUBT:
                return
            time.sleep(_LOOK_AGAIN)

    def _effect(self, operation: str, key: str, value: str = "") -> tuple[str, str]:
        return self._wire.run(calls.effect(self.job_id, self.token, operation, key, value))
