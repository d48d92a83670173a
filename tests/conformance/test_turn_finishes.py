"""turn, its finishes: fenced by the token, exactly one end."""

from __future__ import annotations

import pytest

from conformance.kernel import QUEUE, Kernel, ended, warnings
from portaria.core.states import State
from portaria.store import Finished, Verdict, keys


def test_a_success_keeps_what_the_run_made(kernel: Kernel) -> None:
    """Output, progress and warnings are readable; the hold is over, the purge is planned."""
    kernel.submit("j1", ttl_ms=86_400_000)
    done = ended(
        kernel.claim(), output=b"sealed", progress=b"whole", warnings=warnings("one", "två")
    )

    turn = kernel.turn("ana", done)

    record = kernel.record("j1")
    assert turn.taken == [True]
    assert (record.state, record.failures) == (State.SUCCEEDED, 0)
    assert (record.output, record.progress) == (b"sealed", b"whole")
    assert record.warnings == ("one", "två")
    assert record.ended_ms >= record.started_ms
    assert kernel.leases() == []
    assert kernel.redis.zscore(keys.PURGE, "j1") == record.ended_ms + 86_400_000
    assert kernel.members(f"rq:finished:{QUEUE}") == ["j1"]
    assert kernel.told("j1") == ["PENDING", "RUNNING", "SUCCEEDED"]
    assert kernel.events("j1")[-1].entry_id == record.cursor


def test_a_job_is_kept_at_least_as_long_as_its_request_id(kernel: Kernel) -> None:
    """A short result_ttl does not remove the job that a request record still names."""
    kernel.submit("j1", ttl_ms=60_000)

    kernel.turn("ana", ended(kernel.claim()))

    ended_ms = kernel.record("j1").ended_ms
    assert kernel.redis.zscore(keys.PURGE, "j1") == ended_ms + 3_600_000


def test_a_final_failure_is_a_dead_letter(kernel: Kernel) -> None:
    """FAILED, with its failure, among RQ's failed jobs."""
    kernel.submit("j1")

    kernel.turn("ana", ended(kernel.claim(), Verdict.FAILED, failure=b"why"))

    record = kernel.record("j1")
    assert (record.state, record.failure, record.failures) == (State.FAILED, b"why", 1)
    assert kernel.members(f"rq:failed:{QUEUE}") == ["j1"]
    assert record.output == b""


def test_a_failure_with_a_retry_waits_for_its_moment(kernel: Kernel) -> None:
    """RETRYING, due after the wait, the failure readable; then the next attempt."""
    kernel.submit("j1")
    kernel.turn("ana", ended(kernel.claim(), Verdict.RETRY, wait_ms=5_000, failure=b"why"))

    record = kernel.record("j1")
    event = kernel.events("j1")[-1]
    assert (record.state, record.failures, record.failure) == (State.RETRYING, 1, b"why")
    assert record.due_ms == record.updated_ms + 5_000
    assert (event.state, event.next_ms) == ("RETRYING", record.due_ms)
    assert kernel.redis.zscore(keys.DUE, "j1") == record.due_ms
    assert kernel.members(f"rq:scheduled:{QUEUE}") == ["j1"]
    assert (kernel.leases(), kernel.queued()) == ([], [])

    kernel.make_due("j1")
    kernel.promote()
    claim = kernel.claim()

    assert (claim.attempt, claim.failures) == (2, 1)


def test_retry_later_is_no_failure(kernel: Kernel) -> None:
    """It waits like a retry and burns nothing."""
    kernel.submit("j1")

    kernel.turn("ana", ended(kernel.claim(), Verdict.LATER, wait_ms=1, failure=b"later"))

    record = kernel.record("j1")
    assert (record.state, record.failures, record.failure) == (State.RETRYING, 0, b"later")


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("token", ["", "ana.2", "of-another-turn"])
def test_a_finish_with_a_wrong_token_changes_nothing(
    kernel: Kernel, verdict: Verdict, token: str
) -> None:
    """The fence: only the present hold may end a job."""
    kernel.submit("j1")
    held = kernel.claim("rui")
    before = kernel.redis.hgetall(keys.job("j1"))

    forged = Finished(job_id="j1", token=token, verdict=verdict, output=b"x", failure=b"x")
    turn = kernel.turn("ana", forged)

    assert turn.taken == [False]
    assert kernel.redis.hgetall(keys.job("j1")) == before
    assert kernel.turn("rui", ended(held)).taken == [True]


