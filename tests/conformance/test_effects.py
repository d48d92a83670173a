"""effect: the ledger behind ctx.once."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.kernel import Kernel, ended
from portaria.jobs import HoldLost
from portaria.store import Claim, Verdict, calls, keys
from unit.jobs.ledger import InMemoryHold, Ledger


@pytest.fixture
def held(kernel: Kernel) -> Claim:
    """A running job."""
    kernel.submit("j1")
    return kernel.claim("ana")


def test_an_effect_that_happened_is_never_begun_again(kernel: Kernel, held: Claim) -> None:
    """Its value is answered instead, as it was given."""
    assert kernel.effect(held, "begin", "k") == ("new", "")
    assert kernel.effect(held, "done", "k", '{"é": [1]}') == ("ok", "")

    assert kernel.effect(held, "begin", "k") == ("done", '{"é": [1]}')
    assert kernel.effect(held, "again", "k") == ("done", '{"é": [1]}')


def test_the_ledger_outlives_the_attempt(kernel: Kernel, held: Claim) -> None:
    """The next attempt finds what the last one did."""
    kernel.effect(held, "begin", "k")
    kernel.effect(held, "done", "k", "7")

    again = _next_attempt(kernel, held)

    assert kernel.effect(again, "begin", "k") == ("done", "7")
    assert kernel.effect(again, "begin", "other") == ("new", "")


def test_a_begin_sent_twice_is_begun_once(kernel: Kernel, held: Claim) -> None:
    """A lost reply does not put the effect in doubt."""
    assert kernel.effect(held, "begin", "k") == ("new", "")
    assert kernel.effect(held, "begin", "k") == ("new", "")


def test_an_intent_of_an_earlier_run_is_in_doubt(kernel: Kernel, held: Claim) -> None:
    """It died between the effect and its record: nobody knows; `again` is a decision."""
    kernel.effect(held, "begin", "k")

    again = _next_attempt(kernel, held)

    assert kernel.effect(again, "begin", "k") == ("unknown", "")
    assert kernel.effect(again, "begin", "k") == ("unknown", "")
    assert kernel.effect(again, "again", "k") == ("new", "")


def test_a_cleared_intent_may_be_begun_anew(kernel: Kernel, held: Claim) -> None:
    """The function raised: it certainly did not happen."""
    kernel.effect(held, "begin", "k")
    kernel.effect(held, "clear", "k")

    assert kernel.effect(_next_attempt(kernel, held), "begin", "k") == ("new", "")


def test_a_doubt_stays_in_the_same_run(kernel: Kernel, held: Claim) -> None:
    """The function said so itself."""
    kernel.effect(held, "begin", "k")
    kernel.effect(held, "doubt", "k")

    assert kernel.effect(held, "begin", "k") == ("unknown", "")
    assert kernel.effect(held, "again", "k") == ("new", "")


@pytest.mark.parametrize("operation", ["begin", "again"])
@pytest.mark.parametrize("token", ["", "stale"])
def test_who_lost_the_job_begins_nothing(
    kernel: Kernel, held: Claim, operation: str, token: str
) -> None:
    """The fence in front of every effect."""
    call = calls.effect(held.job_id, token, operation, "k")

    assert kernel.store.run(call) == ("lost", "")
    assert not kernel.redis.exists(keys.effects("j1"))


def test_who_lost_the_job_does_not_learn_what_was_done(kernel: Kernel, held: Claim) -> None:
    """Lost comes before done: that run must end."""
    kernel.effect(held, "begin", "k")
    kernel.effect(held, "done", "k", "1")
    _next_attempt(kernel, held)

    assert kernel.effect(held, "begin", "k") == ("lost", "")


def test_a_check_answers_for_the_hold_and_writes_nothing(kernel: Kernel, held: Claim) -> None:
    """What stands in front of effects that other stores record."""
    assert kernel.effect(held, "check", "") == ("ok", "")
    kernel.change("j1", state="CANCELLING")
    assert kernel.effect(held, "check", "") == ("cancel", "")
    assert kernel.store.run(calls.effect("j1", "stale", "check", "")) == ("lost", "")
    assert kernel.store.run(calls.effect("nobody", "", "check", "")) == ("lost", "")

    assert not kernel.redis.exists(keys.effects("j1"))


def test_a_look_tells_what_happened_and_writes_nothing(kernel: Kernel, held: Claim) -> None:
    """Of many keys at once: values of what is done, nothing of what is begun, in doubt or new."""
    for key, value in (("a", '"é"'), ("b", "null"), ("d", "")):
        kernel.effect(held, "begin", key)
        kernel.effect(held, "done" if value else "doubt", key, value)
    kernel.effect(held, "begin", "c")
    before = kernel.snapshot()

    found = kernel.store.run(calls.look_at_effects("j1", held.token, ["a", "b", "c", "d", "e"]))

    assert found == ['"é"', "null", "", "", ""]
    assert kernel.snapshot() == before
    assert kernel.store.run(calls.look_at_effects("j1", held.token, ["x"] * 200)) == [""] * 200
    with pytest.raises(ValueError, match="at most 200"):
        calls.look_at_effects("j1", held.token, ["x"] * 201)


def test_who_lost_the_job_may_not_look(kernel: Kernel, held: Claim) -> None:
    """Nor for a job that is gone."""
    assert kernel.store.run(calls.look_at_effects("j1", "stale", ["a"])) is None
    assert kernel.store.run(calls.look_at_effects("nobody", "", ["a"])) is None


def test_a_removed_job_has_no_ledger(kernel: Kernel) -> None:
    """Nothing comes into being for it."""
    assert kernel.store.run(calls.effect("nobody", "", "begin", "k")) == ("lost", "")
    assert not kernel.redis.exists(keys.effects("nobody"))


def test_done_needs_no_hold(kernel: Kernel, held: Claim) -> None:
    """The effect did happen, though its run lost the job meanwhile; the next run must know."""
    kernel.effect(held, "begin", "k")
    again = _next_attempt(kernel, held)

    assert kernel.effect(held, "done", "k", "1") == ("ok", "")
    assert kernel.effect(again, "begin", "k") == ("done", "1")


@pytest.mark.parametrize("operation", ["done", "clear", "doubt"])
def test_only_its_own_intent_may_be_replaced(kernel: Kernel, held: Claim, operation: str) -> None:
    """A late word of an old run does not overwrite the run that decided to repeat."""
    kernel.effect(held, "begin", "k")
    again = _next_attempt(kernel, held)
    kernel.effect(again, "again", "k")

    kernel.effect(held, operation, "k", "stale")

    kernel.effect(again, "done", "k", "right")
    assert kernel.effect(again, "begin", "k") == ("done", "right")


@pytest.mark.parametrize("operation", ["clear", "doubt", "done"])
def test_what_is_done_stays_done(kernel: Kernel, held: Claim, operation: str) -> None:
    """A re-sent word changes nothing."""
    kernel.effect(held, "begin", "k")
    kernel.effect(held, "done", "k", "1")

    kernel.effect(held, operation, "k", "2")

    assert kernel.effect(held, "begin", "k") == ("done", "1")


def test_nothing_new_begins_in_a_cancelled_run(kernel: Kernel, held: Claim) -> None:
    """What was done is still known, so that a handler may go on to its end."""
    kernel.effect(held, "begin", "old")
    kernel.effect(held, "done", "old", "1")
    kernel.change("j1", state="CANCELLING")

    assert kernel.effect(held, "begin", "new") == ("cancel", "")
    assert kernel.effect(held, "again", "new") == ("cancel", "")
    assert kernel.effect(held, "begin", "old") == ("done", "1")


def test_keys_are_taken_literally(kernel: Kernel, held: Claim) -> None:
    """Any text is a key; two that differ are two effects."""
    odd = ["", " ", "a b", "a", "*", "é\n", "I ana.1", "D 1", "U"]

    assert [kernel.effect(held, "begin", key) for key in odd] == [("new", "")] * len(odd)
    for key in odd:
        kernel.effect(held, "done", key, f'"{key}"')
    assert [kernel.effect(held, "begin", key)[1] for key in odd] == [f'"{key}"' for key in odd]


STEPS = st.tuples(
    st.sampled_from(["old", "new"]),
    st.sampled_from(["begin", "again", "done", "clear", "doubt"]),
    st.sampled_from(["k", "l"]),
)


@settings(
    max_examples=30, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(steps=st.lists(STEPS, max_size=12))
def test_the_ledger_of_the_unit_tests_answers_as_this_one(
    kernel: Kernel, steps: list[tuple[str, str, str]]
) -> None:
    """What is proven about JobContext over a dict holds over Redis: any words of two runs."""
    kernel.redis.flushall()
    kernel.submit("j1")
    old = kernel.claim("ana")
    runs = {"old": old, "new": _next_attempt(kernel, old)}
    ledger = Ledger()
    holds = {"old": InMemoryHold(ledger, 1), "new": InMemoryHold(ledger, 2)}
    holds["old"].lost = True

    for run, operation, key in steps:
        answer = kernel.effect(runs[run], operation, key, "1")
        assert _word(holds[run], operation, key) == answer


def _word(hold: InMemoryHold, operation: str, key: str) -> tuple[str, str]:
    """What the hold in memory says, in the store's words."""
    if operation in ("begin", "again"):
        try:
            recorded, value = hold.begin_effect(key, again=operation == "again")
        except HoldLost:
            return "lost", ""
        return str(recorded), value
    match operation:
        case "done":
            hold.end_effect(key, "1")
        case "clear":
            hold.clear_effect(key)
        case _:
            hold.doubt_effect(key)
    return "ok", ""


def _next_attempt(kernel: Kernel, held: Claim) -> Claim:
    """The next run of the job that `held` runs, after a failure."""
    kernel.turn("ana", ended(held, Verdict.RETRY, wait_ms=0), want=0)
    kernel.promote()
    return kernel.claim("rui")
