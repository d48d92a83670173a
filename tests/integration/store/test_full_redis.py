"""Law 2: at maxmemory submits are refused whole, and everything that drains goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from conformance.batches import HandIn
from conformance.kernel import CRASHED, QUEUE, Kernel, ended, submission
from portaria.core.errors import StoreFull
from portaria.core.states import State
from portaria.store import Promotion, Verdict, calls, keys
from portaria.store.batch import Stage, settle
from portaria.store.calls import Began, Cancelled
from stack.versions import both_versions

# What a full Redis refuses of a script differs between versions; the law holds on each.
pytestmark = both_versions


@pytest.fixture
def full(redis: Redis) -> Iterator[Callable[[], None]]:
    """Call it, and from then on Redis has no memory left."""

    def fill() -> None:
        redis.config_set("maxmemory", 1)

    yield fill
    redis.config_set("maxmemory", 0)


@pytest.mark.parametrize("given", [{}, {"delay_ms": 60_000}])
def test_a_submission_is_refused_and_writes_nothing(
    kernel: Kernel, full: Callable[[], None], given: dict[str, Any]
) -> None:
    """Not a key, not a byte: the caller may repeat it."""
    kernel.submit("before")
    before = kernel.snapshot()
    full()

    for _ in range(2):
        with pytest.raises(StoreFull) as refusal:
            kernel.submit("j1", **given)

    assert kernel.snapshot() == before
    assert kernel.redis.dbsize() == len(before)
    assert refusal.value.retry_after.total_seconds() > 0


def test_just_below_the_limit_a_submission_is_whole(kernel: Kernel, redis: Redis) -> None:
    """Memory runs out while jobs come in: each is there entirely, or not at all."""
    kernel.submit("first")
    redis.config_set("maxmemory", int(redis.info("memory")["used_memory"]) + 100_000)
    accepted = ["first"]

    def submit_for_ever() -> None:
        while True:
            job_id = f"j{len(accepted)}"
            kernel.submit(job_id, envelope=b"x" * 5_000)
            accepted.append(job_id)

    with pytest.raises(StoreFull):
        submit_for_ever()
    redis.config_set("maxmemory", 0)

    hashes: Any = redis.keys("rq:job:*")
    present = {name.decode().removeprefix("rq:job:") for name in hashes}
    assert kernel.queued() == accepted
    assert present == set(accepted)
    assert len(list(redis.keys("portaria:request:*"))) == len(accepted)
    assert len(accepted) > 1


def test_an_operator_may_still_clear_and_resume_a_queue(
    kernel: Kernel, full: Callable[[], None]
) -> None:
    """What helps against too many jobs works; a new pause is refused, and changes nothing."""
    kernel.submit("j1")
    kernel.submit("j2")
    kernel.store.run(calls.pause(QUEUE))
    full()

    assert kernel.store.run(calls.clear("default", QUEUE, most=1)).cancelled == 1
    with pytest.raises(StoreFull):
        kernel.store.run(calls.pause("lab:low"))
    assert kernel.store.run(calls.resume(QUEUE)) is True

    assert kernel.claim().job_id == "j2"
    assert not kernel.redis.exists(keys.PAUSED)


def test_a_known_request_id_is_still_answered(kernel: Kernel, full: Callable[[], None]) -> None:
    """It writes nothing."""
    kernel.submit("j1")
    full()

    assert kernel.submit("j2", request_id="r-j1").job_id == "j1"


def test_turns_go_on(kernel: Kernel, full: Callable[[], None]) -> None:
    """Claims and every kind of finish, until the queue is empty."""
    for number in range(4):
        kernel.submit(f"j{number}")
    full()

    for verdict in Verdict:
        claim = kernel.claim()
        assert kernel.turn("ana", ended(claim, verdict, wait_ms=1), want=0).taken == [True]

    states = [kernel.state(f"j{number}") for number in range(4)]
    assert states == [State.SUCCEEDED, State.FAILED, State.RETRYING, State.RETRYING]


def test_renewing_goes_on(kernel: Kernel, full: Callable[[], None]) -> None:
    """Or every healthy job would be given away because Redis is full."""
    kernel.submit("j1")
    claim = kernel.claim("ana")
    full()

    assert kernel.renew("ana", lease_ms=60_000)[0].held == ["j1"]
    assert kernel.lease_ms(claim) > 50_000


def test_recovering_goes_on(kernel: Kernel, full: Callable[[], None]) -> None:
    """What a dead child held goes back."""
    kernel.submit("j1")
    kernel.claim("ana")
    full()

    assert kernel.recover("ana", begun="j1", crashed=True) == ["j1"]
    assert kernel.queued() == ["j1"]


def test_the_end_of_a_budget_goes_on(kernel: Kernel, full: Callable[[], None]) -> None:
    """Also where recovering ends the job."""
    kernel.submit("j1")
    kernel.claim("ana")
    full()

    kernel.recover("ana", begun="j1", crashed=True, budget=1)

    assert kernel.record("j1").failure == CRASHED


def test_reaping_goes_on(kernel: Kernel, full: Callable[[], None]) -> None:
    """Grace and judgement alike."""
    kernel.submit("j1")
    kernel.lapse(kernel.claim("ana"))
    full()

    assert kernel.reap() == ("grace", [])
    kernel.redis.config_set("maxmemory", 0)
    kernel.redis.hset(keys.REAPER, "grace", 1)
    full()

    assert kernel.reap() == ("reaped", ["j1"])


def test_promoting_goes_on(kernel: Kernel, full: Callable[[], None]) -> None:
    """Retries are part of draining."""
    kernel.submit("j1", delay_ms=60_000)
    kernel.make_due("j1")
    full()

    assert kernel.promote() == Promotion(moved=1, next_ms=-1)
    assert kernel.queued() == ["j1"]


def test_a_running_job_goes_on(kernel: Kernel, full: Callable[[], None]) -> None:
    """Its progress is kept, and its effects are guarded: failing them would burn every retry."""
    kernel.submit("j1")
    claim = kernel.claim()
    kernel.redis.set(keys.WATCHED, "1")
    full()

    assert kernel.store.run(calls.progress("j1", claim.token, b"half")) == "held"
    assert kernel.effect(claim, "begin", "k") == ("new", "")
    kernel.effect(claim, "done", "k", "1")
    assert kernel.effect(claim, "begin", "k") == ("done", "1")
    assert kernel.record("j1").progress == b"half"


def test_purging_goes_on(kernel: Kernel, full: Callable[[], None]) -> None:
    """It is what makes room."""
    kernel.submit("j1")
    kernel.turn("ana", ended(kernel.claim()))
    kernel.redis.zadd(keys.PURGE, {"j1": 1})
    full()

    assert kernel.store.run(calls.purge()) == 1
    assert kernel.store.get("j1") is None


def test_purging_early_goes_on(kernel: Kernel, full: Callable[[], None]) -> None:
    """It is there for nothing else."""
    kernel.submit("j1")
    kernel.turn("ana", ended(kernel.claim()))
    full()

    kernel.store.run(calls.purge(early=True))

    assert kernel.store.get("j1") is None


def test_holding_beginning_and_returning_go_on(kernel: Kernel, full: Callable[[], None]) -> None:
    """A worker with several jobs in hand drains as one with one."""
    for number in range(3):
        kernel.submit(f"j{number}")
    kernel.submit("once", at_most_once=True)
    full()

    one, two, three = kernel.turn("ana", want=4).claims
    hold = (two.job_id, two.token)
    turn = kernel.turn(
        "ana", ended(one), begun=hold, returned=[(three.job_id, three.token)], want=0
    )
    assert (turn.taken, turn.began, kernel.queued()) == ([True], Began.YES, ["j2", "once"])
    assert kernel.claim("rui").job_id == "j2"
    assert kernel.begin(kernel.claim("eva"), "eva") == Began.YES


def test_cancelling_goes_on(kernel: Kernel, full: Callable[[], None]) -> None:
    """What waits and what runs: it drains, too."""
    kernel.submit("runs")
    claim = kernel.claim("ana")
    kernel.submit("waits")
    full()

    assert kernel.cancel("runs", "waits", force=True) == [Cancelled.ASKED, Cancelled.NOW]
    assert kernel.renew("ana")[0].killed == ["runs"]
    kernel.turn("ana", ended(claim, Verdict.FAILED), want=0)
    assert kernel.state("runs") == State.CANCELLED


def test_parking_and_unparking_go_on(kernel: Kernel, full: Callable[[], None]) -> None:
    """In a rolling deploy that meets a full Redis."""
    kernel.submit("j1")
    full()

    assert kernel.turn("ana", served=" nothing ").claims == []
    assert kernel.unpark("acme_jobs.lab.v1.Noop") == 1
    assert kernel.claim().job_id == "j1"


def test_the_audit_goes_on(kernel: Kernel, full: Callable[[], None]) -> None:
    """What it puts back will drain."""
    kernel.submit("j1")
    kernel.stand_still("j1")
    kernel.redis.delete(keys.queue(QUEUE))
    full()

    assert kernel.audit_all() == ["j1"]
    assert kernel.claim().job_id == "j1"


@pytest.mark.parametrize("queue", ["", "lab:high"])
@pytest.mark.parametrize("run_at_ms", [-1, 4_000_000_000_000])
def test_an_update_is_refused_and_writes_nothing(
    kernel: Kernel, full: Callable[[], None], queue: str, run_at_ms: int
) -> None:
    """It drains nothing, and can wait."""
    kernel.submit("pending")
    kernel.submit("scheduled", delay_ms=60_000)
    before = kernel.snapshot()
    full()

    for job_id in ("pending", "scheduled"):
        with pytest.raises(StoreFull):
            kernel.update(job_id, queue=queue, run_at_ms=run_at_ms)

    assert kernel.snapshot() == before


def test_what_is_not_ours_is_refused_all_the_same(kernel: Kernel, full: Callable[[], None]) -> None:
    """A forged job does not block the queue of a full Redis."""
    kernel.redis.hset(keys.job("evil"), "data", "x")
    kernel.redis.rpush(keys.queue(QUEUE), "evil")
    kernel.submit("j1")
    full()

    turn = kernel.turn()

    assert (turn.refused, [claim.job_id for claim in turn.claims]) == (["evil"], ["j1"])


def test_after_room_was_made_submissions_are_taken_again(
    kernel: Kernel, full: Callable[[], None]
) -> None:
    """The refused one, too, as if it had never been sent."""
    full()
    with pytest.raises(StoreFull):
        kernel.store.run(calls.submit(submission("j1")))

    kernel.redis.config_set("maxmemory", 0)

    assert kernel.submit("j1").deduplicated is False
    assert kernel.claim().job_id == "j1"


def test_a_slice_of_a_batch_is_refused_and_writes_nothing(
    kernel: Kernel, full: Callable[[], None]
) -> None:
    """The first one, and one in the middle; the rest of the batch may come later."""
    batch = HandIn(kernel, 3)
    full()
    with pytest.raises(StoreFull):
        batch.write(0, 3)
    assert kernel.snapshot() == {}
    kernel.redis.config_set("maxmemory", 0)
    batch.write(0, 2)
    before = kernel.snapshot()
    full()

    with pytest.raises(StoreFull):
        batch.write(2, 3)

    assert kernel.snapshot() == before
    kernel.redis.config_set("maxmemory", 0)
    batch.write(2, 3)
    assert batch.place().stage is Stage.PLACED


def test_what_is_whole_is_placed_and_what_is_not_is_removed(
    kernel: Kernel, full: Callable[[], None]
) -> None:
    """Both make room, in the end; by the door and by the upkeep."""
    one, two = HandIn(kernel, 3), HandIn(kernel, 3, request_id="two")
    broken = HandIn(kernel, 3, request_id="broken")
    for batch in (one, two, broken):
        batch.write(0, 2)
    for batch in (one, two):
        batch.write(2, 3)
    full()

    assert one.place().stage is Stage.PLACED
    for batch in (two, broken):
        kernel.redis.config_set("maxmemory", 0)
        kernel.redis.zadd(keys.BATCHES, {batch.id: 1}, xx=True)
        full()
        kernel.store.run(settle())

    assert kernel.queued() == [*one.ids, *two.ids]
    assert kernel.redis.exists(keys.batch(broken.id), *map(keys.job, broken.ids)) == 0
