"""delete: jobs that are done are forgotten at once, with all that belongs to them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.kernel import QUEUE, Kernel, ended
from portaria.core.states import State
from portaria.store import Verdict, calls, keys
from portaria.store.calls import Deleted

LATER = 60_000


def _succeeded(kernel: Kernel) -> None:
    kernel.submit("j1")
    kernel.turn("ana", ended(kernel.claim()), want=0)


def _failed(kernel: Kernel) -> None:
    kernel.submit("j1")
    kernel.turn("ana", ended(kernel.claim(), Verdict.FAILED), want=0)


def _cancelled(kernel: Kernel) -> None:
    kernel.submit("j1")
    kernel.cancel("j1")


def _expired(kernel: Kernel) -> None:
    kernel.submit("j1", before_ms=4_000_000_000_000)
    kernel.change("j1", before=1)
    kernel.redis.zadd(keys.EXPIRY, {"j1": 1})
    kernel.store.run(calls.expire())


def _scheduled(kernel: Kernel) -> None:
    kernel.submit("j1", delay_ms=LATER)


def _pending(kernel: Kernel) -> None:
    kernel.submit("j1")


def _parked(kernel: Kernel) -> None:
    kernel.submit("j1")
    kernel.turn("ana", served=" another ")


def _retrying(kernel: Kernel) -> None:
    kernel.submit("j1")
    kernel.turn("ana", ended(kernel.claim(), Verdict.RETRY, wait_ms=LATER), want=0)


def _running(kernel: Kernel) -> None:
    kernel.submit("j1")
    kernel.claim()


def _cancelling(kernel: Kernel) -> None:
    _running(kernel)
    kernel.cancel("j1")


@pytest.mark.parametrize("end", [_succeeded, _failed, _cancelled, _expired])
def test_what_is_done_is_forgotten_whole(kernel: Kernel, end: Callable[[Kernel], None]) -> None:
    """Nothing is left but what was told, and its request record."""
    end(kernel)
    kernel.redis.hset(keys.effects("j1"), "k", "done")
    before = str(kernel.state("j1"))

    assert kernel.delete("j1") == [Deleted.NOW]

    left = {name.decode() for name in kernel.redis.keys("*")}
    assert kernel.told("j1")[-2:] == [before, "REMOVED"]
    assert not [
        name for name in left if "index" in name or ("j1" in name and "request" not in name)
    ]
    assert not left & {keys.PURGE, keys.EXPIRY, *(f"rq:{each}:{QUEUE}" for each in
                       ("finished", "failed", "canceled", "scheduled"))}  # fmt: skip
    assert 0 < kernel.redis.pttl(keys.request("default", "r-j1")) <= 3_600_000
    assert kernel.delete("j1") == [Deleted.MISSING]


def test_a_repeated_submit_finds_out(kernel: Kernel) -> None:
    """Its request_id still stands for the job that was forgotten."""
    _succeeded(kernel)
    kernel.delete("j1")

    assert kernel.submit("j2", request_id="r-j1").job_id == "j1"
    assert kernel.queued() == []


@pytest.mark.parametrize("scene", [_scheduled, _pending, _parked, _retrying, _running, _cancelling])
def test_what_is_not_done_stays(kernel: Kernel, scene: Callable[[Kernel], None]) -> None:
    """Not a byte of it changes."""
    scene(kernel)
    before = kernel.snapshot()

    assert kernel.delete("j1") == [Deleted.OPEN]

    assert kernel.snapshot() == before


def test_each_is_answered_in_order(kernel: Kernel) -> None:
    """Those of other namespaces are as if they were not there."""
    for number in range(2):
        kernel.submit(f"j{number}")
        kernel.turn("ana", ended(kernel.claim()), want=0)
    kernel.submit("other", namespace="another")
    kernel.turn("ana", ended(kernel.claim()), want=0)
    kernel.submit("open")

    words = kernel.delete("j1", "other", "open", "nobody", "j0")

    assert words == [
        Deleted.NOW, Deleted.MISSING, Deleted.OPEN, Deleted.MISSING, Deleted.NOW,
    ]  # fmt: skip
    assert kernel.state("other") == State.SUCCEEDED
    assert kernel.members(keys.PURGE) == ["other"]


def test_what_was_made_by_others_is_no_job(kernel: Kernel) -> None:
    """Other kinds of keys, and hashes of RQ's own."""
    kernel.redis.hset(keys.job("foreign"), "data", "x")
    kernel.redis.set(keys.job("text"), "x")

    assert kernel.delete("foreign", "text") == [Deleted.MISSING] * 2
    assert kernel.redis.exists(keys.job("foreign"), keys.job("text")) == 2


def test_a_unique_key_of_another_job_is_kept(kernel: Kernel) -> None:
    """The one that ended has released it, and a new one may hold it by now."""
    kernel.submit("j1", unique_key="k")
    kernel.turn("ana", ended(kernel.claim()), want=0)
    kernel.submit("j2", unique_key="k")

    kernel.delete("j1")

    assert kernel.submit("j3", unique_key="k").held


def test_at_most_200_at_once() -> None:
    """No call holds up the others."""
    with pytest.raises(ValueError, match="201 jobs at once"):
        calls.delete("default", ["j"] * 201)


def test_a_job_is_repeated_once(kernel: Kernel) -> None:
    """Whoever asks: the second one learns of the first; a repeat that is gone is none."""
    _failed(kernel)

    assert kernel.submit("j2", retried_from="j1").job_id == "j2"
    other = kernel.submit("j3", retried_from="j1")
    kernel.turn("ana", ended(kernel.claim()), want=0)
    kernel.delete("j2")

    assert (other.retried, other.job_id, kernel.store.get("j3")) == (True, "j2", None)
    assert kernel.record("j1").retried_as == "j2"
    assert not kernel.redis.exists(keys.request("default", "r-j3"))
    assert not kernel.submit("j4", retried_from="j1").retried
    assert kernel.record("j4").retried_from == "j1"
