"""Each tick that is due becomes one step: a job, or a tick that is passed over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from portaria.core.clock import from_milliseconds, to_milliseconds
from portaria.core.errors import PortariaError
from portaria.core.recurrence import Recurrence
from portaria.intake.admission import Admission, Prepared
from portaria.logs import logger
from portaria.schedules.catching_up import catch_up
from portaria.schedules.checking import recurrence_of
from portaria.schedules.definitions import Definitions
from portaria.schedules.jitter import jitter_ms
from portaria.store import Store, Submission
from portaria.store.calls import Call
from portaria.store.schedule_records import Name, ScheduleRecord, read_due, read_schedules
from portaria.store.schedules import Tick, Ticked, fault, plan, remove, tick
from portaria.v1.job_pb2 import JobSpec
from portaria.v1.schedules_service_pb2 import OVERLAP_POLICY_ALLOW, Schedule

MOST = 500
"""Ticks that are looked at once; of many, each scheduler takes another slice, or all would do the
same and only one of them would count."""
_SLICE = 100
_TOGETHER = 50
"""Steps that are sent at once: others wait no longer than these take."""
_PARCEL = 1_000_000
"""Bytes of jobs that are sent at once, about."""
_MOST_KNOWN = 64_000_000
"""Bytes of definitions that are kept open, about."""
_LONGEST_WHY = 200
_AGAIN = 10.0
"""Seconds until one that cannot fire is looked at again; until then its ticks wait."""


class CannotFire(PortariaError):
    """Nothing is written of the tick: it is due until the schedule is mended."""


@dataclass(frozen=True, slots=True)
class Known:
    """A definition that was opened; good as long as its revision is."""

    revision: str
    schedule: Schedule
    recurrence: Recurrence
    created_by: str
    size: int
    """Bytes, about."""


@dataclass(frozen=True, slots=True)
class Step:
    """A call, and what it is about."""

    record: ScheduleRecord
    moment_ms: int
    call: Call[Ticked]

    @property
    def size(self) -> int:
        """Bytes of its job."""
        return sum(len(each) for each in self.call.arguments if isinstance(each, bytes))


class Firing:
    """Fires what is due. One for each scheduler; any number may run side by side."""

    def __init__(
        self, store: Store, admission: Admission, definitions: Definitions, *, namespace: str
    ) -> None:
        self._store = store
        self._admission = admission
        self._definitions = definitions
        self._namespace = namespace
        self._known: dict[Name, Known] = {}
        self._known_bytes = 0
        self._resting: dict[Name, float] = {}
        self._random = Random()
        self._log = logger()

    def wake(self, changed: Iterable[str] | None) -> None:
        """These schedules changed, or any (None): what could not fire is looked at again."""
        if changed is None:
            self._resting.clear()
        for schedule_id in changed or ():
            self._resting.pop((self._namespace, schedule_id), None)

    def fire(self, is_stopping: Callable[[], bool] = lambda: False) -> float | None:
        """Fires what is due, or a part of it where that is much; answers the seconds until the
        next tick, None where there is none. `is_stopping` is asked between two parcels.

        Raises StoreUnavailable and StoreFull: what was not written then is due still.
        """
        now = time.monotonic()
        self._resting = {name: until for name, until in self._resting.items() if until > now}
        most = MOST + len(self._resting)
        due = read_due(self._store.redis, self._namespace, most=most)
        ready = [(name, moment) for name, moment in due.ticks if name not in self._resting]
        goes_on = len(due.ticks) == most or len(ready) > _SLICE
        if len(ready) > _SLICE:
            begin = self._random.randrange(0, len(ready), _SLICE)
            ready = ready[begin : begin + _SLICE]
        records = read_schedules(self._store.redis, [name for name, _ in ready])
        parcel: list[Step] = []
        for (name, moment), record in zip(ready, records, strict=True):
            for step in self._steps(name, record, moment, due.now_ms):
                parcel.append(step)
                if len(parcel) == _TOGETHER or sum(each.size for each in parcel) > _PARCEL:
                    self._send(parcel)
                    parcel = []
                    if is_stopping():
                        return 0.0
        self._send(parcel)
        if goes_on:
            return 0.0
        # What was done meanwhile took its time.
        ahead = due.next_ms - due.now_ms - (time.monotonic() - now) * 1000
        return max(0.0, ahead / 1000) if due.next_ms else None

    def _send(self, parcel: Sequence[Step]) -> None:
        if not parcel:
            return
        answers = self._store.run_each([each.call for each in parcel])
        for step, answer in zip(parcel, answers, strict=True):
            if isinstance(answer, Exception):
                # What others put in the place of a key stops nobody else.
                why = str(answer)[:_LONGEST_WHY]
                self._rest(step.record, step.moment_ms, f"Redis refuses its tick: {why}")

    def _steps(
        self, name: Name, record: ScheduleRecord | None, moment_ms: int, now_ms: int
    ) -> Iterator[Step]:
        if record is None:
            self._forget(name)
            # What a fault left of it; one that was made since stays.
            self._store.run(remove(*name, ""))
            return
        if record.next_ms != moment_ms or record.paused:
            return  # somebody was faster
        try:
            known = self._open(record)
            if moment_ms <= 0:
                following = known.recurrence.next_after(from_milliseconds(now_ms))
                next_ms = to_milliseconds(following) if following else 0
                self._store.run(plan(*name, record.revision, next_ms))
                return
            for step in self._plan(record, known, moment_ms, now_ms):
                yield Step(record, moment_ms, tick(step))
        except CannotFire as error:
            self._rest(record, moment_ms, error.message)
        except PortariaError:
            raise
        except Exception:
            # One schedule must never stop the others.
            self._log.exception("a schedule cannot fire", schedule_id=record.schedule_id)
            self._rest(record, moment_ms, "a fault of the scheduler, see its log")

    def _rest(self, record: ScheduleRecord, moment_ms: int, why: str) -> None:
        name = (record.namespace, record.schedule_id)
        self._resting[name] = time.monotonic() + _AGAIN
        if record.error != why:
            self._log.error("a schedule cannot fire", schedule_id=record.schedule_id, why=why)
            self._store.run(fault(*name, record.revision, moment_ms, why))

    def _forget(self, name: Name) -> None:
        known = self._known.pop(name, None)
        self._known_bytes -= known.size if known else 0

    def _open(self, record: ScheduleRecord) -> Known:
        name = (record.namespace, record.schedule_id)
        known = self._known.get(name)
        if known is None or known.revision != record.revision:
            self._forget(name)
            try:
                definition = self._definitions.read(record)
            except PortariaError as error:
                raise CannotFire(error.message) from None
            recurrence = recurrence_of(definition.schedule)
            if isinstance(recurrence, list):
                first = recurrence[0]
                raise CannotFire(f"{first.field}: {first.description}")
            size = len(record.definition)
            if self._known_bytes + size > _MOST_KNOWN:
                self._known.clear()
                self._known_bytes = 0
            known = Known(
                record.revision, definition.schedule, recurrence, definition.created_by, size
            )
            self._known[name] = known
            self._known_bytes += size
        return known

    def _plan(
        self, record: ScheduleRecord, known: Known, moment_ms: int, now_ms: int
    ) -> Iterator[Tick]:
        schedule = known.schedule
        due = catch_up(
            schedule, known.recurrence, from_milliseconds(moment_ms), from_milliseconds(now_ms)
        )
        following = to_milliseconds(due.following) if due.following else 0
        head = Tick(
            namespace=record.namespace,
            schedule_id=record.schedule_id,
            revision=record.revision,
            seen_ms=moment_ms,
            tick_ms=to_milliseconds(due.last),
            next_ms=following,
            is_alone=schedule.overlap != OVERLAP_POLICY_ALLOW,
            passed=due.passed,
            reason="MISSED" if due.passed else "-",
        )
        if due.following is None:
            self._forget((record.namespace, record.schedule_id))
        if not due.ticks:
            yield replace(head, passed=due.passed - 1)
            return
        prepared = self._prepare(schedule)
        moments = [*map(to_milliseconds, due.ticks), following]
        for number, tick_ms in enumerate(moments[:-1]):
            step = replace(
                head,
                tick_ms=tick_ms,
                next_ms=moments[number + 1],
                submission=self._submission(record, known, prepared, tick_ms),
            )
            yield step
            # What follows stands on this one.
            head = replace(head, seen_ms=moments[number + 1], passed=0, reason="-")

    def _prepare(self, schedule: Schedule) -> Prepared:
        spec = JobSpec()
        spec.CopyFrom(schedule.spec)
        prepared = self._admission.admit_spec(spec)
        if isinstance(prepared, list):
            first = prepared[0]
            raise CannotFire(f"{first.field}: {first.description}")
        return prepared

    def _submission(
        self, record: ScheduleRecord, known: Known, prepared: Prepared, tick_ms: int
    ) -> Submission:
        submission = self._admission.submission(
            prepared,
            request_id="",  # the record of the tick stands for it
            caller=known.created_by,
            schedule_id=record.schedule_id,
        )
        late_ms = jitter_ms(known.schedule, tick_ms)
        return replace(submission, run_at_ms=tick_ms + late_ms) if late_ms else submission
