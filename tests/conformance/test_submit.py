"""submit: one job written and placed, idempotent by request_id."""

from __future__ import annotations

import pytest

from conformance.kernel import QUEUE, Kernel, ended
from portaria.core.states import State
from portaria.store import keys


def test_a_job_is_written_placed_and_told(kernel: Kernel) -> None:
    """An acknowledged job can be read, claimed, watched, and wakes a worker."""
    submitted = kernel.submit("j1", max_attempts=7, ttl_ms=60_000, envelope=b"\x00\xff")

    record = kernel.record("j1")
    assert (submitted.job_id, submitted.deduplicated, submitted.reused) == ("j1", False, False)
    assert (record.state, record.envelope, record.attempt) == (State.PENDING, b"\x00\xff", 0)
    assert (record.max_attempts, record.ttl_ms) == (7, 60_000)
    assert record.created_ms == record.updated_ms == record.due_ms > 0
    assert (kernel.queued(), kernel.depth(), kernel.tokens()) == (["j1"], 1, 1)


def test_the_record_carries_the_cursor_of_its_event(kernel: Kernel) -> None:
    """Who reads the job and then watches from its cursor misses nothing."""
    kernel.submit("j1", labels=[("tenant", "casa do sol"), ("k=&", "–")], workflow_id="w1")

    (event,) = kernel.events("j1")
    record = kernel.record("j1")
    assert (event.state, event.previous, event.attempt) == ("PENDING", "", 0)
    assert event.entry_id == record.cursor
    assert event.tag == record.tag
    assert event.tag.labels == {"tenant": "casa do sol", "k=&": "–"}
    assert (event.tag.workflow_id, event.tag.queue) == ("w1", QUEUE)


def test_a_call_that_was_sent_twice_has_the_first_answer(kernel: Kernel) -> None:
    """A client of Redis that heard nothing sends again; the job is its caller's all the same."""
    first = kernel.submit("j1")

    assert kernel.submit("j1") == first
    assert not first.deduplicated
    assert first.entry_id == kernel.record("j1").cursor


def test_the_same_submission_again_is_the_same_job(kernel: Kernel) -> None:
    """A caller that heard nothing asks again, and nothing is written twice."""
    kernel.submit("j1")
    before = kernel.snapshot()

    again = kernel.submit("j2", request_id="r-j1")

    assert (again.job_id, again.deduplicated, again.reused) == ("j1", True, False)
    assert kernel.snapshot() == before


@pytest.mark.parametrize("delay_ms", [0, 60_000])
def test_a_submission_sent_twice_hides_nothing_that_happened(kernel: Kernel, delay_ms: int) -> None:
    """Once the job went on, the answer is no longer that of a new job: with the present cursor
    beside the first state, a watcher would miss what lies between.
    """
    kernel.submit("j1", delay_ms=delay_ms)
    if delay_ms:
        kernel.make_due("j1")
        kernel.promote()
    else:
        kernel.claim()

    again = kernel.submit("j1", delay_ms=delay_ms)

    assert (again.job_id, again.deduplicated, again.entry_id) == ("j1", True, "")


def test_a_request_id_that_stands_for_other_content_is_said_to_be_reused(kernel: Kernel) -> None:
    """Other content under a known request_id writes nothing and names the job it stands for."""
    kernel.submit("j1", content_hash="aaa")
    before = kernel.snapshot()

    again = kernel.submit("j2", request_id="r-j1", content_hash="bbb")

    assert (again.job_id, again.deduplicated, again.reused) == ("j1", False, True)
    assert kernel.snapshot() == before


def test_another_namespace_has_its_own_request_ids(kernel: Kernel) -> None:
    """The same request_id of two namespaces names two jobs."""
    kernel.submit("j1", request_id="r")

    other = kernel.submit("j2", request_id="r", namespace="acme")

    assert (other.job_id, other.deduplicated) == ("j2", False)
    assert kernel.queued() == ["j1", "j2"]


def test_a_finished_job_still_answers_for_its_request_id(kernel: Kernel) -> None:
    """The request record outlives the job's end by an hour, and has no expiry before it."""
    kernel.submit("j1")
    request = keys.request("default", "r-j1")
    assert kernel.redis.ttl(request) == -1

    kernel.turn("ana", ended(kernel.claim()))

    assert 3_590 <= kernel.redis.ttl(request) <= 3_600
    assert kernel.submit("j2", request_id="r-j1").job_id == "j1"


def test_a_delayed_job_waits_for_its_moment(kernel: Kernel) -> None:
    """It is in no queue, wakes nobody, and its event says when it is due."""
    kernel.submit("j1", delay_ms=60_000)

    record = kernel.record("j1")
    (event,) = kernel.events("j1")
    assert record.state == State.SCHEDULED
    assert record.due_ms - record.created_ms == 60_000
    assert (event.state, event.next_ms) == ("SCHEDULED", record.due_ms)
    assert (kernel.queued(), kernel.depth(), kernel.tokens()) == ([], 0, 0)
    assert kernel.redis.zscore(keys.DUE, "j1") == record.due_ms
    assert kernel.members(f"rq:scheduled:{QUEUE}") == ["j1"]


def test_a_run_time_in_the_future_wins_over_the_delay(kernel: Kernel) -> None:
    """run_at is the moment itself, to the millisecond."""
    moment = 4_102_444_800_123

    kernel.submit("j1", run_at_ms=moment, delay_ms=5)

    record = kernel.record("j1")
    assert (record.state, record.due_ms) == (State.SCHEDULED, moment)


def test_a_run_time_in_the_past_means_now(kernel: Kernel) -> None:
    """It is queued at once."""
    kernel.submit("j1", run_at_ms=1)

    assert kernel.state("j1") == State.PENDING
    assert kernel.queued() == ["j1"]


def test_jobs_of_a_queue_stand_in_the_order_of_their_submission(kernel: Kernel) -> None:
    """First in, first out, within one priority."""
    for number in range(5):
        kernel.submit(f"j{number}")

    assert [kernel.claim().job_id for _ in range(5)] == [f"j{number}" for number in range(5)]


def test_wake_tokens_do_not_pile_up(kernel: Kernel) -> None:
    """At most 64 wait, however many jobs do."""
    for number in range(70):
        kernel.submit(f"j{number}")

    assert kernel.tokens() == 64
    assert kernel.depth() == 70


def test_no_field_is_called_result(kernel: Kernel) -> None:
    """RQ would unpickle it."""
    kernel.submit("j1")

    kernel.turn("ana", ended(kernel.claim(), output=b"x"))

    assert b"result" not in kernel.redis.hkeys(keys.job("j1"))
