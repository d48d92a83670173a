"""Runs one attempt of a handler in this process, without Redis: for tests of one's own handlers.

The ledger, the fences and the checks of `JobContext` are the platform's; only where they keep
their records is other. `portaria.testing` builds whole jobs, with retries and time, on this.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from portaria.core.errors import ConfigurationError
from portaria.core.ids import new_job_id
from portaria.core.states import State
from portaria.jobs.children import Child, ChildOptions, Named
from portaria.jobs.context import JobContext
from portaria.jobs.effects import Recorded
from portaria.jobs.errors import HoldLost, JobCancelled
from portaria.jobs.handler import handler_of
from portaria.jobs.inputs import Before, Ending, Parent
from portaria.v1.job_pb2 import Failure

LONGEST_WARNING = 1_000


@dataclass(frozen=True, slots=True)
class Report:
    """One call of progress()."""

    current: int
    total: int
    message: str


Given = Message | None
"""What a job before it left: its result, None for nothing, or its Failure."""
Inputs = Mapping[str, Given | Sequence[Given]]
"""By node, in order; a sequence for a group."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """One child that a handler handed in."""

    payload: Message
    request_id: str
    options: ChildOptions
    child: Child


def ended_parent(
    given: Given = None, *, job_id: str = "", state: State | None = None, workflow_id: str = ""
) -> Parent:
    """What `ctx.parent` is to be: a job that left this, or a workflow of a state, which left
    nothing or a Failure."""
    job_id = "" if workflow_id else job_id or new_job_id()
    ending = _ending(given, job_id or workflow_id, state)
    return Parent(lambda: ending, job_id=job_id, workflow_id=workflow_id)


@dataclass(frozen=True, slots=True)
class EagerRun:
    """What one attempt did."""

    result: Any
    """The handler's message, or None."""
    progress: list[Report]
    warnings: list[str]
    logs: list[tuple[str, str, Mapping[str, object]]]
    """(level, event, fields) of each line."""
    submitted: list[Submitted]
    """The children that it handed in, or found handed in."""


@dataclass
class EagerJob:
    """A job over several attempts: its id and its ledger are the same in each."""

    job_id: str = field(default_factory=new_job_id)
    headers: Mapping[str, str] = field(default_factory=dict)
    ledger: dict[str, tuple[str, str]] = field(default_factory=dict)
    """key -> (the intent's token, or "done" with its value, or "doubt")."""
    attempts: int = 0
    hold: EagerHold | None = None
    told: Callable[[Report], object] | None = None
    """Hears each report of progress."""
    workflow_id: str = ""
    node_id: str = ""
    inputs: Inputs = field(default_factory=dict)
    """What the nodes right before it left."""
    parent: Parent | None = None
    """See `ended_parent`."""
    children: dict[str, Child] = field(default_factory=dict)
    """By request_id."""
    hand_in: Callable[[Named, ChildOptions], Child] | None = None
    """Takes its children; without, they are remembered and nothing more."""

    def begin(self) -> EagerHold:
        """The next attempt; the one before it has lost its hold."""
        if self.hold is not None:
            self.hold.lost = True
        self.attempts += 1
        self.hold = EagerHold(self)
        return self.hold

    def context(self) -> JobContext:
        """What the handler of the next attempt is given."""
        return JobContext(self.begin())

    @property
    def reports(self) -> list[Report]:
        """The progress of the latest attempt."""
        return self.hold.reports if self.hold is not None else []


def run_eagerly(
    function: Callable[..., Any],
    payload: Message,
    *,
    job: EagerJob | None = None,
    inputs: Inputs | None = None,
    parent: Parent | None = None,
) -> EagerRun:
    """Runs one attempt of a @job function, `async` or not, and answers what it did.

    Hand over an EagerJob to run further attempts of the same job: effects that happened are not
    repeated. `inputs={"prepare": PrepareResult(...), "fan": [PartResult(...), Failure(...)]}` are
    what the nodes right before it left, `parent=ended_parent(...)` whom it is for. What the handler
    raises passes through.
    """
    handler = handler_of(function)
    if handler is None:
        raise ConfigurationError(f"{function.__qualname__} is not marked with @job")
    job = job or EagerJob()
    if inputs is not None:
        job.inputs = inputs
    job.parent = parent or job.parent
    hold = job.begin()
    # Through the wire and back, so that the handler gets a message of its own.
    result = function(type(payload).FromString(payload.SerializeToString()), JobContext(hold))
    if inspect.iscoroutine(result):
        result = asyncio.run(result)
    return EagerRun(result, hold.reports, hold.warnings, hold.log.lines, hold.submitted)


