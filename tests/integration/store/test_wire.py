"""The wire of a worker's child: calls that are sent together and awaited later."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from conformance.kernel import Kernel
from portaria.store import Claim, calls
from portaria.store.calls import Call
from portaria.store.sync import Store
from portaria.store.wire import Target, Wire


@pytest.fixture
def wire(redis: Redis) -> Iterator[Wire]:
    """One to an empty Redis."""
    made = Wire(Target.of(redis))
    yield made
    made.close()


@pytest.fixture
def held(redis: Redis) -> Claim:
    """A running job."""
    kernel = Kernel(Store(redis), redis)
    kernel.submit("j1")
    return kernel.claim("ana")


def effect(held: Claim, operation: str, key: str, value: str = "") -> Call[tuple[str, str]]:
    return calls.effect(held.job_id, held.token, operation, key, value)


def exchange(held: Claim) -> list[Call[tuple[str, str]]]:
    """The end of one and the intent of the next."""
    return [effect(held, "done", "a", "1"), effect(held, "begin", "b")]


def look(wire: Wire, held: Claim) -> list[tuple[str, str]]:
    return [wire.run(effect(held, "begin", key)) for key in ("a", "b")]


@pytest.fixture(autouse=True)
def _begun(wire: Wire, held: Claim) -> None:
    """The first effect is under way."""
    wire.run(effect(held, "begin", "a"))


def test_what_is_asked_takes_effect_before_it_is_awaited(
    wire: Wire, held: Claim, redis: Redis
) -> None:
    """In its order, and each reply is its own."""
    answers = wire.ask(exchange(held))
    other = Wire(Target.of(redis))

    assert answers() == [("ok", ""), ("new", "")]
    assert look(wire, held) == [("done", "1"), ("new", "")]
    other.close()


def test_a_redis_that_forgot_the_script_learns_it(wire: Wire, held: Claim, redis: Redis) -> None:
    """As after a restart."""
    redis.script_flush()

    answers = wire.ask(exchange(held))

    assert answers() == [("ok", ""), ("new", "")]


def test_a_connection_that_breaks_before_the_answers_costs_a_repeat(
    wire: Wire, held: Claim, redis: Redis
) -> None:
    """Nobody knows whether they arrived, so they are sent again: harmless."""
    answers = wire.ask(exchange(held))
    redis.client_kill_filter(_type="normal", skipme=True)

    assert answers() == [("ok", ""), ("new", "")]
    assert look(wire, held) == [("done", "1"), ("new", "")]


def test_a_connection_that_was_broken_before_costs_a_new_one(
    wire: Wire, held: Claim, redis: Redis
) -> None:
    """Whether the sending fails, or the waiting."""
    redis.client_kill_filter(_type="normal", skipme=True)

    answers = wire.ask(exchange(held))

    assert answers() == [("ok", ""), ("new", "")]


def test_answers_that_nobody_awaited_are_nobody_elses(wire: Wire, held: Claim) -> None:
    """Of an interrupted run, say: the next question gets its own answer."""
    wire.ask(exchange(held))

    answers = wire.ask([effect(held, "check", "")])

    assert answers() == [("ok", "")]
    assert look(wire, held) == [("done", "1"), ("new", "")]


def test_a_run_after_an_ask_that_was_not_awaited_gets_its_own_answer(
    wire: Wire, held: Claim
) -> None:
    """Whatever was forgotten."""
    wire.ask([effect(held, "begin", "c"), effect(held, "done", "c", "7")])

    assert wire.run(effect(held, "check", "")) == ("ok", "")
    assert wire.run(effect(held, "begin", "a")) == ("new", "")


def test_a_fork_has_no_part_in_it(wire: Wire, held: Claim) -> None:
    """As for every other call."""
    wire.abandon()

    with pytest.raises(RuntimeError, match="fork"):
        wire.ask(exchange(held))
