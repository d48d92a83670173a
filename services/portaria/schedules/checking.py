"""From a schedule as somebody wrote it to one in which nothing is wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from portaria.admission.names import below
from portaria.admission.rules import Rules
from portaria.admission.times import is_moment
from portaria.core.errors import InvalidRequest, Violation
from portaria.core.job_type import HOOKS
from portaria.core.recurrence import Recurrence, read_recurrence
from portaria.intake.admission import Admission, Prepared
from portaria.v1.job_pb2 import JobSpec, SubmitOptions
from portaria.v1.schedules_service_pb2 import Schedule

WRITTEN = (
    "schedule_id", "cron", "interval", "time_zone", "spec", "overlap", "catchup_window", "jitter",
    "start_time", "end_time", "labels", "catch_up", "max_catch_up",
)  # fmt: skip
"""The fields that callers write; the others are output only."""
_TICKS = ("cron", "interval", "time_zone", "start_time", "end_time")
_OF_ONE_JOB = ("run_time", "start_before_time", "deadline", "delay")
_NANOS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Checked:
    """A schedule in which nothing is wrong."""

    schedule: Schedule
    """What was written of it."""
    recurrence: Recurrence
    prepared: Prepared
    """What each tick submits."""
    content_hash: str
    """Equal for equal content."""


class Checker:
    """Checks schedules against the job types that are served."""

    def __init__(self, admission: Admission, rules: Rules) -> None:
        self._admission = admission
        self._rules = rules
        rules.warm_up(Schedule())

    def check(self, given: Schedule, *, field: str = "schedule") -> Checked:
        """Raises InvalidRequest with every violation, their paths below `field`."""
        checked = self.judge(given, field=field)
        if isinstance(checked, list):
            raise InvalidRequest(checked)
        return checked

    def judge(self, given: Schedule, *, field: str = "schedule") -> Checked | list[Violation]:
        """As `check`, for one of several."""
        schedule = written(given)
        wrong = self._rules.check(schedule)
        said = {each.field for each in wrong}
        recurrence = recurrence_of(schedule)
        if isinstance(recurrence, list):
            wrong += [each for each in recurrence if each.field not in said]
        prepared = self._prepared(schedule.spec)
        if isinstance(prepared, list):
            # The rules of a schedule hold for its spec, too.
            wrong += [each for each in prepared if each.field not in said]
        wrong += _of_one_job(schedule.spec.options)
        if wrong or isinstance(recurrence, list) or isinstance(prepared, list):
            return [below(field, each) for each in wrong]
        # Equal content, equal bytes; what the job type leaves open is filled in at each tick.
        schedule.spec.payload.CopyFrom(prepared.spec.payload)
        for name in HOOKS:
            if schedule.spec.options.HasField(name):
                hook: JobSpec = getattr(prepared.spec.options, name)
                getattr(schedule.spec.options, name).payload.CopyFrom(hook.payload)
        return Checked(schedule, recurrence, prepared, content_hash_of(schedule))

    def _prepared(self, spec: JobSpec) -> Prepared | list[Violation]:
        copy = JobSpec()
        copy.CopyFrom(spec)
        prepared = self._admission.admit_spec(copy)
        if isinstance(prepared, list):
            return [below("spec", _unspecific(each)) for each in prepared]
        return prepared


def content_hash_of(schedule: Schedule) -> str:
    """Equal for equal content, of what a check answered."""
    content = schedule.SerializeToString(deterministic=True)
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def written(given: Schedule) -> Schedule:
    """What callers write of a schedule, without what is output only."""
    return _only(given, WRITTEN)


def ticks_alike(one: Schedule, other: Schedule) -> bool:
    """Whether two schedules tick at the same instants, as far as their fields say."""
    return _only(one, _TICKS) == _only(other, _TICKS)


def _only(schedule: Schedule, names: Collection[str]) -> Schedule:
    """A copy with these fields alone."""
    found = Schedule()
    found.CopyFrom(schedule)
    for field in Schedule.DESCRIPTOR.fields:
        if field.name not in names:
            found.ClearField(field.name)  # type: ignore[arg-type] # a name of its own
    return found


def recurrence_of(schedule: Schedule) -> Recurrence | list[Violation]:
    """When it ticks, or what is wrong with that."""
    wrong = [
        Violation(name, "OUT_OF_RANGE", "is not a moment between the years 1 and 9999")
        for name in ("start_time", "end_time")
        if schedule.HasField(name) and not is_moment(getattr(schedule, name))
    ]
    kind = schedule.WhichOneof("when")
    if kind is None:
        wrong.append(Violation("when", "REQUIRED", "is required: cron or interval"))
    interval = _span(schedule.interval) if kind == "interval" else None
    if kind == "interval" and interval is None:
        wrong.append(Violation("interval", "OUT_OF_RANGE", "must be 1 s to 366 days"))
    if wrong:
        return wrong
    return read_recurrence(
        cron=schedule.cron if kind == "cron" else "",
        interval=interval,
        time_zone=schedule.time_zone,
        start=_moment(schedule, "start_time"),
        end=_moment(schedule, "end_time"),
    )


def _of_one_job(options: SubmitOptions) -> Iterator[Violation]:
    """A delay of a hook counts from its own submission."""
    moments = [("", name, options) for name in _OF_ONE_JOB]
    for hook in HOOKS:
        if options.HasField(hook):
            of_hook = getattr(options, hook).options
            moments += [(f"{hook}.options.", name, of_hook) for name in _OF_ONE_JOB[:-1]]
    for path, name, of in moments:
        if of.HasField(name):  # type: ignore[arg-type] # one of its names
            text = "is of one job: a schedule's come again and again"
            yield Violation(f"spec.options.{path}{name}", "NOT_SUPPORTED", text)


def _unspecific(wrong: Violation) -> Violation:
    """With its path from the spec."""
    field = wrong.field.removeprefix("spec.").removeprefix("spec")
    return Violation(field, wrong.reason, wrong.description, wrong.suggestions)


def _moment(schedule: Schedule, name: str) -> datetime | None:
    if not schedule.HasField(name):  # type: ignore[arg-type] # one of its names
        return None
    moment: Timestamp = getattr(schedule, name)
    return moment.ToDatetime(UTC)


def _span(given: Duration) -> timedelta | None:
    """None for what no interval can be."""
    nanos = given.seconds * _NANOS + given.nanos
    if not 0 < nanos <= 400 * 86_400 * _NANOS or nanos % 1000:
        return None
    return timedelta(microseconds=nanos // 1000)
