"""Ids: job ids sort by creation, tokens do not repeat."""

from __future__ import annotations

import time
import uuid

from portaria.core.ids import (
    id_floor,
    is_member,
    member_id,
    new_job_id,
    new_request_id,
    new_token,
    new_workflow_id,
)


def test_a_job_id_is_a_uuid_of_version_seven() -> None:
    """Version and variant where RFC 9562 has them, for any random bits."""
    for _ in range(500):
        value = uuid.UUID(new_job_id())
        assert (value.version, value.variant) == (7, uuid.RFC_4122)


def test_a_job_id_begins_with_the_moment_of_its_making() -> None:
    """48 bits of milliseconds."""
    before = time.time_ns() // 1_000_000
    value = uuid.UUID(new_job_id())
    after = time.time_ns() // 1_000_000

    assert before <= value.int >> 80 <= after


def test_job_ids_sort_by_creation() -> None:
    """As text, too, between milliseconds."""
    ids = []
    for _ in range(5):
        ids.append(new_job_id())
        until = time.time_ns() // 1_000_000 + 1
        while time.time_ns() // 1_000_000 <= until:
            pass

    assert ids == sorted(ids)


def test_job_ids_of_one_process_sort_within_a_millisecond() -> None:
    """So that lists, which are in the order of ids, show jobs of one door as they came."""
    ids = []
    for _ in range(50):
        ids.append(new_job_id())
        until = time.time_ns() + 1_000
        while time.time_ns() <= until:
            pass

    assert ids == sorted(ids)


def test_a_floor_parts_milliseconds() -> None:
    """No job id of its own lies below it, none of the one before above; out of range is the end."""
    job_id = new_job_id()
    milliseconds = uuid.UUID(job_id).int >> 80

    assert id_floor(milliseconds) < job_id < id_floor(milliseconds + 1)
    assert id_floor(-1) == str(uuid.UUID(int=0))
    assert id_floor(2**60) > job_id


def test_ids_do_not_repeat_and_are_one_word() -> None:
    """What goes into keys and events has no blank and no bar."""
    for make in (new_job_id, new_request_id, new_token):
        made = {make() for _ in range(2_000)}
        assert len(made) == 2_000
        assert not set("".join(made)) - set("0123456789abcdef-")


def test_a_token_has_64_bits() -> None:
    """In hex."""
    assert len(new_token()) == 16


def test_ids_of_members_sort_in_their_order() -> None:
    """After the ids of earlier batches, and all different."""
    batch_id = new_workflow_id()
    ids = [member_id(batch_id, number) for number in range(1000)]

    assert ids == sorted(ids)
    assert len({*ids, batch_id}) == 1001
    assert {uuid.UUID(each).version for each in (*ids, batch_id)} == {7}


def test_members_are_known_by_their_ids() -> None:
    """Those of one workflow and no other, nor the workflow itself."""
    workflow_id, other = new_workflow_id(), new_workflow_id()

    assert all(is_member(workflow_id, member_id(workflow_id, number)) for number in (0, 7, 4094))
    assert is_member(workflow_id, member_id(workflow_id, 7)[:-1] + "0")
    for job_id in (workflow_id, member_id(other, 7), new_job_id(), "", "no id"):
        assert not is_member(workflow_id, job_id)
