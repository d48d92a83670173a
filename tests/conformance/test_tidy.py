"""tidy: dead workers are forgotten, once they hold nothing."""

from __future__ import annotations

from conformance.kernel import Kernel, ended
from portaria.store import calls, keys


def _known(kernel: Kernel) -> set[str]:
    return {name.decode() for name in kernel.redis.hkeys(keys.HOLDS)}


def _birth(kernel: Kernel, worker: str) -> None:
    kernel.redis.hset(f"rq:worker:{worker}", "state", "idle")


def test_a_dead_worker_that_holds_nothing_is_forgotten(kernel: Kernel) -> None:
    """RQ's register does not know it any more."""
    for worker in ("ana", "rui"):
        kernel.submit(f"of-{worker}")
        kernel.turn(worker, ended(kernel.claim(worker)), want=0)
    _birth(kernel, "rui")

    assert kernel.store.run(calls.tidy()) == 1
    assert _known(kernel) == {"rui"}


def test_what_a_dead_worker_holds_is_for_the_reaper_first(kernel: Kernel) -> None:
    """Its record says where its jobs are."""
    kernel.submit("j1")
    kernel.lapse(kernel.claim("ana"))

    kept = kernel.store.run(calls.tidy())
    reaped = kernel.reap_now()

    assert (kept, reaped) == (0, ["j1"])
    assert kernel.store.run(calls.tidy()) == 1
    assert _known(kernel) == set()
