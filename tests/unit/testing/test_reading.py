"""Lists in eager mode: code that lists jobs is tested as it is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from acme_jobs.lab.v1.lab_pb2 import Echo, Noop
from portaria.client import InvalidRequest, NotFound
from portaria.core.ids import new_job_id
from portaria.testing import EagerPlatform


def test_jobs_are_read_together(portaria: EagerPlatform) -> None:
    """In the order of the ids; those that are not there are left out."""
    first, second = portaria.submit(Noop()).id, portaria.submit(Echo(text="a")).id

    found = portaria.client.get_many([second, new_job_id(), first])

    assert list(found) == [second, first]
    assert not found[first].HasField("spec")
    assert portaria.client.get_many([first], full=True)[first].HasField("spec")


def test_ids_are_read_in_either_case(portaria: EagerPlatform) -> None:
    """As UUIDs are; and an unknown one is answered in the words of a door."""
    client, job_id = portaria.client, portaria.submit(Noop(), delay=timedelta(hours=1)).id
    loud = job_id.upper()

    assert client.get(loud).job_id == job_id
    assert list(client.get_many([loud, job_id])) == [job_id]
    assert client.cancel(loud, job_id) == 1
    assert [event.job_id for event in client.watch(loud)] == [job_id]
    with pytest.raises(NotFound, match=r"^no such job, or it was purged$"):
        client.get(new_job_id())


def test_a_list_selects_as_the_door_does(portaria: EagerPlatform) -> None:
    """The newest first, by every field."""
    noop = portaria.submit(Noop(), labels={"team": "billing"})
    before = portaria.now
    portaria.advance(minutes=5)
    echo = portaria.submit(Echo(text="a"), priority="low")
    portaria.run_due()
    late = portaria.submit(Noop(), delay=timedelta(hours=1))

    def ids(**given: object) -> list[str]:
        return [job.job_id for job in portaria.client.list(**given)]  # type: ignore[arg-type]

    assert ids() == [late.id, echo.id, noop.id]
    assert ids(oldest_first=True) == [noop.id, echo.id, late.id]
    assert ids(types=[Noop]) == [late.id, noop.id]
    assert ids(states=["SUCCEEDED"]) == [echo.id, noop.id]
    assert ids(labels={"team": "billing"}) == [noop.id]
    assert ids(queues=["lab:low"]) == [echo.id]
    assert ids(domains=["mail"]) == ids(workflow_id="none") == []
    assert ids(created_after=before) == [late.id, echo.id]
    assert ids(created_before=portaria.now) == [noop.id]


def test_pages_go_on_where_the_last_one_ended(portaria: EagerPlatform) -> None:
    """With a cursor for a watch."""
    made = [portaria.submit(Noop()).id for _ in range(3)]

    first = portaria.client.page(2, oldest_first=True)
    rest = portaria.client.page(2, oldest_first=True, token=first.next_page_token)

    assert [job.job_id for job in (*first.jobs, *rest.jobs)] == made
    assert rest.next_page_token == ""
    assert list(portaria.client.watch(made[0], cursor=first.cursor))[-1].done
    with pytest.raises(InvalidRequest, match="page_token"):
        portaria.client.page(token="nonsense")
