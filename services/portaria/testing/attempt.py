"""One attempt: the handler called, its end put into words by the worker's own code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any, TypeVar

from google.protobuf.message import Message

from portaria.core.seal import KeyRing
from portaria.internal.v1.envelope_pb2 import Outcome
from portaria.jobs import Handler, HoldLost, JobContext, PermanentError, RetryLater, SoftTimeout
from portaria.jobs.eager import EagerHold, Report
from portaria.jobs.errors import DeadlineReached
from portaria.runtime import outcome
from portaria.store import Finished, Verdict
from portaria.testing.kernel import NAMESPACE, Record
from portaria.v1.job_pb2 import Progress

Value = TypeVar("Value")
Call = Callable[[Handler, Message, JobContext, float], Awaitable[Any]]
"""Calls a handler, where it stands or awaited."""

_RING = KeyRing([bytes(32)])


@dataclass(kw_only=True, eq=False)
class Running:
    """An attempt under way."""

    record: Record
    hold: EagerHold
    seconds: float
    """Its timeout, brought forward by the job's deadline."""
    ends_ms: int
    is_deadline: bool
    struck: bool = False
    """Its handler was told that its time is up."""
    crashed: bool = False


async def run(running: Running, handler: Handler, call: Call, rng: Random) -> Finished:
    """Calls the handler and answers how that ended."""
    record, hold = running.record, running.hold
    options = record.options
    run = outcome.Run(
        namespace=NAMESPACE,
        job_id=record.job.job_id,
        token="",  # nobody else could hold it
        failures=record.job.failures,
        retry=options.retry,
    )
    try:
        payload = record.job_type.message.FromString(record.payload)
        result = await call(handler, payload, JobContext(hold), running.seconds)
        return outcome.succeeded(
            run, _RING, _checked(handler, result), progress=progress(hold), warnings=hold.warnings
        )
    except HoldLost:
        again = RetryLater(timedelta(), "its hold was taken for lost")
        return outcome.failed(run, again, rng=rng, progress=progress(hold))
    except BaseException as raised:
        if _is_for_the_test(raised):
            raise
        running.struck = running.struck or isinstance(raised, SoftTimeout)
        is_deadline = isinstance(raised, SoftTimeout) and running.is_deadline
        error = DeadlineReached() if is_deadline else raised
        return outcome.failed(run, error, rng=rng, progress=progress(hold), warnings=hold.warnings)


def result_of(finished: Finished) -> Outcome | None:
    """What a handler returned, as the worker sealed it."""
    if finished.verdict is not Verdict.SUCCEEDED:
        return None
    return Outcome.FromString(_RING.unseal(f"namespace/{NAMESPACE}", finished.output))


def report_to_proto(report: Report) -> Progress:
    """A report as watchers see it."""
    progress = Progress(current=report.current, total=report.total, message=report.message)
    if report.total:
        progress.percent = 100.0 * report.current / report.total
    return progress


def progress(hold: EagerHold) -> bytes:
    """The last report of an attempt."""
    return report_to_proto(hold.reports[-1]).SerializeToString() if hold.reports else b""


def _is_for_the_test(error: BaseException) -> bool:
    """Whether what passed through a handler is none of its own: Ctrl-C, a test's timeout or end."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task() if _in_loop() else None
        return task is not None and task.cancelling() > 0
    # Such as pytest.fail(), and what pytest-timeout raises.
    ends = any(each.__module__ == "_pytest.outcomes" for each in type(error).__mro__)
    return ends or isinstance(error, KeyboardInterrupt)


def _checked(handler: Handler, result: Any) -> Message | None:
    wanted = handler.returns or type(None)
    if not isinstance(result, wanted):
        expected = "None" if handler.returns is None else handler.returns.__name__
        text = f"the handler returned {type(result).__name__}, not {expected}"
        raise PermanentError("INVALID_RESULT", text)
    return result


class HereAndNow:
    """Calls handlers without a loop of the caller's; one loop of its own for all async ones."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None

    async def __call__(
        self, handler: Handler, payload: Message, ctx: JobContext, seconds: float
    ) -> Any:
        """See Call. Never suspends, so that `finished` can drive what awaits it."""
        if not handler.is_async:
            return handler.function(payload, ctx)
        if self._runner is None:
            # Given, so that the runner does not touch the thread's event loop.
            self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        bounded = _bounded(handler, payload, ctx, seconds)
        if not _in_loop():
            return self._runner.run(bounded)
        with ThreadPoolExecutor(1) as aside:
            return aside.submit(copy_context().run, self._runner.run, bounded).result()

    def close(self) -> None:
        """Ends the loop."""
        if self._runner is not None and not _in_loop():
            self._runner.close()
        elif self._runner is not None:
            closing = threading.Thread(target=self._runner.close)
            closing.start()
            closing.join()


async def awaited(handler: Handler, payload: Message, ctx: JobContext, seconds: float) -> Any:
    """Calls handlers in the caller's loop; see Call."""
    if not handler.is_async:
        return handler.function(payload, ctx)
    return await _bounded(handler, payload, ctx, seconds)


def finished(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """What a coroutine returns that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: Value = end.value
        return value
    raise RuntimeError("a call that should not wait did")


async def _bounded(handler: Handler, payload: Message, ctx: JobContext, seconds: float) -> Any:
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            return await handler.function(payload, ctx)
    except TimeoutError:
        if scope.expired():
            raise SoftTimeout("the timeout of the job passed") from None
        raise


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
