"""Page tokens: opaque, and of one list."""

from __future__ import annotations

import base64

import pytest

from portaria.core.errors import Violation
from portaria.frontdoor.pages import Place, listed_of, page_size, place_from
from portaria.v1.jobs_service_pb2 import JobSelector, ListJobsRequest

SELECTOR = JobSelector(types=["a.B"], labels={"x": "1", "y": "2"})
PLACE = Place("0190c0de-0000-7000-8000-000000abcdef", "ab12.1700000000000-3")


def listed(selector: JobSelector = SELECTOR, **given: object) -> bytes:
    named = {"oldest_first": False, "namespace": "default", **given}
    return listed_of(selector, **named)  # type: ignore[arg-type]


def reason(token: str, of: bytes) -> str:
    found = place_from(token, of)
    assert isinstance(found, Violation)
    assert found.field == "page_token"
    return found.reason


@pytest.mark.parametrize("place", [PLACE, Place(PLACE.after, "ab12.empty-1700000000000")])
def test_a_token_leads_back_to_its_place(place: Place) -> None:
    """Whatever the order in which the caller's maps were written."""
    token = place.token(listed())
    same = JobSelector(types=["a.B"], labels={"y": "2", "x": "1"})

    assert place_from(token, listed(same)) == place
    assert token.isascii()
    assert len(token) <= 512
    assert "=" not in token


def test_no_token_is_the_beginning() -> None:
    """Of any list."""
    assert place_from("", listed()) == Place()


@pytest.mark.parametrize(
    "other",
    [
        listed(JobSelector(types=["a.C"])),
        listed(JobSelector()),
        listed(oldest_first=True),
        listed(namespace="other"),
    ],
)
def test_a_token_of_another_list_is_refused(other: bytes) -> None:
    """Its place would mean something else there."""
    assert reason(PLACE.token(listed()), other) == "CONFLICT"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no-cursor",
        b" ab12.1-1",
        b"id nonsense",
        b"id ab12.1-1 more",
        b"i\x00d ab12.1-1",
        b"\xff\xfe ab12.1-1",
        b"id ab12.1-1\n",
    ],
)
def test_what_no_answer_gave_is_refused(body: bytes) -> None:
    """Each part is looked at, also behind the right digest."""
    token = base64.urlsafe_b64encode(listed() + body).decode().rstrip("=")

    assert reason(token, listed()) == "FORMAT"


@pytest.mark.parametrize("token", ["A", "é", "a b", "====", "+/+/", "\x00", "A" * 512])
def test_what_is_no_token_is_refused(token: str) -> None:
    """Never an error of ours."""
    assert reason(token, listed()) == "FORMAT"


def test_a_page_is_fifty_jobs_and_a_thousand_at_most() -> None:
    """As the contract says."""
    sizes = [page_size(ListJobsRequest(page_size=size)) for size in (0, 1, 1_000, 1_001, 2**31 - 1)]

    assert sizes == [50, 1, 1_000, 1_000, 1_000]
