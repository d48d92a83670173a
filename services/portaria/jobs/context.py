"""What a handler can do besides its work: report, guard its effects, learn about its run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Generic, Protocol, TypeVar, Unpack, cast

from google.protobuf.message import Message

from portaria.jobs.children import Child, ChildOptions, Named, Names
from portaria.jobs.errors import JobError, OutcomeUnknown
from portaria.jobs.inputs import Before, Parent, Result
from portaria.v1.job_pb2 import Failure

Value = TypeVar("Value")

LARGEST_KEY = 256
LARGEST_VALUE = 4096
LARGEST_MESSAGE = 512


class Log(Protocol):
    """A structured logger: a constant message and fields that vary."""

    def debug(self, event: str, **fields: object) -> object: ...
    def info(self, event: str, **fields: object) -> object: ...
    def warning(self, event: str, **fields: object) -> object: ...
    def error(self, event: str, **fields: object) -> object: ...


class OnUnknown(StrEnum):
    """What `once` does where an earlier run died between the effect and its record."""

    REPEAT = "repeat"
    """Run the function again: right where the receiver honours the key."""
    SKIP = "skip"
    """Do not run it; the Effect says `unknown`."""
    FAIL = "fail"
    """Raise OutcomeUnknown."""


@dataclass(frozen=True, slots=True)
class Effect(Generic[Value]):
    """What `once` knows of an effect."""

    value: Value | None
    """What the function returned, now or in the run that did it."""
    done: bool
    """It happened, once."""
    repeated: bool = False
    """It had happened before; the function was not called."""
    unknown: bool = False
    """It may have happened; the function was not called again."""


class Recorded(StrEnum):
    """What the ledger held when an effect was about to begin."""

    NEW = "new"
    DONE = "done"
    UNKNOWN = "unknown"


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
            known = self._begin(key, on_unknown, mine)
            if known is not None:
                return cast("Effect[Value]", known)
            try:
                value = fn()
            except BaseException as error:
                return self._raised(key, error, on_unknown)
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
            known = self._begin(key, on_unknown, mine)
            if known is not None:
                return cast("Effect[Value]", known)
            try:
                value = await fn()
            except BaseException as error:
                return self._raised(key, error, on_unknown)
            return self._done(key, value)
        finally:
            self._leave(key, mine)

    def _begin(self, key: str, on_unknown: OnUnknown, mine: object) -> Effect[object] | None:
        check_key(key)
        # The ledger would let both begin: an intent of this run is no doubt for it.
        if self._open.setdefault(key, mine) is not mine:
            raise RuntimeError(f'effect "{key}" is under way in this run already')
        recorded, value = self._hold.begin_effect(key, again=on_unknown is OnUnknown.REPEAT)
        match recorded:
            case Recorded.NEW:
                return None
            case Recorded.DONE:
                return Effect(json.loads(value), done=True, repeated=True)
            case Recorded.UNKNOWN:
                return self._unknown(on_unknown)

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

    def _raised(self, key: str, error: BaseException, on_unknown: OnUnknown) -> Effect[Value]:
        if not isinstance(error, Exception):
            # An interruption may have struck before, during or after the effect.
            self._hold.doubt_effect(key)
            raise error
        if not isinstance(error, OutcomeUnknown):
            self._hold.clear_effect(key)
            raise error
        self._hold.doubt_effect(key)
        if on_unknown is OnUnknown.SKIP:
            return cast("Effect[Value]", self._unknown(on_unknown))
        if on_unknown is OnUnknown.REPEAT:
            # An ordinary failure: the next attempt repeats the effect under the same key.
            raise JobError("EFFECT_IN_DOUBT", str(error)) from error
        raise error

    def _unknown(self, on_unknown: OnUnknown) -> Effect[object]:
        if on_unknown is OnUnknown.SKIP:
            return Effect(None, done=False, unknown=True)
        raise OutcomeUnknown


def check_key(key: str) -> None:
    """Raises ValueError for a key that no ledger takes."""
    if not key or len(key) > LARGEST_KEY:
        raise ValueError(f"an effect's key has 1 to {LARGEST_KEY} characters")


def encode_value(value: object) -> str:
    """An effect's value as ledgers keep it. Raises ValueError where it is no JSON, or too large."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the value of an effect is kept as JSON: {error}") from None
    if len(text) > LARGEST_VALUE:
        raise ValueError(f"the value of an effect has at most {LARGEST_VALUE} bytes as JSON")
    return text
