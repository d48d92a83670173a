"""The platform of a test: clients to hand in jobs, a worker that runs on demand, a clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, NoReturn, Self, cast

from google.protobuf.message import Message

from portaria.client import AsyncClient, AsyncHandle, Client, Handle
from portaria.client.requests import PriorityName
from portaria.testing.asserting import Wanted, told, words_of
from portaria.testing.attempt import awaited, finished
from portaria.testing.calls import EagerAsyncClient, EagerCalls, EagerClient
from portaria.testing.clock import ShiftedClock
from portaria.testing.engine import Engine, Steady
from portaria.testing.handlers import Answer
from portaria.testing.job import EagerHandle
from portaria.testing.kernel import Record
from portaria.v1.job_pb2 import SubmitOptions


class EagerPlatform:
    """Jobs run in this process when the test says so, by a clock that stands still until then.

    Time begins at `start`, by default now. A retry's jitter is off; see `seed`. Handlers are found
    where a worker would find them; see `use` and `answer`.
    """

    def __init__(self, *, start: datetime | None = None) -> None:
        self.clock = ShiftedClock(start)
        self._engine = Engine(self.clock)
        self._calls = EagerCalls(self._engine)
        self.client: Client = EagerClient(self._engine)
        """For code that takes a Client. What waits for a job lets time pass until it is done."""
        self.async_client: AsyncClient = EagerAsyncClient(self._engine)
        """For code that takes an AsyncClient."""

    # --- hand in --------------------------------------------------------------------------------

    def submit(
        self,
        message: Message,
        *,
        options: SubmitOptions | None = None,
        request_id: str | None = None,
        priority: PriorityName | None = None,
        delay: timedelta | None = None,
        run_time: datetime | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> EagerHandle:
        """As Client.submit; the handle shows more."""
        handle = self.client.submit(
            message,
            options=options,
            request_id=request_id,
            priority=priority,
            delay=delay,
            run_time=run_time,
            labels=labels,
        )
        shown = self.job(handle)
        shown.submitted, shown.deduplicated = handle.submitted, handle.deduplicated
        return shown

    def job(self, job: str | Handle[Any] | AsyncHandle[Any]) -> EagerHandle:
        """The job of an id, or of a handle that the code under test got. Raises NotFound."""
        return self._show(self._engine.kernel.get(job if isinstance(job, str) else job.id))

    # --- run ------------------------------------------------------------------------------------

    def use(self, *functions: Callable[..., Any]) -> None:
        """These @job functions are the handlers of their types."""
        for function in functions:
            self._engine.handlers.use(function)

    def answer(self, kind: type[Message], answer: Answer = None) -> None:
        """Puts something in a handler's place: its result, an error that it raises, or a function
        of payload and JobContext."""
        self._engine.handlers.answer(kind, answer)

    def run_due(self) -> list[EagerHandle]:
        """Runs what is due now, in the order of priority, also what that makes due.

        Answers the jobs in the order of their runs. Raises ConfigurationError for a due job that
        has no handler.
        """
        ran = finished(self._engine.run_due(self._engine.here))
        return [self._show(each) for each in ran]

    async def run_due_async(self) -> list[EagerHandle]:
        """As `run_due`, with async handlers in the caller's loop."""
        return [self._show(each) for each in await self._engine.run_due(awaited)]

    def run_for(self, time: timedelta | None = None, **units: float) -> list[EagerHandle]:
        """Lets time pass while a worker works: each job runs at its moment, to the millisecond.

        `portaria.run_for(minutes=5)`; units are those of timedelta.
        """
        end = self.clock.ms + _milliseconds(time, units)
        ran = finished(self._engine.run_until(end, self._engine.here))
        return [self._show(each) for each in ran]

    def run_all(self) -> list[EagerHandle]:
        """As `run_for`, for as long as it takes until every job is done."""
        ran = finished(self._engine.run_until(None, self._engine.here))
        return [self._show(each) for each in ran]

    def crash(self) -> NoReturn:
        """Called where a handler runs: its process dies here, and records nothing any more."""
        self._engine.crash()
        raise AssertionError("unreachable")

    # --- time -----------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The moment at which the platform's clock stands."""
        return self.clock.now()

    def advance(self, time: timedelta | None = None, **units: float) -> None:
        """Shifts the clock: jobs become due or expire; none runs until `run_due`.

        `portaria.advance(minutes=5)`; units are those of timedelta. Called where a handler runs, it
        is the handler that takes so long: its timeout or the job's deadline may strike.
        """
        self._engine.pass_to(self.clock.ms + _milliseconds(time, units))

    def seed(self, seed: int) -> None:
        """Retries have their jitter, the same for the same seed."""
        self._engine.rng = Random(seed)

    def no_jitter(self) -> None:
        """Retries come at their exact instants, as at first."""
        self._engine.rng = Steady()

    # --- look -----------------------------------------------------------------------------------

    def jobs(self, kind: type[Message] | None = None) -> list[EagerHandle]:
        """All jobs, or those of a type, in the order in which they were handed in."""
        found = [self._show(each) for each in self._engine.kernel.jobs.values()]
        return [each for each in found if kind is None or isinstance(each.payload, kind)]

    def submitted(self, kind: type[Message] | None = None) -> list[Any]:
        """The payloads of `jobs`."""
        return [each.payload for each in self.jobs(kind)]

    def assert_submitted(
        self,
        wanted: Message | type[Message],
        *,
        times: int | None = None,
        priority: PriorityName | None = None,
        labels: Mapping[str, str] | None = None,
        **fields: object,
    ) -> EagerHandle:
        """Answers the last job of this payload; or of this type, whose `fields` have these values.

        Raises AssertionError that shows what was submitted instead: where there is none, or with
        `times` another number than that.
        """
        looked_for = Wanted(wanted, fields, priority, dict(labels or {}))
        jobs = self.jobs()
        fits = [each for each in jobs if looked_for.fits(each)]
        if not fits or (times is not None and len(fits) != times):
            raise AssertionError(looked_for.missed(fits, jobs, times))
        return fits[-1]

    def assert_not_submitted(
        self, wanted: Message | type[Message] | None = None, **fields: object
    ) -> None:
        """No such job was handed in; without arguments, none at all."""
        jobs = self.jobs()
        fits = [
            each for each in jobs if wanted is None or Wanted(wanted, fields, None, {}).fits(each)
        ]
        if fits:
            what = "no job" if wanted is None else f"no {words_of(wanted, fields)}"
            raise AssertionError(f"expected {what}, found:\n{told(fits)}")

    def __str__(self) -> str:
        return told(self.jobs()) or "no job was submitted"

    def close(self) -> None:
        """Ends the loop of async handlers."""
        self._engine.here.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _show(self, record: Record) -> EagerHandle:
        engine = self._engine
        return EagerHandle(self._calls, engine.kernel, record, lambda: engine.attempts(record))


def _milliseconds(time: timedelta | None, units: Mapping[str, float]) -> int:
    span = (time or timedelta()) + timedelta(**cast("dict[str, Any]", units))
    if span < timedelta():
        raise ValueError("time does not go back")
    return span // timedelta(milliseconds=1)
