"""Calls in any order, each perhaps sent twice: the promises hold after every one of them."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from conformance.kernel import QUEUES, Kernel, ended, recovery, submission
from integration.store.invariants import astray, jobs
from portaria.core.states import FOLLOWS, TERMINAL, State
from portaria.store import Claim, Store, Verdict, calls, keys
from portaria.store.calls import Call
from portaria.store.events import REMOVED

WORKERS = st.sampled_from(["ana", "rui"])
TWICE = st.booleans()


class AnyOrder(RuleBasedStateMachine):
    """Two workers, four queues, and everything that can happen to them but time itself."""

    redis: Redis

    def __init__(self) -> None:
        super().__init__()
        self.redis.flushall()
        self.kernel = Kernel(Store(self.redis), self.redis)
        self.claims: dict[str, list[Claim]] = {"ana": [], "rui": []}
        self.lives = {"ana": 1, "rui": 1}
        self.made = 0
        self.ends: dict[str, str] = {}
        for queue in QUEUES:
            self.submit(queue, 0, False, False)

    @rule(queue=st.sampled_from(QUEUES), delay=st.sampled_from([0, 60_000]), once=st.booleans(),
          twice=TWICE)  # fmt: skip
    def submit(self, queue: str, delay: int, once: bool, twice: bool) -> None:
        self.made += 1
        job = submission(f"j{self.made}", queue, delay_ms=delay, at_most_once=once)
        self._send(calls.submit(job), twice)

    @rule(worker=WORKERS, verdict=st.sampled_from(Verdict), want=st.integers(0, 3), twice=TWICE)
    def turn(self, worker: str, verdict: Verdict, want: int, twice: bool) -> None:
        ends = [ended(claim, verdict, wait_ms=60_000) for claim in self.claims[worker]]
        self.kernel._turns += 1
        call = calls.turn(
            worker=worker,
            incarnation=str(self.lives[worker]),
            token=f"{worker}.{self.kernel._turns}",
            queues=QUEUES,
            want=want,
            finished=ends,
        )
        turn = self._send(call, twice)
        self.claims[worker] = list(turn.claims)

    @precondition(lambda self: any(self.claims.values()))
    @rule(worker=WORKERS, crashed=st.booleans(), known=st.booleans(), twice=TWICE)
    def die(self, worker: str, crashed: bool, known: bool, twice: bool) -> None:
        life = self.lives[worker]
        held = self.claims[worker]
        call = recovery(
            worker,
            incarnation=str(life) if known else "*",
            following=str(life + 1),
            begun=held[0].job_id if held else "",
            crashed=crashed,
        )
        self._send(call, twice)
        self.lives[worker] += 1
        self.claims[worker] = []

    @rule(worker=WORKERS)
    def renew(self, worker: str) -> None:
        (renewal,) = self.kernel.renew(worker, incarnation=str(self.lives[worker]))
        assert not renewal.gone
        assert {claim.job_id for claim in self.claims[worker]} == {*renewal.held, *renewal.lost}

    @precondition(lambda self: any(self.claims.values()))
    @rule(worker=WORKERS)
    def fall_silent(self, worker: str) -> None:
        """Its leases lapse, but it does not know, and goes on."""
        present = jobs(self.redis)
        for claim in self.claims[worker]:
            if present.get(claim.job_id, {}).get("hold") == claim.token:
                self.kernel.lapse(claim)
        self.kernel.reap_now()

    @precondition(lambda self: any(self.claims.values()))
    @rule(worker=WORKERS)
    def be_cancelled(self, worker: str) -> None:
        for claim in self.claims[worker]:
            if self.kernel.field(claim.job_id, "hold") == claim.token:
                self.kernel.change(claim.job_id, state="CANCELLING")

    @rule(twice=TWICE)
    def let_moments_come(self, twice: bool) -> None:
        for job_id in self.kernel.members(keys.DUE):
            self.kernel.make_due(job_id)
        self._send(calls.promote(most=2), twice)

    @rule(twice=TWICE)
    def purge(self, twice: bool) -> None:
        for job_id in self.kernel.members(keys.PURGE)[:1]:
            self.redis.zadd(keys.PURGE, {job_id: 1})
        self._send(calls.purge(), twice)

    @invariant()
    def nothing_is_astray(self) -> None:
        assert astray(self.kernel) == []

    @invariant()
    def depth_is_what_waits(self) -> None:
        present = jobs(self.redis).values()
        for queue in QUEUES:
            waits = sum(job["state"] == "PENDING" and job["origin"] == queue for job in present)
            assert self.kernel.depth(queue) == waits

    @invariant()
    def a_terminal_job_never_changes(self) -> None:
        for job_id, job in jobs(self.redis).items():
            if job["state"] in TERMINAL:
                assert self.ends.setdefault(job_id, job["cursor"]) == job["cursor"]

    @invariant()
    def every_change_may_follow(self) -> None:
        for event in self.kernel.all_events():
            if event.previous and event.state != REMOVED:
                assert State(event.state) in FOLLOWS[State(event.previous)], event

    def _send(self, call: Call[Any], twice: bool) -> Any:
        if twice:
            self.kernel.store.run(call)
        return self.kernel.store.run(call)


def test_the_promises_hold_in_any_order(redis: Redis) -> None:
    """Reachable, told, ended once, counted right: after each step of many random histories."""
    machine = type("Machine", (AnyOrder,), {"redis": redis})
    redis.config_set("appendfsync", "no")
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=40,
                stateful_step_count=30,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        redis.config_set("appendfsync", "always")
