"""Calls: pure, so that three kinds of store can send the same."""

from __future__ import annotations

import pytest

from portaria.store import Finished, Promotion, Renewal, Turn, Verdict, calls
from portaria.store.calls import Audited, Began, Cancelled, Updated


def test_a_turn_names_its_queues_in_their_order() -> None:
    """As keys, after the two that it always needs."""
    call = calls.turn(worker="w", incarnation="i", token="t", queues=["a:high", "a:low"], want=2)

    assert list(call.keys)[2:] == ["rq:queue:a:high", "rq:queue:a:low"]
    assert list(call.arguments) == ["w", "i", "t", 6_000, 2, "", "", "", 0, 0]


def test_a_turn_names_what_began_and_what_goes_back() -> None:
    """The last claimed goes back first: each goes to the front of its queue."""
    call = calls.turn(
        worker="w", incarnation="i", token="t", queues=[], want=0, served=" A B ",
        begun=("j1", "t1"), returned=[("j2", "t2"), ("j3", "t3")],
    )  # fmt: skip

    assert list(call.arguments)[5:] == [" A B ", "j1", "t1", 2, "j3", "t3", "j2", "t2", 0]


def test_a_finished_job_is_eight_arguments() -> None:
    """In the order that turn.lua counts on."""
    done = Finished(
        job_id="j", token="t", verdict=Verdict.RETRY, wait_ms=7, output=b"o", failure=b"f",
        progress=b"p", warnings=b"w",
    )  # fmt: skip

    call = calls.turn(worker="w", incarnation="i", token="t2", queues=[], want=0, finished=[done])

    assert list(call.arguments)[9:] == [1, "j", "t", "retry", 7, b"o", b"f", b"p", b"w"]


def test_the_answer_to_a_turn_is_read() -> None:
    """Flags, refused ids and claims; the envelope stays bytes."""
    parse = calls.turn(worker="w", incarnation="i", token="t", queues=[], want=0).parse

    job = [b"j", b"a:low", b"\xff", b"t", 3, b"2", -1, b"1", 0]

    turn = parse([b"ok", b"tf", [b"evil"], job])

    assert (turn.word, turn.taken, turn.refused) == ("ok", [True, False], ["evil"])
    (claim,) = turn.claims
    assert (claim.job_id, claim.queue, claim.envelope) == ("j", "a:low", b"\xff")
    assert (claim.token, claim.attempt, claim.failures, claim.left_ms) == ("t", 3, 2, -1)
    assert (claim.at_most_once, claim.begun) == (True, False)
    assert parse([b"full", b"-", []]) == Turn("full", [], [], [])
    assert parse([b"gone"]) == Turn("gone")


def test_the_answer_to_a_begin_is_read() -> None:
    """Its flag stands behind those of the finished jobs."""
    parse = calls.turn(
        worker="w", incarnation="i", token="t", queues=[], want=0, begun=("j", "t")
    ).parse

    turn = parse([b"ok", b"tc", []])

    assert (turn.taken, turn.began) == ([True], Began.CANCELLED)
    assert parse([b"ok", b"b", []]).began == Began.YES
    assert parse([b"again", b"f", []]).began == Began.LOST
    assert parse([b"gone"]) == Turn("gone", began=Began.LOST)


def test_the_answer_to_a_renewal_is_read() -> None:
    """A cancelled job is still held, and so is one that is to be killed."""
    parse = calls.renew([("w", "i", "")]).parse
    words = b"a t1 held b t2 lost c t3 cancel d t4 kill".split()

    held, gone = parse([[b"ok", *words], [b"gone"]])

    assert held == Renewal(held=["a", "c", "d"], lost=["b"], cancelled=["c", "d"], killed=["d"])
    assert held.tokens == {"a": "t1", "b": "t2", "c": "t3", "d": "t4"}
    assert gone == Renewal(gone=True)


def test_the_answer_to_a_submission_is_read() -> None:
    """new, same or reused."""
    job = calls.Submission(
        namespace="n", request_id="r", content_hash="c", job_id="j", queue="a:low", type="T",
        envelope=b"", timeout_s=1, ttl_ms=1, max_attempts=1,
    )  # fmt: skip
    parse = calls.submit(job).parse

    answers = [
        parse([b"new", b"j", b"7", b"7-0", b"g"]),
        *(parse([w, b"j"]) for w in (b"same", b"reused")),
    ]

    assert [(each.deduplicated, each.reused) for each in answers] == [
        (False, False), (True, False), (False, True),
    ]  # fmt: skip
    assert {each.job_id for each in answers} == {"j"}
    first = answers[0]
    assert (first.created_ms, first.entry_id, first.generation) == (7, "7-0", "g")


def test_the_answers_of_upkeep_are_read() -> None:
    """Reaping and promoting."""
    reap = calls.reap(run_id="r", lost_failure=b"", doubt_failure=b"")

    assert reap.parse([b"reaped", b"a", b"b"]) == ("reaped", ["a", "b"])
    assert reap.parse([b"early"]) == ("early", [])
    assert calls.promote().parse([2, -1]) == Promotion(moved=2, next_ms=-1)


def test_the_answers_to_people_are_read() -> None:
    """Cancel has a word for each job, update one and perhaps a state."""
    cancel, update = calls.cancel("n", ["a", "b"]), calls.update("n", "a")

    words = cancel.parse([[b"a", b"cancelling"], [b"b", b"missing"]])

    assert words == [Cancelled.ASKED, Cancelled.MISSING]
    assert update.parse([b"ok"]) == Updated("ok")
    assert update.parse([b"not waiting", b"RUNNING"]) == Updated("not waiting", "RUNNING")


def test_more_jobs_than_a_script_may_touch_are_refused() -> None:
    """Whoever wants more sends several calls."""
    ids = [f"j{number}" for number in range(201)]

    assert len(calls.cancel("n", ids[:200]).arguments) == 203
    with pytest.raises(ValueError, match="201 jobs at once: at most 200"):
        calls.cancel("n", ids)


def test_the_answer_of_an_audit_is_read() -> None:
    """How many were looked at, whether the round goes on, and what was mended."""
    parse = calls.audit().parse

    assert parse([200, 1, b"a"]) == Audited(200, True, ["a"])
    assert parse([0, 0]) == Audited(0, False, [])


def test_the_answer_of_the_ledger_is_read() -> None:
    """With a value, or without."""
    parse = calls.effect("j", "t", "begin", "k").parse

    assert parse([b"done", '"é"'.encode()]) == ("done", '"é"')
    assert parse([b"new"]) == ("new", "")
