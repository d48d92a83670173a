"""Runs jobs and lets time pass, one thing after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import timedelta
from random import Random

from portaria.core.clock import from_milliseconds
from portaria.core.errors import ConfigurationError, DeadlineExceeded
from portaria.core.states import State
from portaria.jobs import SoftTimeout
from portaria.jobs.errors import Interruption
from portaria.testing.attempt import (
    Call,
    HereAndNow,
    Running,
    awaited,
    report_to_proto,
    result_of,
    run,
)
from portaria.testing.clock import ShiftedClock
from portaria.testing.handlers import Handlers
from portaria.testing.job import Attempt, attempt_to_proto
from portaria.testing.kernel import Kernel, Record
from portaria.testing.relations import relate
from portaria.v1.job_pb2 import Failure

MOST_RUNS = 10_000
_RUNNING: ContextVar[Running | None] = ContextVar("running", default=None)
_LOOK_AGAIN = 0.001


class Crashed(Interruption):
    """Stands for the end of a worker's process."""


class Steady(Random):
    """No jitter: every spread is at its middle."""

    def uniform(self, a: float, b: float) -> float:
        """The middle."""
        return (a + b) / 2


class Engine:
    """The worker, the upkeep and the clock of an eager platform."""

    def __init__(self, clock: ShiftedClock) -> None:
        self.clock = clock
        self.kernel = Kernel(clock)
        self.handlers = Handlers()
        self.here = HereAndNow()
        self.rng: Random = Steady()
        self._attempts: dict[str, list[Attempt]] = {}

    def attempts(self, record: Record) -> Sequence[Attempt]:
        """The runs of a job that ended."""
        return self._attempts.get(record.job.job_id, ())

    async def step(self, call: Call) -> Record | None:
        """Runs the job that is next; None where none is due, or nobody serves those that are."""
        self.kernel.settle()
        record = self.kernel.claim(lambda each: self.handlers.find(each.job_type) is not None)
        if record is not None:
            await self._attempt(record, call)
            self.kernel.settle()
        return record

    async def run_due(self, call: Call) -> list[Record]:
        """Runs until nothing is due. Raises ConfigurationError where a due job has no handler."""
        ran: list[Record] = []
        while (record := await self.step(call)) is not None:
            ran.append(record)
            if len(ran) >= MOST_RUNS:
                raise RuntimeError(f"{MOST_RUNS} runs at one moment, the last of {record.job.type}")
        unserved = sorted({each.job_type.name for each in self.kernel.pending()})
        if unserved:
            raise ConfigurationError(_no_handler(unserved))
        return ran

    async def run_until(self, end_ms: int | None, call: Call) -> list[Record]:
        """As `run_due` at each moment up to the end; without one, until every job is done."""
        ran: list[Record] = []
        while len(ran) < MOST_RUNS:
            ran += await self.run_due(call)
            following = self.kernel.next_moment()
            if following is None or (end_ms is not None and following > end_ms):
                if end_ms is not None:
                    self.pass_to(end_ms)
                return ran
            self.pass_to(following)
        raise RuntimeError(f"{MOST_RUNS} runs, the last of {ran[-1].job.type}")

    async def move(self, record: Record, deadline: WaitEnd, call: Call) -> None:
        """What happens next while somebody waits for a job: a run, or time that passes.

        Raises DeadlineExceeded at the end of the wait, and ConfigurationError where nothing could
        ever end it.
        """
        if await self.step(call) is not None or record.state.is_terminal:
            return
        running = _RUNNING.get()
        is_own = running is not None and running.record is record
        if call is awaited and record.state in (State.RUNNING, State.CANCELLING) and not is_own:
            await asyncio.sleep(_LOOK_AGAIN)  # another task of the test runs it
            return
        following = self.kernel.next_moment()
        if following is not None and (deadline.ms is None or following <= deadline.ms):
            self.pass_to(following)
            return
        if deadline.ms is None:
            why = f"job {record.job.job_id} will never be done: it is {record.state}"
            if record.state is State.PENDING:
                why = _no_handler([record.job_type.name])
            raise ConfigurationError(why)
        self.pass_to(deadline.ms)
        raise DeadlineExceeded(
            f"job {record.job.job_id} is not done ({record.state}) after {deadline.seconds:g} s"
        )

    def pass_to(self, ms: int) -> None:
        """Lets time pass. Inside a handler, whose work takes that long: SoftTimeout strikes it."""
        running = _RUNNING.get()
        if running is None or running.struck or ms < running.ends_ms:
            self._shift(ms)
            return
        self._shift(running.ends_ms)
        running.struck = True
        raise SoftTimeout("the timeout of the job passed")

    def crash(self) -> None:
        """Ends the run of the handler that calls this as the death of its process would."""
        running = _RUNNING.get()
        if running is None:
            raise RuntimeError("crash() stands for the death of a handler's process: call it there")
        running.crashed = True
        running.hold.die()
        raise Crashed("the process died")

    def _shift(self, ms: int) -> None:
        while (following := self.kernel.next_moment()) is not None and following <= ms:
            self.clock.move_to(following)
            self.kernel.settle()
        self.clock.move_to(ms)

    async def _attempt(self, record: Record, call: Call) -> None:
        handler = self.handlers.find(record.job_type)
        assert handler is not None
        running, started = self._begin(record), self.clock.now()
        before = _RUNNING.set(running)
        try:
            finished = await run(running, handler, call, self.rng)
        finally:
            _RUNNING.reset(before)
        if running.struck:
            self._shift(running.ends_ms)
        if running.crashed:
            self.kernel.crash(record)
        else:
            self.kernel.finish(record, finished, result_of(finished))
        failed = finished.failure and not running.crashed
        attempt = Attempt(
            number=running.hold.attempt,
            started_at=started,
            ended_at=self.clock.now(),
            failure=Failure.FromString(finished.failure) if failed else None,
            next_at=None if record.state.is_terminal else from_milliseconds(record.due_ms),
            progress=tuple(running.hold.reports),
            warnings=tuple(running.hold.warnings),
            logs=tuple(running.hold.log.lines),
        )
        self._attempts.setdefault(record.job.job_id, []).append(attempt)
        record.job.attempts.append(attempt_to_proto(attempt, record.job.worker, running.crashed))

    def _begin(self, record: Record) -> Running:
        seconds = record.options.timeout.ToTimedelta().total_seconds()
        left = (record.deadline_ms - self.clock.ms) / 1000 if record.deadline_ms else None
        is_deadline = left is not None and left <= seconds
        if left is not None:
            seconds = min(seconds, left)
        record.run.told = lambda report: self.kernel.show(record, report_to_proto(report))
        relate(self.kernel, record)
        hold = record.run.begin()
        hold.type, hold.caller = record.job_type.name, record.job.created_by
        hold.deadline = self.clock.now() + timedelta(seconds=seconds)
        return Running(
            record=record,
            hold=hold,
            seconds=seconds,
            ends_ms=self.clock.ms + int(seconds * 1000),
            is_deadline=is_deadline,
        )


class WaitEnd:
    """Up to when somebody waits; None means for ever."""

    def __init__(self, timeout: timedelta | None, clock: ShiftedClock) -> None:
        self.seconds = timeout.total_seconds() if timeout is not None else 0.0
        self.ms = None if timeout is None else clock.ms + int(self.seconds * 1000)


def _no_handler(types: Sequence[str]) -> str:
    names = ", ".join(types)
    return f"no handler for {names}: name it by `use`, or put something in its place by `answer`"
