"""A job's hash, read."""

from __future__ import annotations

import pytest

from portaria.core.states import State
from portaria.store.events import Tag
from portaria.store.record import job_record

LEAST = {b"state": b"PENDING", b"tag": b"mail:high acme.v1.Send default - -"}


def test_every_field_is_read() -> None:
    """Numbers, words, bytes, and a list."""
    fields = {
        b"state": b"SUCCEEDED", b"type": b"acme.v1.Send", b"env": b"\x00env", b"attempt": b"2",
        b"tag": b"mail:high acme.v1.Send default w1 k=v", b"failures": b"1",
        b"max_attempts": b"3", b"created": b"1", b"updated": b"5", b"due": b"2", b"started": b"3",
        b"ended": b"4", b"ttl": b"86400000", b"worker_name": b"ana", b"cursor": b"17-0",
        b"progress": b"\x01", b"output": b"\x02", b"failure": b"\x03",
        b"warnings": '["um", "två"]'.encode(),
    }  # fmt: skip

    record = job_record("j1", fields)

    assert record is not None
    assert (record.job_id, record.state, record.type) == ("j1", State.SUCCEEDED, "acme.v1.Send")
    assert record.tag == Tag("mail:high", "acme.v1.Send", "default", "w1", {"k": "v"})
    assert (record.attempt, record.failures, record.max_attempts) == (2, 1, 3)
    assert (record.created_ms, record.due_ms, record.started_ms) == (1, 2, 3)
    assert (record.ended_ms, record.updated_ms, record.ttl_ms) == (4, 5, 86_400_000)
    assert (record.worker, record.cursor, record.envelope) == ("ana", "17-0", b"\x00env")
    assert (record.progress, record.output, record.failure) == (b"\x01", b"\x02", b"\x03")
    assert record.warnings == ("um", "två")


def test_what_has_not_come_is_empty_or_zero() -> None:
    """A job that has just been written."""
    record = job_record("j1", LEAST)

    assert record is not None
    assert (record.started_ms, record.ended_ms, record.attempt) == (0, 0, 0)
    assert (record.worker, record.output, record.warnings) == ("", b"", ())


def test_an_empty_field_is_as_good_as_none() -> None:
    """Scripts write '' where a run had nothing to say."""
    record = job_record("j1", {**LEAST, b"warnings": b"", b"started": b""})

    assert record is not None
    assert (record.warnings, record.started_ms) == ((), 0)


@pytest.mark.parametrize("fields", [{}, {b"status": b"queued", b"data": b"pickle"}])
def test_no_job_of_ours_is_none(fields: dict[bytes, bytes]) -> None:
    """Nothing there, or RQ's own."""
    assert job_record("j1", fields) is None
