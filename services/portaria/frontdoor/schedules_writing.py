"""Schedules are made, changed and removed."""

from __future__ import annotations

from collections.abc import Sequence

from portaria.admission.rules import Rules
from portaria.core.errors import (
    EtagMismatch,
    InvalidRequest,
    ScheduleBroken,
    ScheduleDeclared,
    ScheduleExists,
    ScheduleNotFound,
    Violation,
)
from portaria.core.recurrence import in_words, warnings
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.reports import timestamp
from portaria.frontdoor.schedules_masks import mask_faults, masked
from portaria.frontdoor.schedules_reading import SchedulesReading
from portaria.frontdoor.schedules_to_proto import ScheduleConverter
from portaria.intake.admission import ANONYMOUS
from portaria.schedules.checking import Checked, Checker
from portaria.schedules.definitions import Definitions
from portaria.schedules.planning import next_tick
from portaria.store.schedule_records import ScheduleRecord
from portaria.store.schedules import Changed, Definition, create, remove, replace
from portaria.v1.schedules_service_pb2 import (
    SCHEDULE_STATE_ACTIVE,
    SCHEDULE_STATE_ENDED,
    CreateScheduleRequest,
    CreateScheduleResponse,
    DeleteScheduleRequest,
    Schedule,
    UpdateScheduleRequest,
    UpdateScheduleResponse,
)

ATTEMPTS = 5
"""How often a change is tried that others overtake."""


class SchedulesWriting:
    """Each change is a compare-and-set on the revision that it follows from."""

    def __init__(
        self,
        *,
        rules: Rules,
        checker: Checker,
        store: PromptStore,
        definitions: Definitions,
        converter: ScheduleConverter,
        reading: SchedulesReading,
        namespace: str,
    ) -> None:
        self._rules = rules
        self._checker = checker
        self._store = store
        self._definitions = definitions
        self._converter = converter
        self._reading = reading
        self._namespace = namespace

    async def create(self, request: CreateScheduleRequest) -> CreateScheduleResponse:
        """The schedule, which may have been there with this very content.

        Raises InvalidRequest, ScheduleExists and ScheduleBroken.
        """
        wrong = self._rules.check(request)
        if wrong and not request.HasField("schedule"):
            raise InvalidRequest(wrong)
        checked = self._check(request.schedule, wrong)
        now = await self._reading.now()
        told = warnings(checked.recurrence, now)
        schedule_id = checked.schedule.schedule_id
        made = self._made(checked, next_tick(checked, now))
        if request.validate_only:
            found = await self._reading.find(schedule_id)
            changed = Changed.SAME
            if found and found.content_hash != made.content_hash:
                changed = Changed.EXISTS
            elif not found:
                return CreateScheduleResponse(schedule=_as_made(checked, made), warnings=told)
        else:
            changed = await self._store.run(create(self._namespace, schedule_id, made))
        if changed is Changed.EXISTS:
            raise ScheduleExists("another schedule has this schedule_id")
        if changed is Changed.SAME:
            # The hash beside it says so; what fires is what is sealed.
            self._converter.open(await self._reading.record(schedule_id))
        schedule = await self._reading.get(schedule_id)
        return CreateScheduleResponse(schedule=schedule, warnings=told)

    async def update(self, request: UpdateScheduleRequest) -> UpdateScheduleResponse:
        """The schedule as it is then.

        Raises InvalidRequest, ScheduleNotFound, ScheduleDeclared, EtagMismatch and ScheduleBroken.
        """
        wrong = [*self._rules.check(request), *mask_faults(request.update_mask)]
        if not request.HasField("schedule"):
            wrong.append(Violation("schedule", "REQUIRED", "is required"))
        elif not request.update_mask.paths:
            self._check(request.schedule, wrong)
        elif not request.schedule.schedule_id:
            wrong.append(Violation("schedule.schedule_id", "REQUIRED", "is required"))
        if wrong:
            raise InvalidRequest(wrong)
        for _ in range(ATTEMPTS):
            record = await self._changeable(request.schedule.schedule_id, request.schedule.etag)
            checked = self._check(self._merged(request, record))
            now = await self._reading.now()
            changed = Changed.OK
            # Where the ticks stay as they are, those that are due stay so, too.
            before = self._believed(record)
            if record.error or before != checked.schedule:
                made = self._made(checked, next_tick(checked, now, record, before))
                call = replace(self._namespace, record.schedule_id, made, record.revision)
                changed = await self._store.run(call)
            if _is_done(changed, request.schedule.etag):
                schedule = await self._reading.get(record.schedule_id)
                told = warnings(checked.recurrence, now)
                return UpdateScheduleResponse(schedule=schedule, warnings=told)
        raise _overtaken()

    async def delete(self, request: DeleteScheduleRequest) -> None:
        """Raises InvalidRequest, ScheduleNotFound, ScheduleDeclared and EtagMismatch."""
        self._rules.require(request)
        for _ in range(ATTEMPTS):
            record = await self._changeable(request.schedule_id, request.etag)
            call = remove(self._namespace, record.schedule_id, record.revision)
            if _is_done(await self._store.run(call), request.etag):
                return
        raise _overtaken()

    async def _changeable(self, schedule_id: str, etag: str) -> ScheduleRecord:
        record = await self._reading.record(schedule_id)
        if record.owner:
            raise ScheduleDeclared(
                f"it is declared in {record.owner}: change it there",
                metadata={"owner": record.owner},
            )
        if etag and etag != record.revision:
            raise _changed_since()
        return record

    def _check(self, given: Schedule, wrong: Sequence[Violation] = ()) -> Checked:
        """Raises InvalidRequest with what is wrong, and with what was wrong before."""
        judged = self._checker.judge(given)
        if not isinstance(judged, list):
            if wrong:
                raise InvalidRequest(wrong)
            return judged
        said = {each.field for each in wrong}
        raise InvalidRequest([*wrong, *(each for each in judged if each.field not in said)])

    def _merged(self, request: UpdateScheduleRequest, record: ScheduleRecord) -> Schedule:
        if not request.update_mask.paths:
            return request.schedule
        schedule = self._converter.open(record).schedule
        return masked(schedule, request.schedule, request.update_mask.paths)

    def _believed(self, record: ScheduleRecord) -> Schedule | None:
        try:
            return self._converter.open(record).schedule
        except ScheduleBroken:
            return None

    def _made(self, checked: Checked, next_ms: int) -> Definition:
        return self._definitions.write(
            checked.schedule,
            content_hash=checked.content_hash,
            created_by=ANONYMOUS,
            next_ms=next_ms,
        )


def _as_made(checked: Checked, made: Definition) -> Schedule:
    """A schedule as it would stand."""
    schedule = Schedule()
    schedule.CopyFrom(checked.schedule)
    schedule.in_words = in_words(checked.recurrence)
    schedule.state = SCHEDULE_STATE_ACTIVE if made.next_ms else SCHEDULE_STATE_ENDED
    if made.next_ms:
        schedule.next_run_time.CopyFrom(timestamp(made.next_ms))
    return schedule


def _is_done(changed: Changed, etag: str) -> bool:
    """False where somebody was faster, and it is worth another try."""
    if changed is Changed.MISSING:
        raise ScheduleNotFound
    if changed is Changed.STALE and etag:
        raise _changed_since()
    return changed is not Changed.STALE


def _changed_since() -> EtagMismatch:
    return EtagMismatch("it was changed since: read it again")


def _overtaken() -> EtagMismatch:
    return EtagMismatch("others change it all the time: try again")
