"""One claimed job, run: opened, checked, handed to its handler, its end put into words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any

from google.protobuf.message import DecodeError, Message

from portaria.core.seal import KeyRing, SealBroken
from portaria.core.states import split_queue
from portaria.internal.v1.envelope_pb2 import Envelope
from portaria.jobs import Handler, HoldLost, JobContext, PermanentError, RetryLater, SoftTimeout
from portaria.jobs.errors import DeadlineReached
from portaria.logs import logger
from portaria.runtime import outcome
from portaria.runtime.alarm import Alarm
from portaria.runtime.hold import RunningHold
from portaria.runtime.outcome import Run
from portaria.runtime.reporter import Reporter
from portaria.runtime.slot import Slot
from portaria.store import Claim, Finished
from portaria.store.wire import Target, Wire
from portaria.v1.job_pb2 import Failure, RetryPolicy

NOT_SERVED_AGAIN = 10.0


class Executor:
    """Runs jobs in one child, one after another."""

    def __init__(
        self,
        *,
        handlers: Mapping[str, Handler],
        ring: KeyRing,
        slot: Slot,
        wire: Wire,
        target: Target,
    ) -> None:
        self._handlers = handlers
        self._ring = ring
        self._slot = slot
        self._wire = wire
        self._reporter = Reporter(target, self._heard)
        self._alarm = Alarm()
        self._rng = Random()
        self._runner: asyncio.Runner | None = None
        self._hold: RunningHold | None = None
        self._unsettled: tuple[bool, float] | None = None
        self._log = logger()

    def execute(self, claim: Claim) -> Finished:
        """Runs one job to its end. `settle` must follow once the store knows of it."""
        started = time.monotonic()
        try:
            envelope = self._open(claim)
        except PermanentError as error:
            self._log.error("job refused", job_id=claim.job_id, reason=error.reason)
            run = Run(
                namespace="",
                job_id=claim.job_id,
                token=claim.token,
                failures=claim.failures,
                retry=RetryPolicy(),
            )
            return outcome.failed(run, error, rng=self._rng)
        options = envelope.spec.options
        timeout = options.timeout.seconds + options.timeout.nanos / 1e9
        if claim.left_ms >= 0:
            timeout = max(0.001, min(timeout, claim.left_ms / 1000))
        self._slot.begin(claim.job_id, claim.token, started, timeout)
        finished = self._run(claim, envelope, timeout)
        self._reporter.drop()
        seconds = time.monotonic() - started
        self._slot.report(claim.job_id, claim.token, started)
        self._unsettled = (finished.verdict != "succeeded", seconds)
        self._tell(claim, envelope, finished, seconds)
        return finished

    def settle(self) -> None:
        """The store has answered: what was executed last is over."""
        if self._unsettled is not None:
            failed, seconds = self._unsettled
            self._slot.end(failed=failed, seconds=seconds)
            self._unsettled = None

    def close(self) -> None:
        """Ends the event loop of async handlers."""
        if self._runner is not None:
            self._runner.close()

    def _open(self, claim: Claim) -> Envelope:
        """The envelope, proven to be the door's and this job's."""
        domain = split_queue(claim.queue)[0]
        try:
            envelope = Envelope.FromString(self._ring.unseal(f"domain/{domain}", claim.envelope))
        except SealBroken as error:
            raise PermanentError("SEAL_BROKEN", f"not sealed by the door: {error}") from None
        except DecodeError:
            raise PermanentError("SEAL_BROKEN", "its envelope cannot be read") from None
        if envelope.job_id != claim.job_id or envelope.domain != domain:
            raise PermanentError("SEAL_BROKEN", "its envelope is another job's")
        return envelope

    def _run(self, claim: Claim, envelope: Envelope, timeout: float) -> Finished:
        options = envelope.spec.options
        name = envelope.spec.payload.type_url.rpartition("/")[2]
        run = Run(
            namespace=envelope.namespace,
            job_id=claim.job_id,
            token=claim.token,
            failures=claim.failures,
            retry=options.retry,
        )
        hold = self._hold = RunningHold(
            claim,
            job_type=name,
            namespace=envelope.namespace,
            caller=envelope.caller,
            headers=dict(options.headers),
            timeout=timeout,
            slot=self._slot,
            wire=self._wire,
            reporter=self._reporter,
            log=self._log.bind(job_id=claim.job_id, type=name, attempt=claim.attempt),
        )
        try:
            handler = self._handler(name)
            result = self._call(handler, _parse(handler, envelope), JobContext(hold), timeout)
            return outcome.succeeded(
                run, self._ring, result, progress=hold.progress, warnings=hold.warnings
            )
        except HoldLost:
            # Whoever has the job now is not disturbed: the token is no longer the job's. And should
            # it still be, the job goes on elsewhere instead of being held by nobody who runs it.
            again = RetryLater(timedelta(), "its hold was taken for lost")
            return outcome.failed(run, again, rng=self._rng, progress=hold.progress)
        except BaseException as raised:
            error = _named(raised, claim, timeout)
            # SystemExit, KeyboardInterrupt and GeneratorExit of a handler are its failure, too:
            # one job must not end the process that runs others.
            return outcome.failed(
                run, error, rng=self._rng, progress=hold.progress, warnings=hold.warnings
            )
        finally:
            self._hold = None

    def _handler(self, name: str) -> Handler:
        handler = self._handlers.get(name)
        if handler is None:
            raise RetryLater(
                timedelta(seconds=NOT_SERVED_AGAIN), f"this worker has no handler for {name}"
            )
        return handler

    def _call(
        self, handler: Handler, payload: Message, ctx: JobContext, timeout: float
    ) -> Message | None:
        if handler.is_async:
            if self._runner is None:
                self._runner = asyncio.Runner()
            result: Message | None = self._runner.run(_bounded(handler, payload, ctx, timeout))
        else:
            try:
                self._alarm.arm(timeout)
                result = handler.function(payload, ctx)
            finally:
                self._alarm.disarm()
        expected = handler.returns
        if (expected is None and result is not None) or (
            expected is not None and not isinstance(result, expected)
        ):
            wanted = "None" if expected is None else expected.__name__
            raise PermanentError(
                "INVALID_RESULT", f"the handler returned {type(result).__name__}, not {wanted}"
            )
        return result

    def _heard(self, job_id: str, word: str) -> None:
        hold = self._hold
        if hold is not None and hold.job_id == job_id:
            hold.hear(word)

    def _tell(self, claim: Claim, envelope: Envelope, finished: Finished, seconds: float) -> None:
        if finished.verdict == "succeeded":
            self._log.debug("job succeeded", job_id=claim.job_id, attempt=claim.attempt)
            return
        fields: dict[str, Any] = {
            "job_id": claim.job_id,
            "type": envelope.spec.payload.type_url.rpartition("/")[2],
            "attempt": claim.attempt,
            "seconds": round(seconds, 4),
        }
        failure = Failure.FromString(finished.failure)
        fields |= {"reason": failure.reason, "retry_in": finished.wait_ms / 1000}
        if finished.verdict == "failed":
            del fields["retry_in"]
        self._log.warning(f"job {_WORDS[finished.verdict.value]}", **fields)


_WORDS = {"failed": "failed", "retry": "failed, will be retried", "later": "put off"}


def _named(error: BaseException, claim: Claim, timeout: float) -> BaseException:
    """A timeout that the deadline brought forward is the deadline's."""
    if isinstance(error, SoftTimeout) and 0 <= claim.left_ms <= timeout * 1000:
        return DeadlineReached()
    return error


def _parse(handler: Handler, envelope: Envelope) -> Message:
    try:
        return handler.job_type.message.FromString(envelope.spec.payload.value)
    except DecodeError:
        raise PermanentError("INVALID_PAYLOAD", "its payload cannot be read") from None


async def _bounded(handler: Handler, payload: Message, ctx: JobContext, timeout: float) -> Any:
    scope = asyncio.timeout(timeout)
    try:
        async with scope:
            return await handler.function(payload, ctx)
    except TimeoutError:
        if scope.expired():
            raise SoftTimeout("the timeout of the job passed") from None
        raise
