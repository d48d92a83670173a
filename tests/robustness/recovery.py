"""What the blows met, and how soon the work went on: judged afterwards, by the stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from robustness.evidence import Evidence
from robustness.nemesis import Strike
from robustness.schedule import Blow
from robustness.stream import Change
from robustness.workload import KINDS

_REDIS_SHADOW_MS = 8_000
"""After a restart of Redis leases are judged only after a grace of one lease."""
SLOW = 12.0
"""Twice the lease, in seconds."""
_LATE_MS = 150
"""What was on its way to Redis when the blow fell may still begin a run."""


@dataclass(frozen=True, slots=True)
class Met:
    """What one blow at a worker did."""

    strike: Strike
    interrupted: Sequence[str]
    """The jobs in hand that did not end by themselves."""
    seconds: Sequence[float]
    """For each of them that went on: until its next run began, or its end. One that must not run
    twice waits for its end on purpose: it is left out."""


def met(evidence: Evidence) -> list[Met]:
    """For each blow at a worker."""
    by_worker, kinds = _runs(evidence.lives), evidence.kinds
    found = []
    for strike in evidence.strikes:
        if not strike.blow.hits_worker:
            continue
        jobs, seconds = [], []
        for name in strike.workers:
            for job_id, run in by_worker.get(name, ()):
                life = evidence.lives[job_id]
                if _was_broken_off(life, run, strike.at_ms):
                    jobs.append(job_id)
                    if not (job_id in kinds and KINDS[kinds[job_id]].once):
                        seconds += [(at - strike.at_ms) / 1000 for at in _next_run(life, run)]
        found.append(Met(strike, jobs, seconds))
    return found


def hit_rate(blows: Sequence[Met]) -> float:
    """The share of kills of workers that met a job in hand."""
    kills = [each for each in blows if each.strike.blow.kills]
    return sum(bool(each.interrupted) for each in kills) / len(kills) if kills else 0.0


def lapsed_stops(blows: Sequence[Met]) -> int:
    """Stops after which another worker had the job."""
    return sum(bool(each.interrupted) for each in blows if each.strike.blow is Blow.STOP)


def recoveries(evidence: Evidence, blows: Sequence[Met], *, calm: bool = False) -> list[float]:
    """Seconds from each kill to the next run of what it met; `calm`: without a restart of Redis."""
    redis = [strike.at_ms for strike in evidence.strikes if strike.blow is Blow.REDIS]

    def shadowed(strike: Strike, until: float) -> bool:
        first, last = strike.at_ms - _REDIS_SHADOW_MS, strike.at_ms + until * 1000
        return any(first < at < last for at in redis)

    return sorted(
        seconds
        for each in blows
        if each.strike.blow.kills
        for seconds in each.seconds
        if not (calm and shadowed(each.strike, seconds))
    )


def slow_recoveries(evidence: Evidence) -> list[str]:
    """Those that took longer than the promised p99, though Redis was there all the time."""
    seconds = recoveries(evidence, met(evidence), calm=True)
    return [f"{each:.1f} s" for each in seconds if each > SLOW]


def quantile(values: Sequence[float], share: float) -> float:
    """The value that so large a share does not exceed; 0 for none. `values` are in order."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def unexplained_reruns(evidence: Evidence, blows: Sequence[Met]) -> list[str]:
    """Jobs that ran again, though no blow met them and their kind does not crash."""
    explained = {job_id for each in blows for job_id in each.interrupted}
    kinds = evidence.kinds
    return [
        job_id
        for job_id, life in evidence.lives.items()
        if job_id not in explained
        and kinds.get(job_id) != "crashes"
        and any(a.state == "RUNNING" and b.state == "PENDING" for a, b in pairwise(life))
    ]


def reruns(evidence: Evidence) -> int:
    """Runs that were broken off."""
    lives = evidence.lives.values()
    return sum(
        a.state == "RUNNING" and b.state == "PENDING" for life in lives for a, b in pairwise(life)
    )


def _runs(lives: Mapping[str, Sequence[Change]]) -> dict[str, list[tuple[str, int]]]:
    """worker -> (job id, index of the RUNNING change) of all its runs."""
    found: dict[str, list[tuple[str, int]]] = {}
    for job_id, life in lives.items():
        for index, change in enumerate(life):
            if change.state == "RUNNING":
                found.setdefault(change.worker, []).append((job_id, index))
    return found


def _was_broken_off(life: Sequence[Change], run: int, at_ms: int) -> bool:
    """Whether a run was in hand at a moment, and did not end by itself."""
    if life[run].at_ms > at_ms + _LATE_MS:
        return False
    following = life[run + 1] if run + 1 < len(life) else None
    if following is None:
        return True
    return following.at_ms >= at_ms and following.worker != life[run].worker


def _next_run(life: Sequence[Change], run: int) -> list[int]:
    """When the job went on, or ended; empty where it never did."""
    return [change.at_ms for change in life[run + 1 :] if change.state != "PENDING"][:1]
