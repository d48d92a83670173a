"""What a handler can do besides its work: report, guard its effects, learn about its run."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Protocol, Unpack, cast

from google.protobuf.message import Message

from portaria.jobs.children import Child, ChildOptions, Named, Names
from portaria.jobs.effects import (
    Effect,
    Once,
    OnUnknown,
    Recorded,
    Value,
    check_key,
    encode_value,
    known,
    raised,
)
from portaria.jobs.inputs import Before, Parent, Result
from portaria.jobs.series import Series
from portaria.jobs.throttle import waits
from portaria.v1.job_pb2 import Failure

LARGEST_MESSAGE = 512
_KEYS_AT_ONCE = 200


class Log(Protocol):
    """A structured logger: a constant message and fields that vary."""

    def debug(self, event: str, **fields: object) -> object: ...
    def info(self, event: str, **fields: object) -> object: ...
    def warning(self, event: str, **fields: object) -> object: ...
    def error(self, event: str, **fields: object) -> object: ...


class Hold(Protocol):
    """A worker's grip on the running job; implemented by the runtime.

    Every method may raise Interruption where the hold is lost or the job cancelled.
    """

    job_id: str
    type: str
    namespace: str
    attempt: int
    caller: str

    @property
    def workflow_id(self) -> str:
        """That of the job's place; empty where it has none."""

    @property
    def node_id(self) -> str:
        """See workflow_id."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Those of the submission."""

    @property
    def deadline(self) -> datetime:
        """When the soft timeout strikes."""

    @property
    def log(self) -> Log:
        """A logger with the job bound."""

    def report(self, current: int, total: int, message: str) -> None:
        """Makes progress known. Returns at once; a report may be replaced by a later one."""

    def check(self) -> None:
        """Answers where this run still holds the job, by the store's word, and may go on."""

    def begin_effect(self, key: str, *, again: bool) -> tuple[Recorded, str]:
        """Records the intent; with `again`, over an unknown outcome. Answers what was there."""

    def exchange_effects(
        self, ended: tuple[str, str] | None, key: str, *, again: bool
    ) -> Callable[[], tuple[Recorded, str]]:
        """As end_effect with key and value of another, if any, then begin_effect, both at once.

        What it returns waits for the answer; it is called before the next exchange, or not at all
        any more. An Interruption that it raises is about the begin: the end is on record by then.
        """

    def recorded_effects(self, keys: Sequence[str]) -> list[str]:
        """Of each key its value where it is known to have happened, else empty."""

    def end_effect(self, key: str, value: str) -> None:
        """Records that it happened, with its value."""

    def clear_effect(self, key: str) -> None:
        """Forgets the intent: it certainly did not happen."""

    def doubt_effect(self, key: str) -> None:
        """Records that nobody can know whether it happened."""

    def warn(self, text: str) -> None:
        """Adds a line that the submitter will read on the finished job."""

    def is_cancelled(self) -> bool:
        """Whether somebody asked to cancel the job. Never raises."""

    def take(self, key: str, per_second: float, burst: float, *, ahead: float) -> float:
        """Takes the next moment of a rate: seconds to wait for it. Negative where it lies more
        than `ahead` away: then none was taken, and one may ask again after so long."""

    def before(self, node: str | None) -> Before:
        """The jobs right before this one, or those of a node. Raises ValueError for a node that is
        not there, or not before this one."""

    def parent(self) -> Parent | None:
        """The job or workflow that this one is for."""

    def submit(self, children: Iterable[Named], options: ChildOptions) -> list[Child]:
        """Hands in children, in order."""


