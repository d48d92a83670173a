"""cancel: what waits ends at once, what is held is asked to, what has ended stays as it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.kernel import QUEUE, Kernel, ended
from portaria.core.states import TERMINAL, State
from portaria.store import Claim, Verdict, calls, keys
from portaria.store.calls import Cancelled

Scene = Callable[[Kernel, bool], Claim | None]

LATER = 60_000


def scheduled(kernel: Kernel, once: bool) -> None:
    kernel.submit("j1", at_most_once=once, delay_ms=LATER)


def blocked(kernel: Kernel, once: bool) -> None:
    """No call makes one yet."""
    kernel.submit("j1", at_most_once=once, delay_ms=LATER)
    kernel.change("j1", state="BLOCKED")


def pending(kernel: Kernel, once: bool) -> None:
    kernel.submit("j1", at_most_once=once)


def parked(kernel: Kernel, once: bool) -> None:
    kernel.submit("j1", at_most_once=once)
    kernel.turn("ana", served=" another ")


def retrying(kernel: Kernel, once: bool) -> None:
    kernel.submit("j1")
    kernel.turn("ana", ended(kernel.claim(), Verdict.RETRY, wait_ms=LATER), want=0)
    kernel.change("j1", once=int(once))


def held(kernel: Kernel, once: bool) -> Claim:
    """By ana, not begun."""
    kernel.submit("j0", at_most_once=False)
    kernel.submit("j1")
    _, claim = kernel.turn("ana", want=2).claims
    kernel.change("j1", once=int(once))
    return claim


def running(kernel: Kernel, once: bool) -> Claim:
    kernel.submit("j1", at_most_once=once)
    claim = kernel.claim("ana")
    kernel.begin(claim)
    return claim


def cancelling(kernel: Kernel, once: bool) -> Claim:
    claim = running(kernel, once)
    kernel.cancel("j1", reason="the first")
    return claim


def in_doubt(kernel: Kernel, once: bool) -> Claim:
    """Its lease lapsed; where it must not run twice, it stays open."""
    claim = running(kernel, once)
    kernel.lapse(claim)
    return claim


def _end(kernel: Kernel, once: bool, verdict: Verdict) -> Claim:
    claim = running(kernel, once)
    kernel.turn("ana", ended(claim, verdict), want=0)
    return claim


def succeeded(kernel: Kernel, once: bool) -> Claim:
    return _end(kernel, once, Verdict.SUCCEEDED)


def failed(kernel: Kernel, once: bool) -> Claim:
    return _end(kernel, once, Verdict.FAILED)


def cancelled(kernel: Kernel, once: bool) -> None:
    pending(kernel, once)
    kernel.cancel("j1", reason="the first")


def expired(kernel: Kernel, once: bool) -> None:
    kernel.submit("j1", at_most_once=once, before_ms=4_000_000_000_000)
    kernel.change("j1", before=1)
    kernel.redis.zadd(keys.EXPIRY, {"j1": 1})
    kernel.store.run(calls.expire())


WAIT: list[Scene] = [scheduled, blocked, pending, parked, retrying]
HELD: list[Scene] = [held, running, cancelling, in_doubt]
ENDED: list[Scene] = [succeeded, failed, cancelled, expired]

ONCE = pytest.mark.parametrize("once", [False, True], ids=["", "once"])
FORCE = pytest.mark.parametrize("force", [False, True], ids=["", "force"])


def _scenes(scenes: list[Scene]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("scene", scenes, ids=lambda scene: scene.__name__)


@_scenes(WAIT)
@ONCE
@FORCE
def test_what_waits_ends_at_once(kernel: Kernel, scene: Scene, once: bool, force: bool) -> None:
    """CANCELLED, told with where it was, out of every set in which it waited; its id stays in the
    list, for the claim to drop.
    """
    scene(kernel, once)
    before = kernel.state("j1")

    assert kernel.cancel("j1", reason="no more", force=force) == [Cancelled.NOW]

    record = kernel.record("j1")
    event = kernel.events("j1")[-1]
    assert (record.state, kernel.field("j1", "status")) == (State.CANCELLED, "canceled")
    assert (event.state, event.previous, event.entry_id) == ("CANCELLED", before, record.cursor)
    assert kernel.field("j1", "cancel_reason") == "no more"
    assert kernel.members(f"rq:canceled:{QUEUE}") == kernel.members(keys.PURGE) == ["j1"]
    assert kernel.members(keys.DUE) == kernel.members(f"rq:scheduled:{QUEUE}") == []
    assert kernel.members(keys.parked("lab", "acme_jobs.lab.v1.Noop")) == []
    assert kernel.depth() == 0
    assert 0 < int(kernel.redis.pttl(keys.request("default", "r-j1"))) <= 3_600_000
    assert kernel.turn("rui").claims == []
    assert (kernel.queued(), kernel.promote().moved, kernel.unpark(record.type)) == ([], 0, 0)


@_scenes(HELD)
@ONCE
@FORCE
def test_what_is_held_is_asked_to_end(
    kernel: Kernel, scene: Scene, once: bool, force: bool
) -> None:
    """CANCELLING, told once; its hold and lease stay, and its worker hears of it."""
    claim = scene(kernel, once)
    assert claim
    before = [each for each in kernel.told("j1") if each != "CANCELLING"]

    assert kernel.cancel("j1", reason="no more", force=force) == [Cancelled.ASKED]

    assert (kernel.state("j1"), kernel.field("j1", "hold")) == (State.CANCELLING, claim.token)
    assert kernel.told("j1") == [*before, "CANCELLING"]
    assert kernel.events("j1")[-1].entry_id == kernel.record("j1").cursor
    asked_before = scene is cancelling
    assert kernel.field("j1", "cancel_reason") == ("the first" if asked_before else "no more")
    (renewal,) = kernel.renew("ana")
    assert renewal.cancelled == ["j1"]
    assert renewal.killed == (["j1"] if force and scene is not held else [])
    assert "j1" in renewal.held


@_scenes(HELD)
@ONCE
@pytest.mark.parametrize("verdict", list(Verdict))
def test_success_still_wins(kernel: Kernel, scene: Scene, once: bool, verdict: Verdict) -> None:
    """Every other end becomes CANCELLED, and is never retried."""
    claim = scene(kernel, once)
    assert claim
    kernel.cancel("j1")

    assert kernel.turn("ana", ended(claim, verdict, wait_ms=1), want=0).taken == [True]

    won = verdict == Verdict.SUCCEEDED
    assert kernel.state("j1") == (State.SUCCEEDED if won else State.CANCELLED)
    assert (kernel.members(keys.DUE), kernel.field("j1", "hold")) == ([], "")


@_scenes([held, running])
@ONCE
@FORCE
def test_a_lapse_ends_it(kernel: Kernel, scene: Scene, once: bool, force: bool) -> None:
    """CANCELLED; only where it must not run twice, and had begun, it stays open (and then ends in
    doubt: see test_at_most_once).
    """
    claim = scene(kernel, once)
    assert claim
    kernel.cancel("j1", force=force)
    kernel.lapse(claim)

    kernel.reap_now()

    stays_open = once and scene is running
    assert kernel.state("j1") == (State.CANCELLING if stays_open else State.CANCELLED)
    assert "j1" not in kernel.queued()


@_scenes(ENDED)
@ONCE
@FORCE
def test_what_has_ended_stays_as_it_is(
    kernel: Kernel, scene: Scene, once: bool, force: bool
) -> None:
    """Not a byte is written."""
    scene(kernel, once)
    before = kernel.snapshot()

    assert kernel.cancel("j1", reason="no more", force=force) == [Cancelled.ENDED]

    assert kernel.snapshot() == before


@_scenes([*WAIT, *HELD])
@FORCE
def test_a_cancel_sent_twice_changes_nothing_more(
    kernel: Kernel, scene: Scene, force: bool
) -> None:
    """The second answer says how it is by then."""
    scene(kernel, False)
    kernel.cancel("j1", force=force)
    before = kernel.snapshot()

    (again,) = kernel.cancel("j1", reason="another", force=force)

    assert again == (Cancelled.ENDED if kernel.state("j1") in TERMINAL else Cancelled.ASKED)
    assert kernel.snapshot() == before


def test_force_may_come_later_and_stays(kernel: Kernel) -> None:
    """First asked, then killed; asking again does not take that back."""
    running(kernel, False)
    kernel.cancel("j1")
    assert kernel.renew("ana")[0].killed == []

    kernel.cancel("j1", force=True)
    kernel.cancel("j1")

    assert kernel.renew("ana")[0].killed == ["j1"]
    assert kernel.told("j1").count("CANCELLING") == 1


def test_what_waits_in_hand_is_killed_once_it_runs(kernel: Kernel) -> None:
    """Before, a kill would hit what runs there instead."""
    held(kernel, False)
    kernel.cancel("j1", force=True)

    assert kernel.renew("ana", running="j0")[0].killed == []
    assert kernel.renew("ana", running="j1")[0].killed == ["j1"]


@_scenes([*WAIT, *HELD, *ENDED])
def test_a_job_of_another_namespace_is_missing(kernel: Kernel, scene: Scene) -> None:
    """As if it did not exist; nothing is written."""
    scene(kernel, False)
    before = kernel.snapshot()

    assert kernel.cancel("j1", namespace="other", force=True) == [Cancelled.MISSING]
    assert kernel.cancel("j1", namespace="defaul", force=True) == [Cancelled.MISSING]

    assert kernel.snapshot() == before


def test_what_is_no_job_of_ours_is_missing(kernel: Kernel) -> None:
    """Unknown, or put there by other tools."""
    kernel.redis.hset(keys.job("foreign"), "data", "x")
    kernel.redis.set(keys.job("text"), "x")

    assert kernel.cancel("nobody", "foreign", "text") == [Cancelled.MISSING] * 3


def test_each_job_has_its_word_in_order(kernel: Kernel) -> None:
    """Also one that is named twice."""
    kernel.submit("j1")
    kernel.submit("j2")
    kernel.claim("ana")

    assert kernel.cancel("j2", "nobody", "j1", "j2") == [
        Cancelled.NOW, Cancelled.MISSING, Cancelled.ASKED, Cancelled.ENDED,
    ]  # fmt: skip
    assert kernel.cancel() == []


def test_two_hundred_at_once_and_no_more(kernel: Kernel) -> None:
    """No call holds up the others."""
    ids = [f"j{number}" for number in range(200)]
    for job_id in ids:
        kernel.submit(job_id)

    assert kernel.cancel(*ids) == [Cancelled.NOW] * 200
    assert kernel.depth() == 0
    with pytest.raises(ValueError, match="at most 200"):
        kernel.cancel(*ids, "one more")


def test_a_unique_key_is_free_again(kernel: Kernel) -> None:
    """Released with the end."""
    kernel.submit("j1", unique_key="k")

    kernel.cancel("j1")

    assert kernel.submit("j2", unique_key="k").held is False


def test_a_limit_is_forgotten_with_the_job(kernel: Kernel) -> None:
    """Nothing is left to expire."""
    kernel.submit("j1", before_ms=4_000_000_000_000)

    kernel.cancel("j1")

    assert kernel.members(keys.EXPIRY) == []


def test_a_worker_gets_a_hint_at_once(kernel: Kernel) -> None:
    """On the channel on which RQ's workers hear commands; waiting jobs have no worker to tell."""
    running(kernel, False)
    kernel.submit("waits")
    with kernel.redis.pubsub() as heard:
        heard.subscribe("rq:pubsub:ana")
        assert heard.get_message(timeout=5)

        kernel.cancel("waits", "j1")

        message = heard.get_message(timeout=5)
        assert message
        assert message["data"] == b'{"command": "portaria-renew"}'
        assert heard.get_message() is None


def test_a_running_job_hears_of_it_with_whatever_it_asks(kernel: Kernel) -> None:
    """Sooner than with the next renewal."""
    claim = running(kernel, False)
    kernel.cancel("j1")

    assert kernel.progress(claim, b"half") == "cancel"
    assert kernel.effect(claim, "begin", "k") == ("cancel", "")
