"""A schedule as a list in a file declares it.

SCHEDULES = [
    Schedule("nightly-report", MakeReport(), cron="0 2 * * *", time_zone="Africa/Luanda"),
    Schedule("sync-stock", SyncStock(full=False), every=timedelta(minutes=15), overlap="skip"),
]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from portaria.core.errors import InvalidRequest, Violation
from portaria.v1 import schedules_service_pb2 as pb
from portaria.v1.job_pb2 import Priority, SubmitOptions

Overlap = Literal["skip", "allow"]
Made = Literal["none", "once", "all"]

_OVERLAPS = {"skip": pb.OVERLAP_POLICY_SKIP, "allow": pb.OVERLAP_POLICY_ALLOW}
_CATCH_UPS = {"none": pb.CATCH_UP_NONE, "once": pb.CATCH_UP_ONCE, "all": pb.CATCH_UP_ALL}
_PRIORITIES = {name.removeprefix("PRIORITY_").lower(): name for name in Priority.keys()[1:]}
_WORDS: Mapping[str, Mapping[str, object]] = {
    "overlap": _OVERLAPS,
    "catch_up": _CATCH_UPS,
    "priority": _PRIORITIES,
}
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is submitted, and when. Nothing is checked before it is read: see `to_proto`."""

    id: str
    """3 to 63 of a-z, 0-9 and -; for good."""
    payload: Message
    """What each tick submits: a message of a job type."""
    _: KW_ONLY
    cron: str = ""
    """Five fields; wins over `every`."""
    every: timedelta | None = None
    """1 s to 366 days."""
    time_zone: str = "UTC"
    """IANA; whose wall clock a cron follows."""
    overlap: Overlap = "skip"
    """What happens to a tick while the run before it is open."""
    catch_up: Made = "once"
    """Which of the ticks are made up that passed while no scheduler ran."""
    max_catch_up: int | None = None
    """With "all"; default 100."""
    catchup_window: timedelta | None = None
    """Only ticks missed by less are made up; default 1 day."""
    jitter: timedelta | None = None
    """Each run starts up to this much after its tick, at random."""
    start: datetime | None = None
    """Aware; no tick is before it."""
    end: datetime | None = None
    """Aware; no tick is after it."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the schedule; those of its jobs are in `options`."""
    options: SubmitOptions | None = None
    priority: Literal["critical", "high", "default", "low"] | None = None
    """Wins over that of `options`."""

    def to_proto(self) -> pb.Schedule:
        """As the contract has it. Raises InvalidRequest for what the wire cannot carry; the door
        and schedulers judge the rest."""
        wrong = list(self._faults())
        if wrong:
            raise InvalidRequest(wrong)
        schedule = pb.Schedule(
            schedule_id=self.id,
            time_zone=self.time_zone,
            overlap=_OVERLAPS[self.overlap],
            catch_up=_CATCH_UPS[self.catch_up],
            max_catch_up=self.max_catch_up or 0,
            catchup_window=_duration(self.catchup_window),
            jitter=_duration(self.jitter),
            start_time=_timestamp(self.start),
            end_time=_timestamp(self.end),
            interval=None if self.cron else _duration(self.every),
            labels=self.labels,
        )
        if self.cron:
            schedule.cron = self.cron
        schedule.spec.payload.Pack(self.payload, deterministic=True)
        if self.options is not None:
            schedule.spec.options.CopyFrom(self.options)
        if self.priority is not None:
            schedule.spec.options.priority = Priority.Value(_PRIORITIES[self.priority])
        return schedule

    def _faults(self) -> Iterator[Violation]:
        for name, kind, word in _KINDS:
            value = getattr(self, name)
            if value is None and name != "payload":
                continue
            if not isinstance(value, kind) or isinstance(value, bool):
                yield Violation(name, "TYPE", f"is {word}, not {type(value).__name__}")
        for name, words in _WORDS.items():
            value = getattr(self, name)
            if not (value is None and name == "priority") and value not in list(words):
                yield Violation(name, "UNKNOWN", f"is one of {', '.join(words)}")
        for name in ("start", "end"):
            value = getattr(self, name)
            if isinstance(value, datetime) and value.utcoffset() is None:
                yield Violation(name, "TIMEZONE_REQUIRED", "needs a time zone")
        if isinstance(self.labels, Mapping) and not all(
            isinstance(text, str) for pair in self.labels.items() for text in pair
        ):
            yield Violation("labels", "TYPE", "has texts only, for keys and for values")
        if isinstance(self.max_catch_up, int) and not 0 <= self.max_catch_up <= _MOST:
            yield Violation("max_catch_up", "OUT_OF_RANGE", f"must be 0 to {_MOST:,}")


def _duration(value: timedelta | None) -> Duration | None:
    if value is None:
        return None
    message = Duration()
    message.FromTimedelta(value)
    return message


def _timestamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message


_KINDS: tuple[tuple[str, type, str], ...] = (
    ("id", str, "a text"),
    ("payload", Message, "a message of a job type"),
    ("cron", str, "a text"),
    ("every", timedelta, "a timedelta"),
    ("time_zone", str, "a text"),
    ("max_catch_up", int, "a number"),
    ("catchup_window", timedelta, "a timedelta"),
    ("jitter", timedelta, "a timedelta"),
    ("start", datetime, "a datetime"),
    ("end", datetime, "a datetime"),
    ("labels", Mapping, "a mapping"),
    ("options", SubmitOptions, "a SubmitOptions"),
)
