"""turn, its claims: strict priority, one hold a job, and nothing that is not ours."""

from __future__ import annotations

from conformance.kernel import QUEUE, QUEUES, Kernel, ended, wip
from portaria.core.states import State
from portaria.store import calls, keys


def test_a_claim_holds_and_begins_the_job(kernel: Kernel) -> None:
    """The job is RUNNING under the turn's token, leased, and told."""
    kernel.submit("j1")

    claim = kernel.claim("ana", token="t1", lease_ms=6_000)

    record = kernel.record("j1")
    assert (claim.job_id, claim.queue, claim.token) == ("j1", QUEUE, "t1")
    assert (claim.envelope, claim.attempt, claim.failures) == (b"envelope of j1", 1, 0)
    assert (record.state, record.attempt, record.worker) == (State.RUNNING, 1, "ana")
    assert record.started_ms >= record.created_ms
    assert (kernel.queued(), kernel.depth()) == ([], 0)
    assert 5_000 < kernel.lease_ms(claim) <= 6_000
    assert kernel.told("j1") == ["PENDING", "RUNNING"]
    assert kernel.events("j1")[-1].worker == "ana"
    assert kernel.events("j1")[-1].entry_id == record.cursor


def test_priority_is_strict(kernel: Kernel) -> None:
    """Nothing of a lower queue is begun while a higher one has a job."""
    for number in range(3):
        for queue in reversed(QUEUES):
            kernel.submit(f"{queue}/{number}", queue)

    order = [kernel.claim().queue for _ in range(12)]

    assert order == [queue for queue in QUEUES for _ in range(3)]


def test_a_turn_that_wants_many_takes_them_across_queues_in_order(kernel: Kernel) -> None:
    """Up to `want`, the higher queue first."""
    kernel.submit("low", "lab:low")
    kernel.submit("high", "lab:high")
    kernel.submit("default", "lab:default")

    turn = kernel.turn(want=2)

    assert [claim.job_id for claim in turn.claims] == ["high", "default"]
    assert kernel.queued("lab:low") == ["low"]


def test_only_the_queues_of_the_worker_are_served(kernel: Kernel) -> None:
    """Other queues are left alone."""
    kernel.submit("j1", "lab:low")

    assert kernel.turn(queues=("lab:high",)).claims == []
    assert kernel.claim(queues=("lab:low",)).job_id == "j1"


def test_a_turn_sent_twice_gets_the_same_answer(kernel: Kernel) -> None:
    """A lost reply costs nothing: same jobs, same flags, and nothing finishes twice."""
    kernel.submit("j1")
    kernel.submit("j2")
    held = kernel.claim()
    first = kernel.turn("ana", ended(held), token="t2")
    told = kernel.told("j1")

    again = kernel.turn("ana", ended(held), token="t2")

    assert (first.word, again.word) == ("ok", "again")
    assert (again.taken, again.claims) == (first.taken, first.claims)
    assert [claim.job_id for claim in again.claims] == ["j2"]
    assert kernel.told("j1") == told == ["PENDING", "RUNNING", "SUCCEEDED"]


def test_an_empty_turn_sent_twice_stays_empty(kernel: Kernel) -> None:
    """What was submitted in between waits for the next turn."""
    kernel.turn(token="t1")
    kernel.submit("j1")

    assert kernel.turn(token="t1").claims == []
    assert kernel.claim(token="t2").job_id == "j1"


def test_two_workers_never_hold_one_job(kernel: Kernel) -> None:
    """An id that stands twice in the list is handed out once, whoever looks, and how far."""
    kernel.submit("j1")
    kernel.redis.rpush(keys.queue(QUEUE), "j1", "j1")

    assert [claim.job_id for claim in kernel.turn("ana", want=2).claims] == ["j1"]
    assert kernel.turn("rui").claims == []
    assert kernel.queued() == []


def test_an_id_whose_job_was_moved_to_another_queue_is_dropped(kernel: Kernel) -> None:
    """The list that the job left does not hand it out; the one it went to does."""
    kernel.submit("j1", "lab:low")
    kernel.change("j1", origin="lab:high")
    kernel.redis.rpush(keys.queue("lab:high"), "j1")

    claim = kernel.claim(queues=("lab:low", "lab:high"))

    assert claim.queue == "lab:high"
    assert kernel.queued("lab:low") == []


