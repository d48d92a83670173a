"""One claimed job, run: opened, checked, handed to its handler, its end put into words."""

from __future__ import annotations

import asyncio
import math
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from random import Random
from typing import Any

from google.protobuf.message import DecodeError, Message

from portaria.core.ids import is_member
from portaria.core.seal import KeyRing, SealBroken
from portaria.core.states import split_queue
from portaria.internal.v1.envelope_pb2 import Envelope
from portaria.jobs import Handler, HoldLost, JobContext, PermanentError, RetryLater, SoftTimeout
from portaria.jobs.errors import DeadlineReached
from portaria.logs import logger
from portaria.runtime import outcome
from portaria.runtime.alarm import Alarm
from portaria.runtime.clone import Clone
from portaria.runtime.door import Door, Doorway
from portaria.runtime.hold import RunningHold
from portaria.runtime.inputs import InputReader
from portaria.runtime.lease import Lease
from portaria.runtime.outcome import Run
from portaria.runtime.pace import Pace
from portaria.runtime.reporter import Reporter
from portaria.runtime.slot import CANCEL, LOST, Slot
from portaria.runtime.surroundings import Surroundings
from portaria.store import Claim, Finished
from portaria.store.calls import Hold
from portaria.store.wire import Target, Wire
from portaria.v1.job_pb2 import Failure, RetryPolicy

