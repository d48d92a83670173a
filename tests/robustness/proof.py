"""One run: everything starts, is worked and harmed, heals, comes to rest, and is judged."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from redis.exceptions import RedisError

from portaria.client import Client, NotFound
from portaria.v1.job_pb2 import JobState
from robustness.ambush import Ambush
from robustness.bursts import Bursts
from robustness.evidence import Evidence
from robustness.feeding import Caller, Orders, Pace
from robustness.journal import Said, read
from robustness.look import Look, let_registrations_lapse, look
from robustness.nemesis import Nemesis, Strike
from robustness.orphans import orphans
from robustness.receiver import deliveries
from robustness.report import Report, judge
from robustness.schedule import Blow, Dose, schedule
from robustness.stream import Stream, plain
from robustness.system import System
from robustness.workflows.troupe import Troupe, have_hooks_run, workflows_of
from robustness.workload import KINDS, MIXED, SIMPLE, Workload

_STEP = 0.005
_SAMPLE = 200
_TELL_EVERY = 20.0
_WORKFLOWS_IN = 0.8
"""Of the time in which there is harm: the last ones have some of it, too."""
_HOOKS = 10.0
"""Seconds in which what the ends of workflows hand in must have run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How large a run is."""

    seed: int
    jobs: int
    """Orders; nearly all are acknowledged."""
    tiny: int = 0
    """Orders for the second pool."""
    workflows: int = 0
    """Of a few dozen jobs each, at the most."""
    dose: Dose
    parents: int = 5
    children: int = 2
    bursters: int = 2
    """Workers of the second pool, of one child each: who holds what is known."""
    callers: int = 4
    cut: float = 0.02
    patience: float = 30.0
    """Seconds after the healing in which every job must be done."""
    tidy: float = 15.0
    """Seconds after that in which what belonged to the dead must be gone."""
    against: str = ""
    """"blpop": the oracle is tried on workers that lose jobs."""


def prove(plan: Plan, folder: Path, say: Callable[[str], None] = lambda _: None) -> Report:
    """Runs and judges. Nothing of it is left but what is in `folder`. From a main thread only."""
    folder.mkdir(parents=True, exist_ok=True)
    system = System(folder, plan.seed, plan.cut)
    try:
        system.start(
            parents=plan.parents,
            children=plan.children,
            bursters=plan.bursters if plan.tiny else 0,
            against=plan.against,
        )
        return _Run(plan, system, folder, say).judged()
    finally:
        system.stop()


class _Run:
    def __init__(
        self, plan: Plan, system: System, folder: Path, say: Callable[[str], None]
    ) -> None:
        self._plan = plan
        self._system = system
        self._folder = folder
        self._say = say
        self._redis = plain(system.redis.url)
        self._stream = Stream(system.redis.url)
        self._events = schedule(plan.seed, plan.dose)
        self._callers: list[Caller] = []
        self._troupe = Troupe(
            plan.seed,
            system.addresses,
            folder,
            count=plan.workflows,
            seconds=plan.dose.seconds * _WORKFLOWS_IN,
            patience=plan.dose.seconds + plan.patience,
        )

    def judged(self) -> Report:
        """The whole run."""
        started = time.monotonic()
        self._stream.start()
        try:
            strikes = self._harm()
            harmed = time.monotonic()
            self._say("healed, waiting for the last job")
            self._come_to_rest()
            rested = time.monotonic()
            evidence = self._evidence(strikes)
        finally:
            self._stream.stop()
            self._redis.close()
        report = judge(self._plan.seed, self._events, evidence)
        figures = {
            **report.figures,
            "replies cut": self._system.cuts,
            "seconds harmed": round(harmed - started, 1),
            "seconds until the last job was done": round(rested - harmed, 1),
        }
        return replace(report, figures=figures)

    def _harm(self) -> list[Strike]:
        plan, system = self._plan, self._system
        paces = self._start_callers()
        self._troupe.start()
        blows = [event for event in self._events if event.blow is not Blow.AMBUSH]
        nemesis = Nemesis(system, self._stream, blows)
        ambushes = [event for event in self._events if event.blow is Blow.AMBUSH]
        ambush = Ambush(system, self._redis, self._stream, ambushes)
        until = time.monotonic() + plan.dose.seconds + plan.patience
        tell_at = time.monotonic() + _TELL_EVERY
        while not nemesis.is_done and time.monotonic() < until:
            nemesis.step()
            ambush.step()
            system.tend()
            if time.monotonic() >= tell_at:
                tell_at += _TELL_EVERY
                acknowledged = sum(caller.acknowledged for caller in self._callers)
                self._say(f"{acknowledged} acknowledged, {len(nemesis.strikes)} blows")
            time.sleep(_STEP)
        system.heal()
        self._tend(lambda: not any(caller.is_alive() for caller in self._callers), plan.patience)
        for pace in paces:
            pace.stopped.set()
        for caller in self._callers:
            caller.join(10)
        return sorted(nemesis.strikes + ambush.strikes, key=lambda strike: strike.at_ms)

    def _start_callers(self) -> list[Pace]:
        plan, system = self._plan, self._system
        mixed = Workload(plan.seed, system.receiver, SIMPLE if plan.against else MIXED)
        fed: list[tuple[Orders, Pace, int]] = [
            (mixed, Pace(plan.jobs, plan.jobs / plan.dose.seconds), plan.callers)
        ]
        if plan.tiny:
            per_second = plan.tiny / plan.dose.seconds
            bursts = Bursts(plan.seed, system.receiver, per_second)
            fed.append((bursts, Pace(plan.tiny, per_second), plan.callers))
        for orders, pace, callers in fed:
            for _ in range(callers):
                number, doors = len(self._callers), system.addresses
                self._callers.append(
                    Caller(number, orders=orders, pace=pace, doors=doors, folder=self._folder)
                )
        for caller in self._callers:
            caller.start()
        return [pace for _, pace, _ in fed]

    def _come_to_rest(self) -> None:
        wanted = set(self._said().acks.values())
        self._tend(
            lambda: wanted <= self._stream.ended and not self._troupe.is_alive(),
            self._plan.patience,
            every=0.05,
        )

    def _evidence(self, strikes: list[Strike]) -> Evidence:
        system, said = self._system, self._said()
        told, reasons = self._told(list(said.acks.values())), self._reasons(said)
        if not self._plan.against:
            system.relieve()
        let_registrations_lapse(self._redis, system.all_workers() - system.living_workers())
        applied, attempts = deliveries(system.database)
        self._tend(lambda: have_hooks_run(self._troupe.played), _HOOKS, every=0.05)

        def now() -> Evidence:
            return Evidence(
                said=said,
                lives=dict(self._stream.lives),
                look=self._look(),
                applied=applied,
                deliveries=attempts,
                living=frozenset(system.living_workers()),
                strikes=strikes,
                told=told,
                reasons=reasons,
                workflows=workflows_of(self._troupe.played, self._stream.lives),
                traces=system.traces(),
            )

        # What belonged to the dead goes with the next rounds of the living.
        self._tend(lambda: orphans(now()) == 0, self._plan.tidy, every=0.5)
        return now()

    def _look(self) -> Look:
        return look(self._redis)

    def _told(self, job_ids: list[str]) -> dict[str, str]:
        """What the second door says of some jobs."""
        sample = Random(self._plan.seed).sample(job_ids, min(_SAMPLE, len(job_ids)))
        told = {}
        with Client(self._system.addresses[-1]) as client:
            for job_id in sample:
                try:
                    state = JobState.Name(client.get(job_id).state).removeprefix("JOB_STATE_")
                except NotFound:
                    state = "none"
                told[job_id] = state
        return told

    def _reasons(self, said: Said) -> dict[str, str]:
        """Why they failed, of the jobs that must not run twice."""
        kinds = Evidence(said=said).kinds
        found = {}
        with Client(self._system.addresses[-1]) as client:
            for job_id in (each for each, name in kinds.items() if KINDS[name].once):
                job = client.get(job_id)
                if job.state == JobState.JOB_STATE_FAILED:
                    found[job_id] = job.last_failure.reason
        return found

    def _said(self) -> Said:
        return read(self._folder.glob("caller-*.jsonl"))

    def _tend(self, held: Callable[[], bool], within: float, *, every: float = _STEP) -> None:
        """Keeps the system up until something holds, or time is up: the checks will tell."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            with suppress(RedisError, OSError):
                if held():
                    return
            self._system.tend()
            time.sleep(every)
