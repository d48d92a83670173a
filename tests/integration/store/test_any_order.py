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

from conformance.kernel import QUEUES, Kernel, ended, recovery, submission, wip
from integration.store.invariants import astray, jobs
from portaria.core.states import FOLLOWS, TERMINAL, State
from portaria.store import Claim, Store, Turn, Verdict, calls, keys
from portaria.store.calls import Began, Call
from portaria.store.events import REMOVED

WORKERS = st.sampled_from(["ana", "rui"])
TWICE = st.booleans()
NAMESPACES = ("default", "another")
MOVABLE = (State.PENDING, State.SCHEDULED, State.RETRYING)
NOOP, OTHER = "acme_jobs.lab.v1.Noop", "acme_jobs.lab.v1.Other"


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
        self.leave: dict[str, str] = {}
        for queue in QUEUES:
            self.submit(queue, 0, False, NOOP, False)

    @rule(queue=st.sampled_from(QUEUES), delay=st.sampled_from([0, 60_000]), once=st.booleans(),
          job_type=st.sampled_from([NOOP, OTHER]), twice=TWICE)  # fmt: skip
    def submit(self, queue: str, delay: int, once: bool, job_type: str, twice: bool) -> None:
        self.made += 1
        job = submission(
            f"j{self.made}", queue, delay_ms=delay, at_most_once=once, type=job_type,
            namespace=NAMESPACES[self.made % 2],
        )  # fmt: skip
        self._send(calls.submit(job), twice)

    @rule(worker=WORKERS, verdict=st.sampled_from(Verdict), want=st.integers(0, 4),
          done=st.integers(0, 4), back=st.integers(0, 4), begin=st.booleans(),
          served=st.sampled_from(["", f" {NOOP} "]), twice=TWICE)  # fmt: skip
    def turn(
        self, worker: str, verdict: Verdict, want: int, done: int, back: int, begin: bool,
        served: str, twice: bool,
    ) -> None:  # fmt: skip
        """The first in hand have ended, the last go back, one between them runs; then a claim."""
        claims = self.claims[worker]
        ends, rest = claims[:done], claims[done:]
        kept, returned = (rest[:-back], rest[-back:]) if back else (rest, [])
        began = kept[0] if begin and kept else None
        turn = self._turn(
            worker,
            twice,
            want=want,
            served=served,
            finished=[ended(claim, verdict, wait_ms=60_000) for claim in ends],
            returned=[(claim.job_id, claim.token) for claim in returned],
            begun=(began.job_id, began.token) if began else None,
        )
        self._see_begin(began, turn)
        self.claims[worker] = [*kept, *turn.claims]

    @precondition(lambda self: any(self.claims.values()))
    @rule(worker=WORKERS, number=st.integers(0, 3), twice=TWICE)
    def begin(self, worker: str, number: int, twice: bool) -> None:
        for claim in self.claims[worker][number : number + 1]:
            hold = (claim.job_id, claim.token)
            self._see_begin(claim, self._turn(worker, twice, want=0, begun=hold))

    def _see_begin(self, claim: Claim | None, turn: Turn) -> None:
        """AT_MOST_ONCE: leave is given for one hold of a job, ever, unless that gave it back."""
        if claim and claim.at_most_once and turn.began == Began.YES:
            assert self.leave.setdefault(claim.job_id, claim.token) == claim.token

    def _turn(self, worker: str, twice: bool, **given: Any) -> Turn:
        self.kernel._turns += 1
        call = calls.turn(
            worker=worker,
            incarnation=str(self.lives[worker]),
            token=f"{worker}.{self.kernel._turns}",
            queues=QUEUES,
            **given,
        )
        before = [hold for hold in given.get("returned", ()) if self.leave.get(hold[0]) == hold[1]]
        turn: Turn = self._send(call, twice)
        paused = {queue.decode() for queue in self.redis.hkeys(keys.PAUSED)}
        assert paused.isdisjoint(claim.queue for claim in turn.claims)
        for job_id, _ in before:
            del self.leave[job_id]  # its worker says that it did not start it
        return turn

    @precondition(lambda self: any(self.claims.values()))
    @rule(worker=WORKERS, crashed=st.booleans(), known=st.booleans(), twice=TWICE)
    def die(self, worker: str, crashed: bool, known: bool, twice: bool) -> None:
        life = self.lives[worker]
        held = self.claims[worker]
        begun = held[0].job_id if held else ""
        for claim in held:
            if known and claim.job_id != begun and self.leave.get(claim.job_id) == claim.token:
                del self.leave[claim.job_id]  # the parent saw that it did not run
        call = recovery(
            worker,
            incarnation=str(life) if known else "*",
            following=str(life + 1),
            begun=begun,
            crashed=crashed,
        )
        self._send(call, twice)
        self.lives[worker] += 1
        self.claims[worker] = []

    @rule(worker=WORKERS, number=st.integers(0, 3), twice=TWICE)
    def renew(self, worker: str, number: int, twice: bool) -> None:
        running = [claim.job_id for claim in self.claims[worker][number : number + 1]]
        call = calls.renew([(worker, str(self.lives[worker]), *(running or [""]))])
        (renewal,) = self._send(call, twice)
        assert not renewal.gone
        assert set(renewal.killed) <= set(renewal.cancelled) <= set(renewal.held)
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

    @rule(number=st.integers(1, 12), force=st.booleans(), twice=TWICE)
    def cancel(self, number: int, force: bool, twice: bool) -> None:
        ids = [f"j{each}" for each in range(number, self.made + 1, 4)]
        for namespace in NAMESPACES:
            self._send(calls.cancel(namespace, ids, force=force), twice)

    @rule(queue=st.sampled_from(QUEUES), resumes=st.booleans(), twice=TWICE)
    def pause(self, queue: str, resumes: bool, twice: bool) -> None:
        self._send(calls.resume(queue) if resumes else calls.pause(queue), twice)

    @rule(queue=st.sampled_from(QUEUES), place=st.integers(0, 4), most=st.integers(1, 4),
          twice=TWICE)  # fmt: skip
    def clear(self, queue: str, place: int, most: int, twice: bool) -> None:
        ids = self.kernel.queued(queue)
        before = ids[place - 1] if 0 < place <= len(ids) else "nobody"
        self._send(calls.clear("default", queue, place=place, before=before, most=most), twice)

    @rule(number=st.integers(1, 12), queue=st.sampled_from(["", *QUEUES]),
          run_at_ms=st.sampled_from([-1, 0, 4_000_000_000_000]), twice=TWICE)  # fmt: skip
    def update(self, number: int, queue: str, run_at_ms: int, twice: bool) -> None:
        job_id, namespace = f"j{number}", NAMESPACES[number % 2]
        call = calls.update(namespace, job_id, queue=queue, run_at_ms=run_at_ms)
        self._send(call, twice)

    @rule(most=st.integers(1, 3), twice=TWICE)
    def unpark(self, most: int, twice: bool) -> None:
        self._send(calls.unpark([("lab", NOOP), ("lab", OTHER)], most), twice)

    @rule(most=st.integers(2, 30), twice=TWICE)
    def audit(self, most: int, twice: bool) -> None:
        """Nobody took anything away: there is nothing to mend."""
        self.kernel.stand_still(*self._open())
        assert self._send(calls.audit(most, pause_ms=0, gap_ms=0), twice).mended == []

    @precondition(lambda self: self._open())
    @rule(number=st.integers(0, 30))
    def lose_an_entry(self, number: int) -> None:
        """A foreign tool takes one away; the next round mends it."""
        waiting = self._open()
        job_id = waiting[number % len(waiting)]
        job = jobs(self.redis)[job_id]
        self.redis.lrem(keys.queue(job["origin"]), 0, job_id)
        self.redis.zrem(keys.DUE, job_id)
        self.redis.zrem(keys.parked("lab", job["type"]), job_id)
        self.redis.zrem(wip(job["origin"]), f"{job_id}:{job['hold']}")
        self.kernel.stand_still(job_id)
        self.redis.delete(keys.AUDIT)
        self.kernel.audit_all()

    def _open(self) -> list[str]:
        found = jobs(self.redis).items()
        return [job_id for job_id, job in found if job["state"] not in TERMINAL]

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
            waits = sum(_is_queued(job) and job["origin"] == queue for job in present)
            assert self.kernel.depth(queue) == waits

    @invariant()
    def a_terminal_job_never_changes(self) -> None:
        for job_id, job in jobs(self.redis).items():
            if job["state"] in TERMINAL:
                assert self.ends.setdefault(job_id, job["cursor"]) == job["cursor"]

    @invariant()
    def every_change_may_follow(self) -> None:
        for event in self.kernel.all_events():
            is_move = event.state == event.previous and event.state in MOVABLE
            if event.previous and event.state != REMOVED and not is_move:
                assert State(event.state) in FOLLOWS[State(event.previous)], event

    @invariant()
    def a_job_that_must_not_run_twice_began_once(self) -> None:
        for job_id, job in jobs(self.redis).items():
            if job["once"] == "1" and job_id in self.leave and job["state"] not in TERMINAL:
                assert job["hold"] == self.leave[job_id], job_id

    def _send(self, call: Call[Any], twice: bool) -> Any:
        if twice:
            self.kernel.store.run(call)
        return self.kernel.store.run(call)


def _is_queued(job: dict[str, str]) -> bool:
    return job["state"] == "PENDING" and not job["hold"] and not job.get("parked")


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
