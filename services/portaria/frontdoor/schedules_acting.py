"""Schedules are paused, go on, and run by hand."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from portaria.admission.names import below
from portaria.admission.rules import Rules
from portaria.core.clock import to_milliseconds
from portaria.core.errors import EtagMismatch, InvalidRequest, RunOpen, ScheduleNotFound
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.schedules_reading import SchedulesReading
from portaria.frontdoor.schedules_to_proto import ScheduleConverter
from portaria.frontdoor.submitter import Submitter
from portaria.intake.admission import ANONYMOUS, Admission, Admitted, Prepared
from portaria.store import Submission
from portaria.store.schedule_records import ScheduleRecord
from portaria.store.schedules import Changed, Paused, Tick, pause, resume, tick
from portaria.v1.job_pb2 import Job, JobSpec
from portaria.v1.schedules_service_pb2 import (
    OVERLAP_POLICY_ALLOW,
    PauseScheduleRequest,
    ResumeScheduleRequest,
    Schedule,
    TriggerScheduleRequest,
)

_ATTEMPTS = 5


class SchedulesActing:
    """What operators do to schedules, declared ones included. Raises ScheduleNotFound."""

    def __init__(
        self,
        *,
        rules: Rules,
        store: PromptStore,
        admission: Admission,
        submitter: Submitter,
        converter: ScheduleConverter,
        reading: SchedulesReading,
        namespace: str,
    ) -> None:
        self._rules = rules
        self._store = store
        self._admission = admission
        self._submitter = submitter
        self._converter = converter
        self._reading = reading
        self._namespace = namespace

    async def pause(self, request: PauseScheduleRequest) -> Schedule:
        """The schedule as it is then."""
        self._rules.require(request)
        at_ms = to_milliseconds(await self._reading.now())
        why = Paused(request.reason, ANONYMOUS, at_ms)
        if await self._store.run(pause(self._namespace, request.schedule_id, why)) is not (
            Changed.OK
        ):
            raise ScheduleNotFound
        return await self._reading.get(request.schedule_id)

    async def resume(self, request: ResumeScheduleRequest) -> Schedule:
        """The schedule as it is then. Raises ScheduleBroken."""
        self._rules.require(request)
        for _ in range(_ATTEMPTS):
            record = await self._reading.record(request.schedule_id)
            changed = Changed.OK
            if record.paused:
                following = self._converter.open(record).recurrence.next_after(
                    await self._reading.now()
                )
                next_ms = to_milliseconds(following) if following else 0
                changed = await self._store.run(
                    resume(self._namespace, record.schedule_id, record.revision, next_ms)
                )
            if changed is not Changed.STALE:
                return await self._reading.get(record.schedule_id)
        raise _overtaken()

    async def trigger(self, request: TriggerScheduleRequest) -> tuple[Job, bool]:
        """The job of one run, and whether an earlier call had triggered it.

        Raises ScheduleBroken, RunOpen, and what a submit raises.
        """
        self._rules.require(request)
        for _ in range(_ATTEMPTS):
            record = await self._reading.record(request.schedule_id)
            schedule = self._converter.open(record).schedule
            prepared = self._prepared(schedule)
            submission = self._submission(record, prepared, request.request_id)
            now = await self._reading.now()
            ticked = await self._store.run(
                tick(
                    Tick(
                        namespace=self._namespace,
                        schedule_id=record.schedule_id,
                        revision=record.revision,
                        tick_ms=to_milliseconds(now),
                        is_alone=schedule.overlap != OVERLAP_POLICY_ALLOW,
                        submission=submission,
                        request_id=request.request_id,
                    )
                )
            )
            if ticked.word == "passed":
                raise RunOpen("a run of it is open", metadata={"job_id": ticked.open_job_id})
            if ticked.submitted is not None:
                options = prepared.spec.options
                admitted = Admitted(submission, prepared.job_type, options, ANONYMOUS)
                return await self._submitter.answer(admitted, ticked.submitted)
        raise _overtaken()

    def _prepared(self, schedule: Schedule) -> Prepared:
        spec = JobSpec()
        spec.CopyFrom(schedule.spec)
        prepared = self._admission.admit_spec(spec)
        if isinstance(prepared, list):
            raise InvalidRequest([below("schedule", each) for each in prepared])
        return prepared

    def _submission(
        self, record: ScheduleRecord, prepared: Prepared, request_id: str
    ) -> Submission:
        submission = self._admission.submission(
            prepared, request_id=request_id, schedule_id=record.schedule_id
        )
        # Another schedule's run, or a job of nobody's, is other content under this request_id.
        words = f"{record.schedule_id} {submission.content_hash}".encode()
        content_hash = hashlib.blake2b(words, digest_size=16).hexdigest()
        return replace(submission, content_hash=content_hash)


def _overtaken() -> EtagMismatch:
    return EtagMismatch("others change it all the time: try again")
