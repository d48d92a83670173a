"""Why a pending job does not run, judged from queues and workers."""

from __future__ import annotations

import pytest

from portaria.frontdoor.standing import Picture
from portaria.v1.job_pb2 import PendingReason

SERVED = {"mail:high": frozenset({"a.B"}), "mail:low": None, "lab:low": frozenset[str]()}


@pytest.mark.parametrize(
    ("queue", "job_type", "reason"),
    [
        ("mail:high", "a.B", "QUEUED"),
        ("mail:high", "a.C", "TYPE_NOT_SERVED"),
        ("mail:default", "a.B", "NO_WORKER"),
        ("mail:low", "a.B", "QUEUED"),
        ("erp:low", "a.B", "QUEUE_PAUSED"),
    ],
)
def test_the_nearest_reason_is_told(queue: str, job_type: str, reason: str) -> None:
    """A pause first: it holds whoever works. A worker that did not say what it serves may."""
    picture = Picture(frozenset({"erp:low"}), SERVED)

    assert PendingReason.Name(picture.reason(queue, job_type)) == f"PENDING_REASON_{reason}"


def test_served_is_what_some_worker_said() -> None:
    """Not what one that said nothing might."""
    picture = Picture(frozenset(), SERVED)

    assert [picture.serves(each) for each in ("a.B", "a.C")] == [True, False]