class JobContext:
    """The running job, as its handler sees it. Valid until the handler returns."""

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self._open: dict[str, object] = {}

    @property
    def job_id(self) -> str:
        """The job's UUIDv7."""
        return self._hold.job_id

    @property
    def namespace(self) -> str:
        """Whose job it is; what belongs to another namespace is not for it."""
        return self._hold.namespace

    @property
    def attempt(self) -> int:
        """The number of this start, from 1."""
        return self._hold.attempt

    @property
    def deadline(self) -> datetime:
        """When the soft timeout strikes."""
        return self._hold.deadline

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the submission (traceparent, tenant, user...)."""
        return self._hold.headers

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to cancel the job: finish soon, or let progress() raise."""
        return self._hold.is_cancelled()

    @property
    def log(self) -> Log:
        """A logger with the job's id, type and attempt bound. Pass fields, never payloads."""
        return self._hold.log

    @property
    def workflow_id(self) -> str:
        """The workflow that the job is a step of; empty where it is of none."""
        return self._hold.workflow_id

    @property
    def node_id(self) -> str:
        """Which step of it the job is."""
        return self._hold.node_id

    def input(self, kind: type[Result], node: str | None = None) -> Result:
        """The result of the job right before this one, or of a node of the workflow.

        Raises StepFailed where that job failed, PermanentError (INPUT_TYPE, INPUT_MISSING,
        SEAL_BROKEN) where there is no such result, and ValueError where it is not one job, or the
        node is not before this one.
        """
        return self._hold.before(node).single(kind)

    def inputs(self, kind: type[Result], node: str | None = None) -> Iterator[Result | Failure]:
        """The results of the jobs right before this one, or of a node, in their order.

        A job that failed is left out where its step says ALLOW, and has its Failure in its place
        where that says CONTINUE. Read while they are taken, 200 at a time. Raises as `input`.
        """
        return self._hold.before(node).each(kind)

    @property
    def parent(self) -> Parent | None:
        """The job that submitted this one, or the job or workflow whose hook it is."""
        return self._hold.parent()

    def submit(
        self,
        payload: Message,
        *,
        key: str | None = None,
        request_id: str | None = None,
        **options: Unpack[ChildOptions],
    ) -> Child:
        """Hands in another job, once: a further run of this job finds the one that is there.

        It is known by `key`, by default its content and how many of the same were submitted before
        it; give one where the content differs from run to run. It belongs to this job's workflow or
        batch, if any. Raises what portaria.client's submit raises, JobCancelled and HoldLost.

        Blocks for a call to the door; where an async handler does more meanwhile,
        `await asyncio.to_thread(ctx.submit, …)`.
        """
        return self._hold.submit([self._names.one(payload, key, request_id)], options)[0]

    def submit_many(
        self,
        payloads: Iterable[Message],
        *,
        key: str | None = None,
        **options: Unpack[ChildOptions],
    ) -> list[Child]:
        """As `submit`, for any number, several calls at a time; `key` is of all of them, and each
        one is known by it and its number.
        """
        return self._hold.submit(self._names.many(payloads, key), options)

    @cached_property
    def _names(self) -> Names:
        return Names(self.job_id)

    def progress(self, current: int, total: int = 0, message: str = "") -> None:
        """Tells watchers how far the job is. `total` 0 means unknown.

        Returns at once, so it may be called in a tight loop; watchers see the latest. Raises
        JobCancelled or HoldLost where there is no point in going on, and ValueError for negative
        numbers, `current` beyond a known `total`, or a message over 512 characters.
        """
        if current < 0 or total < 0 or (total and current > total):
            raise ValueError(f"progress({current}, {total}): expected 0 <= current <= total")
        if len(message) > LARGEST_MESSAGE:
            raise ValueError(f"a progress message has at most {LARGEST_MESSAGE} characters")
        self._hold.report(current, total, message)

    def check(self) -> None:
        """Raises JobCancelled or HoldLost where this run may do no more, as `once` does.

        Asks Redis, and waits while it is away: right before something that cannot be taken back.
        In a loop, `progress` is enough.
        """
        self._hold.check()

    def throttle(self, key: str, *, per_second: float, burst: float = 1) -> None:
        """Waits for its turn under a rate that all workers share, whatever job they run.

        So many a second under one key, evenly; after a pause up to `burst` at once. Calls that
        wait are served in their order, more or less. What a run does not use up is lost.

        Raises JobCancelled or HoldLost instead of waiting on, and ValueError for a key that is
        empty or over 256 characters, a rate outside 0.001 to 1,000,000, or a burst under 1.
        """
        for pause in waits(self._hold, key, per_second, burst):
            time.sleep(pause)

    async def throttle_async(self, key: str, *, per_second: float, burst: float = 1) -> None:
        """As `throttle`, while other coroutines of the handler go on."""
        for pause in waits(self._hold, key, per_second, burst):
            await asyncio.sleep(pause)

    def warn(self, text: str) -> None:
        """Ends the job as succeeded with a remark, e.g. "no parts in this stage"."""
        self._hold.warn(text)

    def effect_id(self, key: str) -> str:
        """A stable id of an effect, the same in every run of this job: 32 hex digits.

        Hand it to the receiver (Message-ID, Idempotency-Key) so that it can recognise a repeat.
        """
        return hashlib.sha256(f"{self.job_id}/{key}".encode()).hexdigest()[:32]

    def once(
        self,
        key: str,
        fn: Callable[[], Value],
        *,
        on_unknown: OnUnknown = OnUnknown.FAIL,
    ) -> Effect[Value]:
        """Calls `fn` unless an earlier run of this job already did under the same key.

        The intent is recorded before and the result after, both only while this worker holds the
        job. `fn` returns None, bool, int, float, str or what JSON makes of lists and dicts of
        these, at most 4 KiB. If `fn` raises, the intent is cleared and the exception passes,
        unless it is OutcomeUnknown. Where the outcome is unknown, `on_unknown` decides; with
        REPEAT the attempt fails, and the next one repeats the effect.

        Raises OutcomeUnknown (with FAIL), JobCancelled or HoldLost before `fn` is called, as well
        as RuntimeError where another thread or coroutine of this run is at the same key, and
        ValueError for a key that is empty or over 256 characters, or, after the effect, for a
        value that cannot be kept: its outcome is unknown from then on.
        """
        mine = object()
        try:
            effect = self._begin(key, on_unknown, mine)
            if effect is not None:
                return cast("Effect[Value]", effect)
            try:
                value = fn()
            except BaseException as error:
                return raised(self._hold, key, error, on_unknown)
            return self._done(key, value)
        finally:
            self._leave(key, mine)

    async def once_async(
        self,
        key: str,
        fn: Callable[[], Awaitable[Value]],
        *,
        on_unknown: OnUnknown = OnUnknown.FAIL,
    ) -> Effect[Value]:
        """As `once`, for a coroutine function."""
        mine = object()
        try:
            effect = self._begin(key, on_unknown, mine)
            if effect is not None:
                return cast("Effect[Value]", effect)
            try:
                value = await fn()
            except BaseException as error:
                return raised(self._hold, key, error, on_unknown)
            return self._done(key, value)
        finally:
            self._leave(key, mine)

    def once_each(
        self,
        steps: Iterable[Once[Value]],
        *,
        on_unknown: OnUnknown = OnUnknown.FAIL,
        passing: tuple[type[Exception], ...] = (),
    ) -> Iterator[Effect[Value]]:
        """As `once` for one step after another, in hardly more time than their functions take.

        The end of one and the intent of the next are recorded together, while the next is being
        prepared; its `fn` is called when its intent is on record, and an Effect is given, in the
        steps' order, when its end is. A step is taken while the one before is not on record yet:
        what takes long belongs into `prepare`. What `prepare` or `fn` raises ends the series as it
        would end `once`, but for the kinds in `passing`: the Effect has the error, and it goes on.
        """
        series: Series[Value] = Series(self._hold, on_unknown, passing, self._open)
        return series.run(steps)

    def recorded(self, keys: Sequence[str]) -> list[Effect[object] | None]:
        """Of each key its Effect where it is known to have happened, in whichever run, else None.

        200 keys a round trip, to pass over quickly what was done; None promises nothing, and
        `once` decides. Raises HoldLost.
        """
        values = (
            value
            for start in range(0, len(keys), _KEYS_AT_ONCE)
            for value in self._hold.recorded_effects(keys[start : start + _KEYS_AT_ONCE])
        )
        return [known(Recorded.DONE, value, OnUnknown.SKIP) if value else None for value in values]

    def _begin(self, key: str, on_unknown: OnUnknown, mine: object) -> Effect[object] | None:
        check_key(key)
        # The ledger would let both begin: an intent of this run is no doubt for it.
        if self._open.setdefault(key, mine) is not mine:
            raise RuntimeError(f'effect "{key}" is under way in this run already')
        again = on_unknown is OnUnknown.REPEAT
        return known(*self._hold.begin_effect(key, again=again), on_unknown)

    def _leave(self, key: str, mine: object) -> None:
        if self._open.get(key) is mine:
            del self._open[key]

    def _done(self, key: str, value: Value) -> Effect[Value]:
        try:
            kept = encode_value(value)
        except ValueError:
            # It happened: an intent left standing would let this run begin it once more.
            self._hold.doubt_effect(key)
            raise
        self._hold.end_effect(key, kept)
        return Effect(value, done=True)
