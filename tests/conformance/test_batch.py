"""batch and settle: jobs that are handed in together, written in slices, placed when all are in."""

from __future__ import annotations

import pytest

from conformance.batches import HandIn
from conformance.kernel import Kernel, ended, submission
from portaria.core.states import State
from portaria.store import keys
from portaria.store.batch import Held, Stage, settle


def _settle(kernel: Kernel, batch_id: str) -> None:
    """As if the time of a batch had come, until nothing is left to do."""
    for _ in range(20):
        if kernel.redis.zscore(keys.BATCHES, batch_id) is None:
            return
        kernel.redis.zadd(keys.BATCHES, {batch_id: 1})
        kernel.store.run(settle())


def test_a_small_batch_is_written_and_placed_by_one_call(kernel: Kernel) -> None:
    """Each job can be read, claimed, found, and was told of once; workers are woken."""
    batch = HandIn(kernel, 3)

    written = batch.write(0, 3)

    assert (written.word, written.stage) == ("ok", Stage.PLACED)
    assert (kernel.queued(), kernel.depth(), kernel.tokens()) == (batch.ids, 3, 3)
    assert kernel.members(keys.index("default", "workflow", batch.id)) == batch.ids
    for job_id in batch.ids:
        record, (event,) = kernel.record(job_id), kernel.events(job_id)
        assert (record.state, record.tag.workflow_id) == (State.PENDING, batch.id)
        assert (event.state, event.previous, event.entry_id) == ("PENDING", "", record.cursor)
        assert record.envelope == f"envelope of {job_id}".encode()
    assert [kernel.claim().job_id for _ in batch.ids] == batch.ids


def test_a_large_batch_runs_when_its_last_slice_is_in(kernel: Kernel) -> None:
    """Before, its jobs are BLOCKED: in no queue, in no index, and not told of."""
    batch = HandIn(kernel, 450)

    assert [batch.write(0, 200).stage, batch.write(200, 400).stage] == [Stage.OPEN] * 2
    assert (kernel.queued(), kernel.turn().claims, kernel.all_events()) == ([], [], [])
    assert kernel.state(batch.ids[7]) == State.BLOCKED
    assert kernel.members(keys.index("default")) == []
    stages = [batch.write(400, 450).stage, *(batch.place().stage for _ in range(3))]

    assert stages == [Stage.WHOLE, Stage.WHOLE, Stage.WHOLE, Stage.PLACED]
    assert kernel.queued() == batch.ids
    assert [event.job_id for event in kernel.all_events()] == batch.ids
    assert {kernel.state(job_id) for job_id in batch.ids[::50]} == {State.PENDING}
    assert (kernel.depth(), kernel.tokens()) == (450, 64)


@pytest.mark.parametrize("times", [1, 2])
def test_a_slice_that_was_sent_twice_changes_nothing(kernel: Kernel, times: int) -> None:
    """The first one, the last one, and the ones that place."""
    batch = HandIn(kernel, 250)
    for _ in range(times):
        batch.write(0, 200)
    for _ in range(times):
        batch.write(200, 250)
    for _ in range(2 * times):
        last = batch.place()

    assert last.stage is Stage.PLACED
    assert kernel.queued() == batch.ids
    assert len(kernel.all_events()) == 250


def test_the_same_batch_again_is_told_which_one_it_is(kernel: Kernel) -> None:
    """With all that its caller needs to answer, or to go on."""
    first = HandIn(kernel, 250)
    first.write(0, 200)
    other = HandIn(kernel, 250)

    known = other.write(0, 200)

    assert (known.word, known.batch_id) == ("known", first.id)
    assert (known.stage, known.written) == (Stage.OPEN, 200)
    again = HandIn(kernel, 250, batch_id=first.id)
    again.write(200, 250)
    again.place()
    again.place()
    assert kernel.queued() == first.ids
    assert other.write(0, 200).stage is Stage.PLACED


