"""submit_many without a door."""

from __future__ import annotations

import pytest

from acme_jobs.lab.v1.lab_pb2 import Echo, EchoResult, Noop
from portaria.client import AlreadyExists, InvalidRequest, PortariaError, RequestIdReused
from portaria.testing import EagerPlatform
from portaria.v1.job_pb2 import SubmitOptions
from portaria_workers.mail.v1.mail_pb2 import SendEmail


def test_each_handle_is_its_jobs(portaria: EagerPlatform) -> None:
    """In order, over several calls, with the labels of all and results."""
    jobs = (Echo(text=str(number)) for number in range(5))

    handles = list(portaria.client.submit_many(jobs, chunk=2, labels={"a": "1"}))

    results = [handle.result() for handle in handles]
    assert results == [EchoResult(text=str(number), attempt=1) for number in range(5)]
    assert len({handle.workflow_id for handle in handles}) == 3
    job = handles[4].get()
    assert (dict(job.labels), job.workflow_id) == ({"a": "1"}, handles[4].workflow_id)


def test_one_bad_job_refuses_its_call(portaria: EagerPlatform) -> None:
    """With its number; nothing of that call is handed in."""
    jobs = [Echo(), SendEmail(to="nobody", template="welcome", variables={"name": "Ana"})]

    with pytest.raises(InvalidRequest) as refusal:
        list(portaria.client.submit_many(jobs))

    (violation,) = refusal.value.violations
    assert (violation.field, violation.reason) == ("specs[1].payload.to", "EMAIL_FORMAT")
    portaria.assert_not_submitted(Echo)


def test_bad_jobs_may_be_left_out(portaria: EagerPlatform) -> None:
    """Each is told, with its number and its kind of error."""
    told: list[tuple[int, PortariaError]] = []
    key = SubmitOptions(unique_key="k")

    handles = list(
        portaria.client.submit_many(
            [SendEmail(to="x"), (Noop(), key), (Noop(), key), Echo()],
            on_error=lambda number, error: told.append((number, error)),
        )
    )

    assert len(handles) == 2
    assert [(number, type(error)) for number, error in told] == [
        (0, InvalidRequest),
        (2, AlreadyExists),
    ]
    assert told[1][1].metadata == {"job_id": handles[0].id}


def test_all_of_it_may_be_repeated(portaria: EagerPlatform) -> None:
    """The same jobs under the same request_id; other ones are refused."""

    def hand_in(*texts: str) -> list[str]:
        jobs = [Echo(text=text) for text in texts]
        return [each.id for each in portaria.client.submit_many(jobs, request_id="r")]

    assert hand_in("a", "b") == hand_in("a", "b")
    with pytest.raises(RequestIdReused):
        hand_in("a", "c")
    with pytest.raises(RequestIdReused):
        hand_in("a", "b", "c")