_LAST_WORDS = 1.0
"""Seconds in which tasks that an async handler left running may heed that they are cancelled."""


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
        pace: Pace,
        bell: Wire,
        control: socket.socket,
        door: Door,
        begin: Callable[[Claim], int],
    ) -> None:
        """`bell` and `control` are the child's; no fork that a handler makes may keep them.

        `begin` says that a job runs that was claimed with others, and answers LOST, CANCEL or 0.
        """
        self.pace = pace
        self._handlers = handlers
        self._ring = ring
        self._slot = slot
        self._wire = wire
        self._ledger = Wire(target)
        self._reporter = Reporter(target, self._heard)
        self._alarm = Alarm()
        self._surroundings = Surroundings(control)
        self._reader = InputReader(wire, ring)
        self._doorway = Doorway(door)
        self._begin = begin
        abandoned = (wire, bell, self._ledger, self._reporter, self._doorway)
        self._clone = Clone([*(each.abandon for each in abandoned), control.close])
        self._bell = bell
        self._rng = Random()
        self._runner: asyncio.Runner | None = None
        self._lease: Lease | None = None
        self._seconds = 0.0
        self._log = logger().bind()  # bound once: what logger() gives is looked up at each call

    def execute(self, claim: Claim, lease: Lease) -> Finished:
        """Runs one job to its end. `settle` must follow once the store knows of it."""
        started = time.monotonic()
        # Before its envelope is opened: should that kill the process, this job is charged.
        self._slot.begin(claim.job_id, claim.token, started)
        try:
            envelope = self._open(claim)
        except PermanentError as error:
            self._log.error("job refused", job_id=claim.job_id, reason=error.reason)
            return outcome.failed(_refused(claim), error, rng=self._rng)
        options = envelope.spec.options
        timeout = options.timeout.seconds + options.timeout.nanos / 1e9
        if claim.left_ms >= 0:
            timeout = max(0.001, min(timeout, claim.left_ms / 1000))
        self._slot.arm(timeout)
        finished = self._run(claim, envelope, timeout, lease)
        self._reporter.drop()
        self._put_back(claim)
        seconds = time.monotonic() - started
        self._slot.arm(math.inf)
        self._seconds += seconds
        self.pace.note(seconds)
        self._tell(claim, envelope, finished, seconds)
        return finished

    def settle(self, answered: Sequence[Finished]) -> None:
        """The store has answered: these are over. Only between two jobs."""
        if answered:
            succeeded = sum(each.verdict == "succeeded" for each in answered)
            failed = len(answered) - succeeded
            self._slot.settle(succeeded=succeeded, failed=failed, seconds=self._seconds)
            self._seconds = 0.0

    def lost(self, hold: Hold) -> None:
        """The store said that a running job is no longer this worker's; on any thread."""
        self._heard(hold, "lost")

    def close(self) -> None:
        """Ends the event loop of async handlers."""
        if self._runner is not None:
            self._runner.close()

    def _put_back(self, claim: Claim) -> None:
        """What the handler changed of the process: the next job finds it as this one did."""
        changed = self._surroundings.restore()
        if not changed:
            return
        self._log.warning("a handler changed its process", job_id=claim.job_id, what=changed)
        if "descriptors" in changed:
            # Nobody knows what else is gone: new connections for what is in hand, then an end.
            for wire in (self._wire, self._bell, self._ledger, self._reporter, self._doorway):
                wire.forget()
            self._runner = None
            self._slot.set_retire()

    def _open(self, claim: Claim) -> Envelope:
        """The envelope, proven to be the door's and this job's."""
        domain = split_queue(claim.queue)[0]
        try:
            envelope = Envelope.FromString(self._ring.unseal(f"domain/{domain}", claim.envelope))
        except SealBroken as error:
            raise PermanentError("SEAL_BROKEN", f"not sealed by the door: {error}") from None
        except DecodeError:
            raise PermanentError("SEAL_BROKEN", "its envelope cannot be read") from None
        is_its = envelope.job_id == claim.job_id or (
            envelope.is_family and is_member(envelope.job_id, claim.job_id)
        )
        if not is_its or envelope.domain != domain:
            raise PermanentError("SEAL_BROKEN", "its envelope is another job's")
        return envelope

    def _run(self, claim: Claim, envelope: Envelope, timeout: float, lease: Lease) -> Finished:
        options = envelope.spec.options
        name = envelope.spec.payload.type_url.rpartition("/")[2]
        run = Run(
            namespace=envelope.namespace,
            job_id=claim.job_id,
            token=claim.token,
            failures=claim.failures,
            retry=options.retry,
        )
        self._lease = lease
        hold = RunningHold(
            claim,
            envelope,
            job_type=name,
            timeout=timeout,
            lease=lease,
            wire=self._wire,
            ledger=self._ledger,
            reporter=self._reporter,
            reader=self._reader,
            doorway=self._doorway,
            begin=self._begin,
            log=self._log,
        )
        try:
            handler = self._handler(name)
            payload = self._payload(handler, envelope, timeout)
            result = self._call(handler, payload, JobContext(hold), timeout)
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
            self._lease = None
            # A thread that it left behind has no part in what runs next.
            lease.hear(LOST)

    def _handler(self, name: str) -> Handler:
        handler = self._handlers.get(name)
        if handler is None:
            # The claim asked for types that are served here: its record and envelope differ.
            raise PermanentError("SEAL_BROKEN", f"its envelope holds a {name}, its record does not")
        return handler

    def _payload(self, handler: Handler, envelope: Envelope, timeout: float) -> Message:
        """As the handler gets it: with what is bound filled in."""
        payload = _parse(handler, envelope)
        if envelope.place.bindings:
            try:
                self._alarm.arm(timeout)
                self._reader.fill(envelope, payload)
            finally:
                self._alarm.disarm()
        return payload

    def _call(
        self, handler: Handler, payload: Message, ctx: JobContext, timeout: float
    ) -> Message | None:
        try:
            result = self._invoke(handler, payload, ctx, timeout)
        except BaseException as error:
            self._clone.end(error)
            raise
        self._clone.end(None)
        expected = handler.returns
        if (expected is None and result is not None) or (
            expected is not None and not isinstance(result, expected)
        ):
            wanted = "None" if expected is None else expected.__name__
            raise PermanentError(
                "INVALID_RESULT", f"the handler returned {type(result).__name__}, not {wanted}"
            )
        return result

    def _invoke(
        self, handler: Handler, payload: Message, ctx: JobContext, timeout: float
    ) -> Message | None:
        if not handler.is_async:
            try:
                self._alarm.arm(timeout)
                result: Message | None = handler.function(payload, ctx)
            finally:
                self._alarm.disarm()
            return result
        if self._runner is None:
            self._runner = asyncio.Runner()
        loop = self._runner.get_loop()
        try:
            result = self._runner.run(_bounded(handler, payload, ctx, timeout))
        finally:
            if asyncio.all_tasks(loop):
                # They heed no cancel; in this loop they would live into the next job.
                self._runner = None
                self._slot.set_retire()
        return result

    def _heard(self, hold: Hold, word: str) -> None:
        lease = self._lease
        if lease is not None and (lease.job_id, lease.token) == hold:
            lease.hear(CANCEL if word == "cancel" else LOST)

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


def _refused(claim: Claim) -> Run:
    return Run(
        namespace="",
        job_id=claim.job_id,
        token=claim.token,
        failures=claim.failures,
        retry=RetryPolicy(),
    )


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
    finally:
        await _end_tasks()


async def _end_tasks() -> None:
    """Cancels what the handler left running, and waits a moment for it."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=_LAST_WORDS)