def test_a_late_finish_of_a_job_that_was_given_away_is_fenced(kernel: Kernel) -> None:
    """The run that lost its lease cannot end the job that another holds now."""
    kernel.submit("j1")
    stale = kernel.claim("ana")
    kernel.lapse(stale)
    kernel.reap_now()
    held = kernel.claim("rui")

    assert kernel.turn("ana", ended(stale, output=b"stale")).taken == [False]
    assert kernel.turn("rui", ended(held, output=b"right")).taken == [True]
    assert kernel.record("j1").output == b"right"
    assert kernel.told("j1").count("SUCCEEDED") == 1


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_terminal_job_never_changes_again(kernel: Kernel, verdict: Verdict) -> None:
    """A finish sent under another turn's token finds no hold."""
    kernel.submit("j1")
    held = kernel.claim()
    kernel.turn("ana", ended(held))
    before = kernel.redis.hgetall(keys.job("j1"))

    turn = kernel.turn("ana", ended(held, verdict))

    assert turn.taken == [False]
    assert kernel.redis.hgetall(keys.job("j1")) == before


@pytest.mark.parametrize("hold", ["", "0"])
def test_an_empty_token_finishes_nothing(kernel: Kernel, hold: str) -> None:
    """A job that nobody holds has an empty hold: that must not be a password."""
    kernel.submit("j1")

    forged = Finished(job_id="j1", token=hold, verdict=Verdict.SUCCEEDED)

    assert kernel.turn("ana", forged, want=0).taken == [False]
    assert kernel.state("j1") == State.PENDING


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (Verdict.SUCCEEDED, State.SUCCEEDED),
        (Verdict.FAILED, State.CANCELLED),
        (Verdict.RETRY, State.CANCELLED),
        (Verdict.LATER, State.CANCELLED),
    ],
)
def test_of_a_cancelled_run_only_success_still_counts(
    kernel: Kernel, verdict: Verdict, state: State
) -> None:
    """Success wins; everything else ends CANCELLED and is never retried."""
    kernel.submit("j1")
    held = kernel.claim()
    kernel.change("j1", state="CANCELLING")

    kernel.turn("ana", ended(held, verdict, wait_ms=1))

    assert kernel.state("j1") == state
    assert kernel.members(keys.DUE) == []
    assert kernel.events("j1")[-1].previous == "CANCELLING"


def test_several_jobs_end_in_one_turn_each_with_its_own_answer(kernel: Kernel) -> None:
    """Flags come in the order of the finished jobs."""
    for number in range(3):
        kernel.submit(f"j{number}")
    one, two, three = kernel.turn(want=3).claims
    lost = Finished(job_id=two.job_id, token="another", verdict=Verdict.SUCCEEDED)
    unknown = Finished(job_id="nobody", token="t", verdict=Verdict.SUCCEEDED)

    turn = kernel.turn("ana", ended(one), lost, ended(three, Verdict.FAILED), unknown)

    assert turn.taken == [True, False, True, False]
    assert kernel.field("j1", "hold") == two.token


def test_finishing_and_claiming_are_one_round_trip(kernel: Kernel) -> None:
    """The next job comes with the answer to the last one."""
    kernel.submit("j1")
    held = kernel.claim()
    kernel.submit("j2")

    turn = kernel.turn("ana", ended(held))

    assert (turn.taken, [claim.job_id for claim in turn.claims]) == ([True], ["j2"])
    assert kernel.renew("ana")[0].held == ["j2"]


def test_a_parent_finishes_for_its_dead_child_without_any_queue(kernel: Kernel) -> None:
    """As after a hard timeout: no queues, nothing wanted."""
    kernel.submit("j1")
    held = kernel.claim()

    turn = kernel.turn("ana", ended(held, Verdict.FAILED, failure=b"t"), want=0, queues=())

    assert (turn.word, turn.taken) == ("ok", [True])
    assert kernel.state("j1") == State.FAILED


@pytest.mark.parametrize("verdict", [Verdict.RETRY, Verdict.LATER, Verdict.FAILED])
def test_a_job_that_must_not_run_twice_is_not_retried(kernel: Kernel, verdict: Verdict) -> None:
    """Whatever its handler wishes, an AT_MOST_ONCE job that began ends with that run."""
    kernel.submit("j1", at_most_once=True)

    kernel.turn("ana", ended(kernel.claim(), verdict, wait_ms=10))

    assert kernel.state("j1") == State.FAILED
    assert kernel.members(keys.DUE) == []


def test_a_job_that_asks_to_run_later_for_ever_fails(kernel: Kernel) -> None:
    """The thousandth time is the last: nothing else bounds it."""
    kernel.submit("j1")
    kernel.change("j1", laters=998)

    for word in (State.RETRYING, State.FAILED):
        kernel.turn("ana", ended(kernel.claim(), Verdict.LATER, failure=b"f"), want=0)
        assert kernel.state("j1") is word
        kernel.make_due("j1")
        kernel.promote()
