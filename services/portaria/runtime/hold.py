"""A child's grip on the job it runs: what JobContext stands on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property

from structlog.typing import FilteringBoundLogger

from portaria.core.errors import PortariaError
from portaria.internal.v1.envelope_pb2 import Envelope
from portaria.jobs.children import Child, ChildOptions, Named
from portaria.jobs.effects import Recorded
from portaria.jobs.errors import HoldLost, JobCancelled
from portaria.jobs.inputs import Before, Parent
from portaria.runtime.door import Doorway
from portaria.runtime.inputs import InputReader
from portaria.runtime.lease import Lease
from portaria.runtime.reporter import Reporter
from portaria.runtime.slot import CANCEL, LOST
from portaria.store import Claim, calls
from portaria.store.wire import Wire
from portaria.v1.job_pb2 import Progress


class RunningHold:
    """Implements portaria.jobs.Hold over a claim, its lease and the store."""

    def __init__(
        self,
        claim: Claim,
        envelope: Envelope,
        *,
        job_type: str,
        timeout: float,
        lease: Lease,
        wire: Wire,
        ledger: Wire,
        reporter: Reporter,
        reader: InputReader,
        doorway: Doorway,
        begin: Callable[[Claim], int],
        log: FilteringBoundLogger,
    ) -> None:
        """`ledger` is a wire that nobody else uses: what is asked there is awaited later."""
        self.job_id = claim.job_id
        self.token = claim.token
        self.type = job_type
        self.namespace = envelope.namespace
        self.attempt = claim.attempt
        self.caller = envelope.caller
        self._claim = claim
        self._is_begun = claim.begun
        self._envelope = envelope
        self._ends_at = time.time() + timeout
        self._log = log
        self.warnings: list[str] = []
        self.progress = b""
        self._lease = lease
        self._wire = wire
        self._ledger = ledger
        self._reporter = reporter
        self._reader = reader
        self._doorway = doorway
        self._begin = begin

    # Most handlers ask for none of these, and each costs as much as the rest together.

    @property
    def workflow_id(self) -> str:
        """See Hold."""
        return self._envelope.place.workflow_id

    @property
    def node_id(self) -> str:
        """See Hold."""
        return self._envelope.place.node_id

    @property
    def headers(self) -> Mapping[str, str]:
        """See Hold."""
        return dict(self._envelope.spec.options.headers)

    @property
    def deadline(self) -> datetime:
        """See Hold."""
        return datetime.fromtimestamp(self._ends_at, UTC)

    @cached_property
    def log(self) -> FilteringBoundLogger:
        """See Hold."""
        return self._log.bind(job_id=self.job_id, type=self.type, attempt=self.attempt)

    def report(self, current: int, total: int, message: str) -> None:
        """See Hold."""
        self._check()
        report = Progress(current=current, total=total, message=message)
        if total:
            report.percent = 100.0 * current / total
        report.update_time.GetCurrentTime()
        self.progress = report.SerializeToString()
        self._reporter.report(self.job_id, self.token, self.progress)

    def check(self) -> None:
        """See Hold."""
        self._check()
        self._effect("check")

    def begin_effect(self, key: str, *, again: bool) -> tuple[Recorded, str]:
        """See Hold."""
        self._check()
        word, value = self._effect("again" if again else "begin", key)
        return Recorded(word), value

    def exchange_effects(
        self, ended: tuple[str, str] | None, key: str, *, again: bool
    ) -> Callable[[], tuple[Recorded, str]]:
        """See Hold."""
        self._check()
        begin = calls.effect(self.job_id, self.token, "again" if again else "begin", key)
        if ended is None:
            answers = self._ledger.ask([begin])
        else:
            answers = self._ledger.ask(
                [calls.effect(self.job_id, self.token, "done", *ended), begin]
            )

        def answer() -> tuple[Recorded, str]:
            word, value = self._answered(answers()[-1])
            return Recorded(word), value

        return answer

    def recorded_effects(self, keys: Sequence[str]) -> list[str]:
        """See Hold."""
        self._check()
        values = self._wire.run(calls.look_at_effects(self.job_id, self.token, keys))
        if values is None:
            raise HoldLost
        return values

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
        return self._lease.word() == CANCEL

    def take(self, key: str, per_second: float, burst: float, *, ahead: float) -> float:
        """See Hold."""
        self._check()
        taken = calls.throttle(key, every_ms=1000 / per_second, burst=burst, ahead_ms=1000 * ahead)
        return self._wire.run(taken) / 1000

    def before(self, node: str | None) -> Before:
        """See Hold."""
        return self._reader.before(self._envelope, node)

    def parent(self) -> Parent | None:
        """See Hold."""
        return self._reader.parent(self._envelope)

    def submit(self, children: Iterable[Named], options: ChildOptions) -> list[Child]:
        """See Hold."""
        self._check()
        if not self._is_begun:
            # It was claimed with others, and the door takes children of what has begun only.
            self._heed(self._begin(self._claim))
            self._is_begun = True
        try:
            return self._doorway.submit(self.job_id, children, options)
        except PortariaError as error:
            if error.reason == "PARENT_NOT_RUNNING":
                self.check()  # it says why, where this run has ended for the store
            raise

    def _check(self) -> None:
        self._heed(self._lease.wait())

    def _heed(self, word: int) -> None:
        if word == LOST:
            raise HoldLost
        if word == CANCEL:
            raise JobCancelled

    def _effect(self, operation: str, key: str = "", value: str = "") -> tuple[str, str]:
        call = calls.effect(self.job_id, self.token, operation, key, value)
        return self._answered(self._wire.run(call))

    def _answered(self, answer: tuple[str, str]) -> tuple[str, str]:
        word, _ = answer
        if word == "lost":
            raise HoldLost
        if word == "cancel":
            raise JobCancelled
        return answer
