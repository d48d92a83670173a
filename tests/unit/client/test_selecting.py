"""What callers say of jobs, as the wire carries it."""

from datetime import UTC, datetime

import pytest

from acme_jobs.lab.v1.lab_pb2 import Noop
from portaria.client.acting import retry_requests, update_request
from portaria.client.selecting import selectors
from portaria.core.errors import InvalidRequest
from portaria.v1.job_pb2 import JOB_STATE_FAILED, JOB_STATE_PENDING, PRIORITY_LOW

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_ids_go_by_thousands():
    """Each call takes no more; what else was said goes with each."""
    ids = [str(number) for number in range(2_001)]

    found = list(selectors(ids, {"labels": {"a": "1"}}))

    assert [len(each.job_ids) for each in found] == [1_000, 1_000, 1]
    assert [job_id for each in found for job_id in each.job_ids] == ids
    assert all(dict(each.labels) == {"a": "1"} for each in found)


def test_every_field_is_carried():
    """Types by class or name, states in any case, moments with their zone."""
    (found,) = selectors(
        [],
        {
            "types": [Noop, "x.v1.Y"],
            "domains": ["lab"],
            "queues": ["lab:low"],
            "states": ["FAILED", "pending"],
            "workflow_id": "w",
            "created_after": NOON,
            "created_before": NOON.replace(hour=13),
        },
    )

    assert list(found.types) == ["acme_jobs.lab.v1.Noop", "x.v1.Y"]
    assert list(found.states) == [JOB_STATE_FAILED, JOB_STATE_PENDING]
    assert (found.workflow_id, list(found.domains), list(found.queues)) == (
        "w", ["lab"], ["lab:low"],
    )  # fmt: skip
    assert found.created_before.seconds - found.created_after.seconds == 3_600


def test_nothing_selects_nothing():
    """The door refuses it; it never becomes everything."""
    (found,) = selectors([], {})

    assert found.ListFields() == []


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ({"states": ["DEAD"]}, "has no state DEAD"),
        ({"created_after": NOON.replace(tzinfo=None)}, "created_after: needs a time zone"),
        ({"created_before": NOON.replace(tzinfo=None)}, "created_before: needs a time zone"),
    ],
)
def test_what_the_wire_cannot_carry_is_refused_before_it(selection, words):
    """With the same error as the door would raise."""
    with pytest.raises(InvalidRequest, match=words):
        list(selectors([], selection))


def test_a_retry_has_one_request_id_for_all_its_calls():
    """And begins each thousand at its front."""
    seen = []
    for request in retry_requests(["a"] * 1_500, {}, priority="low", request_id=None):
        seen.append((request.request_id, request.page_token, request.priority))
        request.page_token = "somewhere"

    (one, other) = seen
    assert one == other == (one[0], "", PRIORITY_LOW)
    assert one[0]


def test_an_update_needs_a_moment_that_is_one():
    """A naive time could mean anything; an unknown priority nothing."""
    with pytest.raises(InvalidRequest, match="run_time: needs a time zone"):
        update_request("j", priority=None, run_time=NOON.replace(tzinfo=None))
    with pytest.raises(InvalidRequest, match="priority: is one of critical, high, default, low"):
        update_request("j", priority="urgent", run_time=None)
