"""Held is not begun: what waits in a worker's hand costs nothing until it starts."""

from __future__ import annotations

import pytest

from conformance.kernel import CRASHED, LOST, QUEUE, Kernel, ended
from portaria.core.states import State
from portaria.store import Claim, Verdict, keys
from portaria.store.calls import Began

FAR_OFF = 4_000_000_000_000


def hold(kernel: Kernel, number: int = 3) -> list[Claim]:
    """Submits j0, j1… and claims them all at once: the first has begun, the others have not."""
    for each in range(number):
        kernel.submit(f"j{each}")
    return list(kernel.turn("ana", want=number).claims)


def test_the_first_begins_and_the_others_are_only_held(kernel: Kernel) -> None:
    """Watchers hear of what runs; what is held is still PENDING, and in no queue."""
    claims = hold(kernel)

    assert [(claim.begun, claim.attempt) for claim in claims] == [(True, 1), (False, 1), (False, 1)]
    assert [kernel.record(f"j{n}").attempt for n in range(3)] == [1, 0, 0]
    assert kernel.told("j0") == ["PENDING", "RUNNING"]
    assert kernel.told("j1") == kernel.told("j2") == ["PENDING"]
    assert kernel.state("j1") == State.PENDING
    assert kernel.field("j1", "hold") == claims[1].token
    assert (kernel.queued(), kernel.depth()) == ([], 0)
    assert sorted(kernel.leases()) == [f"{claim.job_id}:{claim.token}" for claim in claims]


def test_what_is_held_is_handed_to_nobody_else(kernel: Kernel) -> None:
    """Not even where its id still stands in the list."""
    hold(kernel)
    kernel.redis.rpush(keys.queue(QUEUE), "j1")

    assert kernel.turn("rui").claims == []
    assert kernel.queued() == []


def test_a_held_job_begins_when_its_worker_says_so(kernel: Kernel) -> None:
    """RUNNING, the start counted, told once, however often it is said."""
    _, second, _ = hold(kernel)

    assert kernel.begin(second, token="t9") == Began.YES
    assert kernel.begin(second, token="t9") == Began.YES
    assert kernel.begin(second) == Began.YES

    record = kernel.record("j1")
    assert (record.state, record.attempt, record.worker) == (State.RUNNING, 1, "ana")
    assert kernel.told("j1") == ["PENDING", "RUNNING"]
    assert kernel.events("j1")[-1].entry_id == record.cursor


def test_a_lost_job_does_not_begin(kernel: Kernel) -> None:
    """Its lease lapsed, or its worker was closed."""
    _, second, _ = hold(kernel)
    kernel.lapse(second)
    kernel.reap_now()

    assert kernel.begin(second) == Began.LOST
    assert kernel.begin(second, incarnation="another") == Began.LOST
    assert kernel.state("j1") == State.PENDING


def test_what_runs_at_a_renewal_has_begun(kernel: Kernel) -> None:
    """Its own process had no time to say so."""
    hold(kernel)

    (renewal,) = kernel.renew("ana", running="j1")

    assert renewal.held == ["j0", "j1", "j2"]
    assert [kernel.state(f"j{n}") for n in range(3)] == [
        State.RUNNING, State.RUNNING, State.PENDING,
    ]  # fmt: skip
    assert kernel.record("j1").attempt == 1


def test_what_reports_progress_has_begun(kernel: Kernel) -> None:
    """No watcher sees progress of a job that waits."""
    _, second, _ = hold(kernel)

    assert kernel.progress(second, b"half") == "held"

    record = kernel.record("j1")
    assert (record.state, record.attempt, record.progress) == (State.RUNNING, 1, b"half")
    assert kernel.events("j1")[-1].worker == "ana"


@pytest.mark.parametrize(
    ("verdict", "state", "failures"),
    [
        (Verdict.SUCCEEDED, State.SUCCEEDED, 0),
        (Verdict.FAILED, State.FAILED, 1),
        (Verdict.RETRY, State.RETRYING, 1),
        (Verdict.LATER, State.RETRYING, 0),
    ],
)
def test_an_end_counts_the_start_that_was_not_told(
    kernel: Kernel, verdict: Verdict, state: State, failures: int
) -> None:
    """A short run is told with its end only."""
    _, second, _ = hold(kernel)

    assert kernel.turn("ana", ended(second, verdict, output=b"o"), want=0).taken == [True]

    record = kernel.record("j1")
    assert (record.state, record.attempt, record.failures) == (state, 1, failures)
    assert kernel.told("j1") == ["PENDING", state]
    assert kernel.events("j1")[-1].attempt == 1
    assert record.output == (b"o" if state == State.SUCCEEDED else b"")


