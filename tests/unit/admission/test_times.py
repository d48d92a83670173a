"""Moments and spans that are none, and where they are."""

from __future__ import annotations

import pytest
from google.protobuf import message_factory
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from acme_jobs.lab.v1 import lab_pb2
from acme_jobs.lab.v1.lab_pb2 import Steps
from portaria.admission.rules import Rules
from portaria.admission.times import Times, is_moment, is_span
from portaria.core.type_pool import platform_files, pool_of, with_imports
from portaria.v1.job_pb2 import JobSpec, RetryPolicy, SubmitOptions
from portaria.v1.jobs_service_pb2 import BatchSubmitJobsRequest, SubmitJobRequest, UpdateJobRequest
from portaria.v1.schedules_service_pb2 import Schedule

NO_MOMENT, NO_SPAN = Timestamp(nanos=-1), Duration(seconds=1, nanos=-1)
LAST_SECOND, LONGEST = 253_402_300_799, 315_576_000_000


@pytest.mark.parametrize(
    ("seconds", "nanos", "expected"),
    [
        (0, 0, True),
        (-62_135_596_800, 0, True),
        (-62_135_596_801, 0, False),
        (LAST_SECOND, 999_999_999, True),
        (LAST_SECOND + 1, 0, False),
        (0, -1, False),
        (-1, 10**9, False),
    ],
)
def test_a_moment_is_in_the_years_1_to_9999(seconds: int, nanos: int, expected: bool) -> None:
    """As protobuf's own functions want it: nothing else can be shown to anybody."""
    moment = Timestamp(seconds=seconds, nanos=nanos)

    assert is_moment(moment) is expected
    if not expected:
        with pytest.raises(ValueError):
            moment.ToJsonString()


@pytest.mark.parametrize(
    ("seconds", "nanos", "expected"),
    [
        (0, 0, True),
        (-LONGEST, -999_999_999, True),
        (LONGEST + 1, 0, False),
        (0, -1, True),
        (1, -1, False),
        (-1, 1, False),
        (0, 10**9, False),
    ],
)
def test_a_span_has_one_sign_and_an_end(seconds: int, nanos: int, expected: bool) -> None:
    """The same."""
    span = Duration(seconds=seconds, nanos=nanos)

    assert is_span(span) is expected
    if not expected:
        with pytest.raises(ValueError):
            span.ToJsonString()


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (UpdateJobRequest(run_time=NO_MOMENT), "run_time"),
        (
            SubmitJobRequest(spec=JobSpec(options=SubmitOptions(delay=NO_SPAN))),
            "spec.options.delay",
        ),
        (
            BatchSubmitJobsRequest(
                specs=[
                    JobSpec(),
                    JobSpec(
                        options=SubmitOptions(
                            on_success=JobSpec(
                                options=SubmitOptions(
                                    retry=RetryPolicy(fixed_backoffs=[Duration(), NO_SPAN])
                                )
                            )
                        )
                    ),
                ]
            ),
            "specs[1].options.on_success.options.retry.fixed_backoffs[1]",
        ),
        (Schedule(interval=NO_SPAN), "interval"),
    ],
)
def test_each_is_found_however_deep(message: Message, path: str) -> None:
    """Types that hold themselves, too."""
    (fault,) = Times().faults(message)

    assert (fault.field, fault.reason) == (path, "OUT_OF_RANGE")


def test_what_is_not_set_is_not_looked_at() -> None:
    """Nothing to say about an empty request, nor about good times."""
    good = SubmitOptions(run_time=Timestamp(seconds=1), timeout=Duration(seconds=1))

    assert not list(Times().faults(SubmitJobRequest()))
    assert not list(Times().faults(good))


def test_it_is_said_once_also_where_a_rule_is_broken_or_cannot_judge_it() -> None:
    """One violation for a field, and none without a path."""
    retry = RetryPolicy(initial_backoff=Duration(seconds=2 * LONGEST), max_backoff=Duration())
    options = SubmitOptions(timeout=Duration(seconds=2 * LONGEST), retry=retry)

    found = [each.field for each in Rules().check(options)]

    assert sorted(found) == ["retry.initial_backoff", "timeout"]


def test_a_payload_of_a_pool_of_its_own_is_looked_into() -> None:
    """A door's classes of payloads are not those that this process imported."""
    files = with_imports([lab_pb2.DESCRIPTOR])
    pool, _ = pool_of(platform_files(), files)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("acme_jobs.lab.v1.Steps"))
    payload = kind.FromString(Steps(count=1, pause=NO_SPAN).SerializeToString())

    assert not isinstance(payload, Steps)
    assert [each.field for each in Times().faults(payload)] == ["pause"]