def test_other_content_under_its_request_id_is_said_to_be_reused(kernel: Kernel) -> None:
    """Another batch, a single job, and a batch under a job's request_id."""
    batch = HandIn(kernel, 2)
    batch.write(0, 2)
    kernel.submit("j1", request_id="single")
    before = kernel.snapshot()

    assert HandIn(kernel, 2, content_hash="other").write(0, 2).word == "reused"
    assert kernel.submit("j2", request_id="r-batch").reused
    assert HandIn(kernel, 2, request_id="single").write(0, 2).word == "reused"

    assert kernel.snapshot() == before


def test_a_slice_that_is_not_the_next_one_writes_nothing(kernel: Kernel) -> None:
    """It is told where to go on, or to begin anew."""
    batch = HandIn(kernel, 500)
    assert batch.write(200, 400).word == "gone"
    batch.write(0, 200)
    before = kernel.snapshot()

    early = batch.write(400, 500)

    assert (early.word, early.batch_id, early.written) == ("known", batch.id, 200)
    assert kernel.snapshot() == before


def test_a_batch_that_is_never_completed_is_removed(kernel: Kernel) -> None:
    """Without a trace: nobody was told that it is there. Its request_id is free again."""
    batch = HandIn(kernel, 900, unique_key="k{}")
    for start in (0, 200, 400):
        batch.write(start, start + 200)
    kernel.store.run(settle())
    assert kernel.state(batch.ids[0]) == State.BLOCKED

    _settle(kernel, batch.id)

    assert [each for each in kernel.snapshot() if not each.startswith("portaria:generation")] == []
    assert batch.write(600, 800).word == "gone"
    assert HandIn(kernel, 1, content_hash="other").write(0, 1).stage is Stage.PLACED


def test_a_late_slice_does_not_revive_a_batch_that_is_being_removed(kernel: Kernel) -> None:
    """It is told that the batch is gone; a new one may be made meanwhile."""
    batch = HandIn(kernel, 500)
    batch.write(0, 200)
    batch.write(200, 400)
    kernel.redis.zadd(keys.BATCHES, {batch.id: 1})
    kernel.store.run(settle())

    late, begun = batch.write(400, 500), HandIn(kernel, 500)

    assert late.word == "gone"
    assert begun.write(0, 200).word == "ok"
    _settle(kernel, batch.id)
    assert kernel.state(begun.ids[0]) == State.BLOCKED


def test_a_batch_that_is_whole_is_placed_though_nobody_asks_any_more(kernel: Kernel) -> None:
    """Its door was killed between the last slice and the answer."""
    batch = HandIn(kernel, 450)
    for start in (0, 200, 400):
        batch.write(start, min(start + 200, 450))

    for _ in range(3):
        kernel.redis.zadd(keys.BATCHES, {batch.id: 1})
        kernel.store.run(settle())

    assert kernel.queued() == batch.ids


def test_its_record_expires_an_hour_after_its_last_job_ended(kernel: Kernel) -> None:
    """Not before: who repeats it is told of the same jobs."""
    batch = HandIn(kernel, 2)
    batch.write(0, 2)
    request = keys.request("default", "r-batch")
    one, two = kernel.turn(want=2).claims
    kernel.turn("ana", ended(one), want=0)

    _look(kernel, batch.id)
    assert kernel.redis.ttl(request) == -1
    kernel.turn("ana", ended(two), want=0)
    _look(kernel, batch.id)

    assert 3_590 <= kernel.redis.ttl(request) <= 3_600
    next_look = kernel.redis.zscore(keys.BATCHES, batch.id)
    assert next_look > kernel.redis.time()[0] * 1000 + 3_600_000
    assert HandIn(kernel, 2).write(0, 2).batch_id == batch.id
    kernel.redis.hset(keys.batch(batch.id), "ended", "1")
    _look(kernel, batch.id)
    assert not kernel.redis.exists(keys.batch(batch.id), keys.BATCHES, keys.workflows("default"))


def _look(kernel: Kernel, batch_id: str) -> None:
    kernel.redis.zadd(keys.BATCHES, {batch_id: 1})
    kernel.store.run(settle())


def test_bad_jobs_leave_holes(kernel: Kernel) -> None:
    """Of a partial batch only the good ones are written, under the numbers that they have."""
    batch = HandIn(kernel, 450, leave_out=range(0, 450, 2), partial=True)
    for start in (0, 200, 400):
        batch.write(start, min(start + 200, 450))
    while batch.place().stage is not Stage.PLACED:
        pass

    assert kernel.queued() == batch.ids[1::2]