def test_a_start_is_counted_once(kernel: Kernel) -> None:
    """Begun, ended, retried, begun again: two starts."""
    _, second, _ = hold(kernel)
    kernel.begin(second)
    kernel.turn("ana", ended(second, Verdict.RETRY), want=0)
    kernel.promote()

    again = kernel.claim("rui")

    assert (again.job_id, again.attempt, again.failures) == ("j1", 2, 1)
    assert kernel.record("j1").attempt == 2


def test_what_is_returned_goes_back_in_its_order(kernel: Kernel) -> None:
    """To the front, free of charge; nobody is told, since nothing changed for anybody."""
    first, *others = hold(kernel)
    kernel.submit("j3")
    kernel.redis.delete(keys.wake(QUEUE))

    kernel.give_back(*others)

    assert kernel.queued() == ["j1", "j2", "j3"]
    assert (kernel.depth(), kernel.tokens()) == (3, 2)
    assert kernel.leases() == [f"j0:{first.token}"]
    assert kernel.renew("ana")[0].held == ["j0"]
    record = kernel.record("j1")
    assert (record.state, record.attempt) == (State.PENDING, 0)
    assert kernel.told("j1") == ["PENDING"]
    assert record.cursor == kernel.events("j1")[-1].entry_id
    assert kernel.claim("rui").attempt == 1


def test_a_return_sent_twice_goes_back_once(kernel: Kernel) -> None:
    """As any turn; and a hold that is another's by now stays its."""
    _, second, _ = hold(kernel)
    kernel.give_back(second, token="t9")

    kernel.give_back(second, token="t9")
    assert kernel.queued() == ["j1"]

    theirs = kernel.claim("rui")
    kernel.give_back(second)
    assert kernel.field("j1", "hold") == theirs.token


def test_one_turn_finishes_returns_begins_and_claims(kernel: Kernel) -> None:
    """Also what it has just returned."""
    one, two, three, four = hold(kernel, 4)

    turn = kernel.turn(
        "ana", ended(one), returned=[(three.job_id, three.token), (four.job_id, four.token)],
        begun=(two.job_id, two.token), want=1,
    )  # fmt: skip

    assert (turn.taken, turn.began) == ([True], Began.YES)
    assert [claim.job_id for claim in turn.claims] == ["j2"]
    assert kernel.renew("ana")[0].held == ["j1", "j2"]
    assert kernel.queued() == ["j3"]


def test_an_end_under_an_old_token_forgets_no_newer_hold(kernel: Kernel) -> None:
    """A job that its worker lost, and claimed again before it knew."""
    kernel.submit("j1")
    stale = kernel.claim("ana")
    kernel.lapse(stale)
    kernel.reap_now()
    kernel.claim("ana")

    assert kernel.turn("ana", ended(stale), want=0).taken == [False]

    assert kernel.renew("ana")[0].held == ["j1"]


@pytest.mark.parametrize("silent", [True, False])
def test_a_worker_that_dies_is_charged_for_what_had_begun_only(
    kernel: Kernel, silent: bool
) -> None:
    """The others go back free, whoever finds out: the reaper, or the worker that comes back."""
    for claim in hold(kernel):
        kernel.lapse(claim)

    if silent:
        kernel.reap_now()
    else:
        kernel.recover("ana", incarnation="*")

    assert [kernel.field(f"j{n}", "losts") for n in range(3)] == ["1", "0", "0"]
    assert [kernel.record(f"j{n}").attempt for n in range(3)] == [1, 0, 0]
    assert {kernel.state(f"j{n}") for n in range(3)} == {State.PENDING}
    assert sorted(kernel.queued()) == ["j0", "j1", "j2"]


def test_a_held_job_never_uses_up_a_budget(kernel: Kernel) -> None:
    """However often its worker falls silent."""
    for _ in range(12):
        kernel.submit("first")
        kernel.submit("j1")
        first, second = kernel.turn("ana", want=2).claims
        kernel.lapse(second)
        assert kernel.reap_now() == [second.job_id]
        kernel.give_back(first)

    assert (kernel.field("j1", "losts"), kernel.record("j1").attempt) == ("0", 0)


