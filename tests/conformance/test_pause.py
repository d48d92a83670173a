"""pause: nobody claims from a queue until it is resumed; what runs goes on."""

from __future__ import annotations

import json

from conformance.kernel import QUEUE, Kernel, ended
from portaria.core.states import State
from portaria.store import Verdict, calls, keys

LOW = "lab:low"


def pause(kernel: Kernel, queue: str = QUEUE, **given: str) -> bool:
    return kernel.store.run(calls.pause(queue, **given))


def resume(kernel: Kernel, queue: str = QUEUE) -> bool:
    return kernel.store.run(calls.resume(queue))


def test_nobody_claims_from_a_paused_queue(kernel: Kernel) -> None:
    """The others are served as if it were not there; it keeps its jobs, their order and count."""
    kernel.submit("j1")
    kernel.submit("j2")
    kernel.submit("below", LOW)

    assert pause(kernel) is True

    assert kernel.claim().job_id == "below"
    assert kernel.turn("rui", want=5).claims == []
    assert (kernel.queued(), kernel.depth(), kernel.state("j1")) == (["j1", "j2"], 2, State.PENDING)
    assert resume(kernel) is True
    assert [kernel.claim("rui").job_id for _ in range(2)] == ["j1", "j2"]


def test_what_was_claimed_before_a_pause_goes_on(kernel: Kernel) -> None:
    """It is renewed, finishes, and is retried into the paused queue, where it waits."""
    kernel.submit("j1")
    kernel.submit("j2")
    one, two = kernel.turn("ana", want=2).claims

    pause(kernel)

    assert kernel.renew("ana")[0].held == ["j1", "j2"]
    assert kernel.begin(two) is not None
    ends = [ended(one), ended(two, Verdict.RETRY, wait_ms=60_000)]
    assert list(kernel.turn("ana", *ends).taken) == [True, True]
    kernel.make_due("j2")
    kernel.promote()
    assert (kernel.turn("ana").claims, kernel.depth()) == ([], 1)


def test_an_idle_turn_leaves_the_depth_of_a_paused_queue(kernel: Kernel) -> None:
    """Where all was empty it would be set right to nothing."""
    kernel.redis.hset(keys.DEPTH, LOW, 7)
    kernel.submit("j1")
    pause(kernel)

    assert kernel.turn("ana").claims == []

    assert (kernel.depth(), kernel.depth(LOW)) == (1, 0)


def test_a_resume_wakes_as_many_as_there_are_jobs(kernel: Kernel) -> None:
    """The tokens that came in with the jobs are gone: workers looked, and found nothing."""
    for number in range(3):
        kernel.submit(f"j{number}")
    pause(kernel)
    kernel.turn("ana")
    assert kernel.tokens() == 0

    resume(kernel)

    assert kernel.tokens() == 3


def test_more_tokens_than_workers_could_use_are_not_kept(kernel: Kernel) -> None:
    """At most 64, as everywhere."""
    for number in range(70):
        kernel.submit(f"j{number}")
    pause(kernel)
    kernel.turn("ana")

    resume(kernel)

    assert kernel.tokens() == 64


def test_pausing_again_replaces_the_reason(kernel: Kernel) -> None:
    """Nothing else changes, and the moment is that of Redis."""
    assert pause(kernel, reason="mãe, até já", by="ana") is True
    assert pause(kernel, reason="longer", by="rui") is False

    record = json.loads(kernel.redis.hget(keys.PAUSED, QUEUE))
    seconds, _ = kernel.redis.time()
    assert (record["reason"], record["by"]) == ("longer", "rui")
    assert abs(record["at_ms"] / 1000 - seconds) < 60


def test_resuming_what_is_not_paused_does_nothing(kernel: Kernel) -> None:
    """Not a token, not a key."""
    kernel.submit("j1")
    kernel.turn("ana", want=0)
    before = kernel.snapshot()

    assert resume(kernel) is False

    assert kernel.snapshot() == before


def test_a_paused_queue_that_never_had_a_job_is_paused_for_the_first(kernel: Kernel) -> None:
    """Who pauses before a rollout is not surprised by what comes in."""
    pause(kernel, LOW)

    kernel.submit("j1", LOW)

    assert kernel.turn("ana").claims == []


def test_a_limit_is_kept_in_a_paused_queue(kernel: Kernel) -> None:
    """A pause stops no clock: what should have begun by now ends EXPIRED."""
    kernel.submit("late", before_ms=4_000_000_000_000)
    pause(kernel)
    kernel.change("late", before=1)
    kernel.redis.zadd(keys.EXPIRY, {"late": 1})

    kernel.store.run(calls.expire())

    assert (kernel.state("late"), kernel.depth()) == (State.EXPIRED, 0)


def test_a_re_sent_turn_is_answered_though_its_queue_was_paused_since(kernel: Kernel) -> None:
    """It holds those jobs; only new ones are not handed out."""
    kernel.submit("j1")
    first = kernel.turn("ana", token="t")
    pause(kernel)

    again = kernel.turn("ana", token="t")

    assert (again.word, again.claims) == ("again", first.claims)