def test_a_delayed_job_of_a_batch_waits_for_its_moment(kernel: Kernel) -> None:
    """The others run at once."""
    small = HandIn(kernel, 2, change={1: {"delay_ms": 60_000}})
    small.write(0, 2)
    large = HandIn(kernel, 201, request_id="large", change={200: {"delay_ms": 60_000}})
    large.write(0, 200)
    large.write(200, 201)
    large.place()
    large.place()

    for job_id in (small.ids[1], large.ids[200]):
        record, (event,) = kernel.record(job_id), kernel.events(job_id)
        assert (record.state, record.due_ms - record.created_ms) == (State.SCHEDULED, 60_000)
        assert event.next_ms == record.due_ms == kernel.redis.zscore(keys.DUE, job_id)
    assert kernel.queued() == [small.ids[0], *large.ids[:200]]


def test_limits_and_labels_of_its_jobs_are_as_of_single_ones(kernel: Kernel) -> None:
    """Expiry, indexes, priority, retries."""
    given = {"before_ms": 4_000_000_000_000, "labels": [("a", "1")], "max_attempts": 7}
    batch = HandIn(kernel, 2, change={1: given})
    batch.write(0, 2)

    assert kernel.members(keys.EXPIRY) == [batch.ids[1]]
    assert kernel.members(keys.index("default", "label", "a=1")) == [batch.ids[1]]
    assert kernel.record(batch.ids[1]).max_attempts == 7


def test_a_held_unique_key_refuses_the_batch_whole(kernel: Kernel) -> None:
    """In the first slice nothing is written; in a later one what is written is removed."""
    kernel.submit("holder", unique_key="k")
    before = kernel.snapshot()
    small = HandIn(kernel, 2, change={1: {"unique_key": "k"}})
    assert small.write(0, 2).held == {1: Held("holder", is_answer=False)}
    assert kernel.snapshot() == before
    large = HandIn(kernel, 201, change={200: {"unique_key": "k"}})
    large.write(0, 200)

    assert large.write(200, 201).word == "held"

    kernel.store.run(settle())
    kernel.store.run(settle())
    assert sorted(kernel.snapshot()) == sorted(before)


def test_a_batch_may_hold_a_key_only_once(kernel: Kernel) -> None:
    """Its own job holds the key, in the same slice or in an earlier one."""
    change = {0: {"unique_key": "k"}, 1: {"unique_key": "k"}, 200: {"unique_key": "k"}}
    batch = HandIn(kernel, 201, change=change, partial=True)
    batch.write(0, 200)
    batch.write(200, 201)
    batch.place()

    held = batch.place().held

    first = Held(batch.ids[0], is_answer=False)
    assert held == {1: first, 200: first}
    assert kernel.queued() == [batch.ids[0], *batch.ids[2:200]]
    assert kernel.redis.ttl(keys.unique("default", submission("x").type, "k")) == -1


def test_a_batch_takes_an_existing_job_where_it_says_so(kernel: Kernel) -> None:
    """Also without partial, and a repeat is told the same."""
    kernel.submit("holder", unique_key="k")
    change = {1: {"unique_key": "k", "use_existing": True}}

    written = HandIn(kernel, 2, change=change).write(0, 2)
    again = HandIn(kernel, 2, change=change).write(0, 2)

    assert written.held == again.held == {1: Held("holder", is_answer=True)}


def test_nobody_takes_the_key_of_a_job_that_waits_for_its_batch(kernel: Kernel) -> None:
    """It is reserved until the batch is whole or removed."""
    batch = HandIn(kernel, 201, change={0: {"unique_key": "k"}})
    batch.write(0, 200)

    assert kernel.submit("j1", unique_key="k").held
    _settle(kernel, batch.id)
    assert not kernel.submit("j1", unique_key="k").held


def test_one_call_takes_two_hundred_jobs(kernel: Kernel) -> None:
    """More would hold up all others."""
    with pytest.raises(ValueError, match="at most 200"):
        HandIn(kernel, 201).write(0, 201)