def test_a_cancelled_id_in_the_list_is_dropped(kernel: Kernel) -> None:
    """Cancelling only changes the state; the claim clears the list."""
    kernel.submit("j1")
    kernel.submit("j2")
    kernel.change("j1", state="CANCELLED")

    assert kernel.claim().job_id == "j2"
    assert kernel.state("j1") == State.CANCELLED


def test_after_200_dead_ids_a_turn_asks_for_another(kernel: Kernel) -> None:
    """It neither blocks Redis nor falls through to a lower queue; the next turn goes on."""
    kernel.redis.rpush(keys.queue("lab:high"), *[f"dead{number}" for number in range(250)])
    kernel.submit("j1", "lab:high")
    kernel.submit("j2", "lab:low")

    full = kernel.turn()

    assert (full.word, full.claims) == ("full", [])
    assert len(kernel.queued("lab:high")) == 51
    assert kernel.claim().job_id == "j1"


def test_an_idle_turn_takes_the_wake_tokens_of_empty_queues(kernel: Kernel) -> None:
    """Or each would wake somebody for nothing."""
    kernel.submit("j1")
    kernel.submit("j2")
    kernel.claim()
    kernel.claim()
    assert kernel.tokens() == 2

    kernel.turn()

    assert kernel.tokens() == 0


def test_a_turn_that_wants_nothing_leaves_the_wake_tokens(kernel: Kernel) -> None:
    """A child that ends has not looked into the queues: others must still be woken."""
    kernel.submit("j1")
    held = kernel.claim()
    kernel.submit("j2")

    kernel.turn("ana", ended(held), want=0)

    assert kernel.tokens() == 2
    assert kernel.queued() == ["j2"]


def test_a_closed_incarnation_gets_nothing(kernel: Kernel) -> None:
    """Neither claims nor finishes: its jobs were given to others."""
    kernel.submit("j1")
    held = kernel.claim()
    kernel.recover("ana", following="second")

    turn = kernel.turn("ana", ended(held), incarnation="first")

    assert (turn.word, turn.claims) == ("gone", ())
    assert kernel.state("j1") == State.PENDING


def test_depth_is_right_again_once_a_queue_is_empty(kernel: Kernel) -> None:
    """Whatever a fault did to the counter, an empty queue has no pending jobs."""
    kernel.submit("j1")
    kernel.redis.hincrby(keys.DEPTH, QUEUE, 3)
    kernel.claim()
    assert kernel.depth() == 3

    kernel.turn()

    assert kernel.depth() == 0


def test_a_lost_hold_is_forgotten_with_the_next_turn(kernel: Kernel) -> None:
    """Or the worker would hear of its loss for ever, also while it runs the same job again."""
    kernel.submit("j1")
    kernel.lapse(kernel.claim("ana"))
    kernel.reap_now()
    assert kernel.renew("ana")[0].lost == ["j1"]

    again = kernel.claim("ana")

    (renewal,) = kernel.renew("ana")
    assert again.job_id == "j1"
    assert (renewal.lost, renewal.held) == ([], ["j1"])


def test_what_is_held_and_not_finished_stays_held(kernel: Kernel) -> None:
    """A turn between two jobs in hand forgets neither."""
    for number in range(3):
        kernel.submit(f"j{number}")
    one, two = kernel.turn(want=2).claims

    kernel.turn("ana", ended(one), want=1)

    assert kernel.renew("ana")[0].held == [two.job_id, "j2"]


def test_a_worker_name_with_blanks_can_be_told(kernel: Kernel) -> None:
    """RQ allows any name; watchers must be able to read the event."""
    kernel.submit("j1", labels=[("tenant", "a")])

    kernel.claim("the worker of ana")

    event = kernel.events("j1")[-1]
    assert event.worker.split("_") == ["the", "worker", "of", "ana"]
    assert (event.state, event.tag.labels) == ("RUNNING", {"tenant": "a"})


def test_a_lease_is_as_long_as_it_was_asked_for(kernel: Kernel) -> None:
    """In milliseconds, in a registry whose scores no stock clean-up reaches."""
    kernel.submit("j1")

    claim = kernel.claim(lease_ms=500)

    assert 0 < kernel.lease_ms(claim) <= 500
    assert kernel.leases() == [f"j1:{claim.token}"]
    assert kernel.redis.zcount(wip(QUEUE), "-inf", 5_000_000_000) == 0


def test_the_default_lease_outlives_two_renewals() -> None:
    """One renewal may be lost without harm."""
    assert calls.LEASE_MS / 1000 > 2 * calls.RENEW_EVERY
