"""From records of schedules to messages of the contract, believing only what is sealed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from portaria.core.errors import PortariaError, ScheduleBroken
from portaria.core.recurrence import Recurrence, in_words
from portaria.core.states import State
from portaria.frontdoor.convert import state_to_proto
from portaria.frontdoor.reports import timestamp
from portaria.intake.catalogue import Catalogue
from portaria.schedules.checking import recurrence_of
from portaria.schedules.definitions import Definitions
from portaria.store.schedule_records import Run, ScheduleRecord
from portaria.v1.job_pb2 import JOB_STATE_UNSPECIFIED
from portaria.v1.schedules_service_pb2 import (
    SCHEDULE_STATE_ACTIVE,
    SCHEDULE_STATE_ENDED,
    SCHEDULE_STATE_ERROR,
    SCHEDULE_STATE_PAUSED,
    ListScheduleRunsResponse,
    Schedule,
    ScheduleState,
)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a record holds, where it is believed."""

    schedule: Schedule
    """What callers wrote."""
    recurrence: Recurrence


class ScheduleConverter:
    """Makes messages from records."""

    def __init__(self, definitions: Definitions, catalogue: Catalogue) -> None:
        self._definitions = definitions
        self._catalogue = catalogue

    def open(self, record: ScheduleRecord) -> Opened:
        """Raises ScheduleBroken."""
        try:
            schedule = self._definitions.read(record).schedule
        except PortariaError as error:
            raise ScheduleBroken(error.message) from None
        recurrence = recurrence_of(schedule)
        if isinstance(recurrence, list):
            raise ScheduleBroken(f"{recurrence[0].field}: {recurrence[0].description}")
        return Opened(schedule, recurrence)

    def schedule_to_proto(self, record: ScheduleRecord) -> Schedule:
        """A schedule as callers see it; of one that is not believed what its record tells."""
        error = record.error
        try:
            opened = self.open(record)
        except ScheduleBroken as broken:
            schedule, error = Schedule(schedule_id=record.schedule_id), broken.message
            state = SCHEDULE_STATE_ERROR
        else:
            schedule = opened.schedule
            schedule.in_words = in_words(opened.recurrence)
            error = error or self._type_fault(schedule)
            state = _state(record, error)
        _set_output(schedule, record)
        schedule.error, schedule.state = error, state
        return schedule

    def domain_of(self, schedule: Schedule) -> str:
        """Where its jobs run; empty where its type is not known."""
        job_type = self._catalogue.served.types.get(_type_name(schedule))
        return job_type.domain if job_type else ""

    def _type_fault(self, schedule: Schedule) -> str:
        """Why no tick of it could be submitted now: before one is due nobody else would notice."""
        is_complete = self._catalogue.is_complete
        if self._catalogue.served.types.get(_type_name(schedule)) or not is_complete:
            return ""
        return "spec.payload: its job type is not known any more"


def run_to_proto(run: Run, state: State | None) -> ListScheduleRunsResponse.Run:
    """One tick, or several that were skipped together; `state` is None where the job is gone."""
    told = ListScheduleRunsResponse.Run(
        tick=timestamp(run.tick_ms),
        job_id=run.job_id,
        state=state_to_proto(state) if state else JOB_STATE_UNSPECIFIED,
        skipped_reason=run.reason,
        skipped=run.passed,
    )
    told.lateness.FromTimedelta(timedelta(milliseconds=max(0, run.fired_ms - run.tick_ms)))
    return told


def _type_name(schedule: Schedule) -> str:
    return schedule.spec.payload.type_url.rpartition("/")[2]


def _state(record: ScheduleRecord, error: str) -> ScheduleState.ValueType:
    if record.paused:
        return SCHEDULE_STATE_PAUSED
    if error:
        return SCHEDULE_STATE_ERROR
    return SCHEDULE_STATE_ACTIVE if record.next_ms else SCHEDULE_STATE_ENDED


def _set_output(schedule: Schedule, record: ScheduleRecord) -> None:
    schedule.etag = record.revision
    schedule.paused = record.paused is not None
    schedule.pause_reason = record.paused.reason if record.paused else ""
    schedule.managed_by_config = bool(record.owner)
    schedule.owner, schedule.release = record.owner, record.release
    schedule.last_job_id = record.last_job_id
    schedule.run_count, schedule.skipped_count = record.fired, record.passed
    moments = {
        "last_run_time": record.last_tick_ms,
        "next_run_time": record.next_ms,
        "create_time": record.created_ms,
        "update_time": record.updated_ms,
    }
    for name, milliseconds in moments.items():
        if milliseconds:
            getattr(schedule, name).CopyFrom(timestamp(milliseconds))