class EagerLog:
    """Keeps lines instead of writing them."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, Mapping[str, object]]] = []

    def debug(self, event: str, **fields: object) -> None:
        """See Log."""
        self.lines.append(("debug", event, fields))

    def info(self, event: str, **fields: object) -> None:
        """See Log."""
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        """See Log."""
        self.lines.append(("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        """See Log."""
        self.lines.append(("error", event, fields))


class EagerHold:
    """One attempt's grip on an EagerJob; a Hold like the worker's, and tested with it."""

    def __init__(self, job: EagerJob) -> None:
        self.job_id = job.job_id
        self.type = ""
        self.namespace = "default"
        self.attempt = job.attempts
        self.caller = "eager"
        self.headers = job.headers
        self.deadline = datetime.now(UTC) + timedelta(minutes=30)
        self.log = EagerLog()
        self.reports: list[Report] = []
        self.warnings: list[str] = []
        self.workflow_id = job.workflow_id
        self.node_id = job.node_id
        self.submitted: list[Submitted] = []
        self.cancelled = False
        self.lost = False
        self.dead = False
        self._token = str(job.attempts)
        self._ledger = job.ledger
        self._told = job.told
        self._job = job

    def report(self, current: int, total: int, message: str) -> None:
        """See Hold."""
        self._check()
        self.reports.append(Report(current, total, message))
        if self._told is not None:
            self._told(self.reports[-1])

    def check(self) -> None:
        """See Hold."""
        self._check()

    def begin_effect(self, key: str, *, again: bool) -> tuple[Recorded, str]:
        """See Hold."""
        if self.lost:
            raise HoldLost
        mark, value = self._ledger.get(key, (self._token, ""))
        if mark == "done":
            return Recorded.DONE, value
        self._check()
        if mark != self._token and not again:
            return Recorded.UNKNOWN, ""
        self._ledger[key] = (self._token, "")
        return Recorded.NEW, ""

    def exchange_effects(
        self, ended: tuple[str, str] | None, key: str, *, again: bool
    ) -> Callable[[], tuple[Recorded, str]]:
        """See Hold."""
        if ended is not None:
            self.end_effect(*ended)
        return partial(self.begin_effect, key, again=again)

    def recorded_effects(self, keys: Sequence[str]) -> list[str]:
        """See Hold."""
        if self.lost:
            raise HoldLost
        found = (self._ledger.get(key, ("", "")) for key in keys)
        return [value if mark == "done" else "" for mark, value in found]

    def end_effect(self, key: str, value: str) -> None:
        """See Hold."""
        self._replace(key, ("done", value))

    def clear_effect(self, key: str) -> None:
        """See Hold."""
        if self._is_mine(key):
            del self._ledger[key]

    def doubt_effect(self, key: str) -> None:
        """See Hold."""
        self._replace(key, ("doubt", ""))

    def warn(self, text: str) -> None:
        """See Hold."""
        self.warnings.append(text[:LONGEST_WARNING])

    def is_cancelled(self) -> bool:
        """See Hold."""
        return self.cancelled

    def take(self, key: str, per_second: float, burst: float, *, ahead: float) -> float:
        """See Hold. Nobody else is there with whom a rate could be shared: there is no wait."""
        self._check()
        return 0.0

    def before(self, node: str | None) -> Before:
        """See Hold."""
        inputs = self._job.inputs
        if node is not None and node not in inputs:
            raise ValueError(f'the workflow has no node "{node}" before this one')
        nodes = inputs if node is None else (node,)
        given = [each for name in nodes for each in _each(inputs[name])]
        return Before(len(given), (_ending(each, new_job_id()) for each in given))

    def parent(self) -> Parent | None:
        """See Hold."""
        return self._job.parent

    def submit(self, children: Iterable[Named], options: ChildOptions) -> list[Child]:
        """See Hold."""
        self._check()
        first, known = len(self.submitted), self._job.children
        for named in children:
            before = known.get(named.request_id)
            if self._job.hand_in is not None:
                child = self._job.hand_in(named, options)
            else:
                job_id = before.job_id if before else new_job_id()
                child = Child(job_id, deduplicated=before is not None)
            known[named.request_id] = child
            self.submitted.append(Submitted(named.payload, named.request_id, options, child))
        return [each.child for each in self.submitted[first:]]

    def die(self) -> None:
        """As if the process had ended here: nothing that this run still does is recorded."""
        self.lost = self.dead = True

    def _replace(self, key: str, entry: tuple[str, str]) -> None:
        # What happened, happened, also where the hold is lost by now; only one's own intent is
        # ever replaced.
        if self._is_mine(key):
            self._ledger[key] = entry

    def _is_mine(self, key: str) -> bool:
        return not self.dead and self._ledger.get(key, ("", ""))[0] == self._token

    def _check(self) -> None:
        if self.lost:
            raise HoldLost
        if self.cancelled:
            raise JobCancelled


def _each(given: Given | Sequence[Given]) -> Iterator[Given]:
    yield from (given,) if given is None or isinstance(given, Message) else given


def _ending(given: Given, job_id: str, state: State | None = None) -> Ending:
    if isinstance(given, Failure):
        return Ending(job_id=job_id, state=state or State.FAILED, failure=given)
    packed = None
    if given is not None:
        packed = AnyMessage()
        packed.Pack(given)
    return Ending(job_id=job_id, state=state or State.SUCCEEDED, result=packed)
