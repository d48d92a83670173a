"""The one place where a process reads the time, so that tests can shift it.

What decides about jobs is the clock of Redis; this one only measures and displays.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999, which is all that a Timestamp may say, and all that anybody can show."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """The wall and a stopwatch."""

    def now(self) -> datetime:
        """The present moment, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; the same in every process of this machine."""
        ...


class SystemClock:
    """The machine's own."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def from_milliseconds(value: int) -> datetime:
    """An aware datetime from milliseconds since 1970."""
    return _EPOCH + timedelta(milliseconds=value)


def to_milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def milliseconds(given: Timestamp | Duration) -> int:
    """Of a moment since 1970, or of a span; what lies beyond the years 1 to 9999 counts as their
    end, where protobuf's own ToMilliseconds raises.
    """
    seconds = min(max(given.seconds, FIRST_SECOND), LAST_SECOND)
    return seconds * 1000 + given.nanos // 1_000_000