def test_a_job_that_ran_when_its_child_died_is_charged(kernel: Kernel) -> None:
    """Though its process had no time to say that it began: the parent saw it."""
    hold(kernel)

    kernel.recover("ana", begun="j1", crashed=True)

    record = kernel.record("j1")
    assert (record.state, record.attempt, kernel.field("j1", "crashes")) == (State.PENDING, 1, "1")
    assert kernel.told("j1") == ["PENDING", "RUNNING", "PENDING"]
    assert kernel.field("j2", "crashes") == "0"


@pytest.mark.parametrize("given", [{"budget": 1}, {"incarnation": "*", "loss_budget": 1}])
def test_the_last_of_a_budget_ends_only_what_had_begun(
    kernel: Kernel, given: dict[str, int]
) -> None:
    """A held job has no end of its own."""
    hold(kernel)

    kernel.recover("ana", begun="j0", crashed=True, **given)

    assert kernel.record("j0").failure in (CRASHED, LOST)
    assert [kernel.state(f"j{n}") for n in range(3)] == [
        State.FAILED, State.PENDING, State.PENDING,
    ]  # fmt: skip


@pytest.mark.parametrize("limit", ["before_ms", "deadline_ms"])
def test_a_job_with_a_limit_is_never_held_for_later(kernel: Kernel, limit: str) -> None:
    """It stays in its queue, where another worker may take it in time; alone it begins at once."""
    kernel.submit("j1")
    kernel.submit("j2", **{limit: FAR_OFF})
    kernel.submit("j3")

    turn = kernel.turn("ana", want=3)

    assert [claim.job_id for claim in turn.claims] == ["j1"]
    assert kernel.queued() == ["j2", "j3"]
    assert [(claim.job_id, claim.begun) for claim in kernel.turn("rui", want=3).claims] == [
        ("j2", True), ("j3", False),
    ]  # fmt: skip


def test_a_limited_job_of_a_higher_queue_does_not_let_lower_ones_pass(kernel: Kernel) -> None:
    """Priority is strict: the turn ends there."""
    kernel.submit("j1", "lab:high")
    kernel.submit("j2", "lab:high", before_ms=FAR_OFF)
    kernel.submit("j3", "lab:low")

    assert [claim.job_id for claim in kernel.turn(want=3).claims] == ["j1"]
    assert kernel.queued("lab:low") == ["j3"]


def test_a_turn_sent_twice_says_again_what_has_begun(kernel: Kernel) -> None:
    """The same claims, the same attempts."""
    for number in range(2):
        kernel.submit(f"j{number}")
    first = kernel.turn("ana", want=2, token="t")

    again = kernel.turn("ana", want=2, token="t")

    assert (again.word, again.claims) == ("again", first.claims)


def test_a_hold_of_an_older_release_has_begun(kernel: Kernel) -> None:
    """Its claims began every job and left no other sign than RUNNING."""
    kernel.submit("j1")
    claim = kernel.claim("ana")
    kernel.redis.hdel(keys.job("j1"), "begun")

    assert kernel.renew("ana", running="j1")[0].held == ["j1"]
    assert kernel.turn("ana", ended(claim), want=0).taken == [True]
    assert (kernel.record("j1").attempt, kernel.told("j1")[1:]) == (1, ["RUNNING", "SUCCEEDED"])


@pytest.mark.parametrize("once", [True, False])
def test_a_hold_of_an_older_release_that_is_cancelled_had_begun(kernel: Kernel, once: bool) -> None:
    """Its worker is silent: charged as what it was, and not taken for one that never ran."""
    kernel.submit("j1", at_most_once=once)
    claim = kernel.claim("ana")
    kernel.change("j1", state="RUNNING", attempt=1)
    kernel.redis.hdel(keys.job("j1"), "begun")

    kernel.cancel("j1")
    kernel.recover("ana", incarnation="*")

    assert kernel.state("j1") == (State.FAILED if once else State.CANCELLED)
    assert kernel.record("j1").attempt == 1
    assert claim.attempt == 1


def test_what_a_dead_child_held_keeps_its_order(kernel: Kernel) -> None:
    """All of it goes back to the front, the first one first."""
    for number in range(4):
        kernel.submit(f"j{number}")
    kernel.turn("ana", want=3)

    kernel.recover("ana")

    assert kernel.queued() == ["j0", "j1", "j2", "j3"]
