"""What the contract of documents promises of their jobs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from portaria.admission.rules import Rules
from portaria.core.job_type import JobType, is_job_type, job_type_from
from portaria_workers.documents.v1 import documents_pb2
from portaria_workers.documents.v1.documents_pb2 import CELL_TYPE_DECIMAL, ProcessFile

TYPES = [
    job_type_from(descriptor)
    for descriptor in documents_pb2.DESCRIPTOR.message_types_by_name.values()
    if is_job_type(descriptor)
]
RULES = Rules()


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.bare_name)
def test_an_outage_of_a_quarter_of_an_hour_fails_no_job(kind: JobType) -> None:
    """Of the storage or of the database: however short chance makes the waits."""
    retry = replace(kind.retry, jitter=0)

    waits = [retry.wait(failures, Random()) for failures in range(1, retry.max_attempts)]

    assert sum(waits, timedelta()) * (1 - kind.retry.jitter) > timedelta(minutes=15)
    # A short one is over soon.
    assert waits[0] < timedelta(seconds=15)


def test_every_job_is_looked_at() -> None:
    """By the test above."""
    assert len(TYPES) == 7


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [
        ("2", "1", {"columns[0].max": "OUT_OF_RANGE"}),
        ("-1", "-1.5", {"columns[0].max": "OUT_OF_RANGE"}),
        ("9", "10", {}),
        ("1", "1.0", {}),
        ("1", "", {}),
        ("", "-1", {}),
    ],
)
def test_bounds_that_no_number_is_within_are_refused(
    least: str, most: str, expected: dict[str, str]
) -> None:
    """At the door, before a file is read."""
    column = ProcessFile.Column(name="a", type=CELL_TYPE_DECIMAL, min=least, max=most)
    order = ProcessFile(document_id="0" * 32, columns=[column])

    assert {each.field: each.reason for each in RULES.check(order)} == expected
