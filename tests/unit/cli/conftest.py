"""Messages as the door would send them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.timestamp_pb2 import Timestamp

from portaria.v1.job_pb2 import Job

NOON = datetime(2026, 11, 4, 12, tzinfo=UTC)


@pytest.fixture
def noon() -> datetime:
    """A moment that all tests agree on."""
    return NOON


@pytest.fixture
def at() -> Callable[[float], Timestamp]:
    """A timestamp some seconds after noon."""

    def stamp(seconds: float) -> Timestamp:
        found = Timestamp()
        found.FromDatetime(NOON + timedelta(seconds=seconds))
        return found

    return stamp


@pytest.fixture
def job(at: Callable[[float], Timestamp]) -> Callable[..., Job]:
    """A job that began at noon, with whatever a test adds."""

    def make(**fields: object) -> Job:
        plain = {
            "job_id": "0190c0de-0000-7000-8000-000000abcdef",
            "type": "portaria_workers.mail.v1.SendEmail",
            "domain": "mail",
            "queue": "mail:high",
            "attempt": 1,
            "max_attempts": 5,
            "create_time": at(0),
        }
        return Job(**{**plain, **fields})  # type: ignore[arg-type]

    return make


@pytest.fixture
def packed() -> Callable[[object], Any]:
    """A message in an Any."""

    def pack(message: object) -> Any:
        found = Any()
        found.Pack(message)  # type: ignore[arg-type]
        return found

    return pack
