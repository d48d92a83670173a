"""Checks of guarded effects, by what the receiver outside has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from robustness.evidence import Check, Evidence
from robustness.workload import KINDS


def check_effects(evidence: Evidence) -> list[Check]:
    """All of them."""
    return [
        Check("effects of a succeeded job that never arrived", list(_missing(evidence))),
        Check("effects under a key that is no job's", list(_foreign(evidence))),
        Check("deliveries after their run had recorded them", list(_needless(evidence))),
        Check("deliveries beyond one a run", list(_repeated(evidence))),
        Check("ran twice, and must not", list(_twice(evidence))),
    ]


def effect_id(job_id: str) -> str:
    """What ctx.effect_id("delivery") is documented to be."""
    return hashlib.sha256(f"{job_id}/delivery".encode()).hexdigest()[:32]


def repeats(evidence: Evidence) -> int:
    """Deliveries that the receiver recognised by their key."""
    return len(evidence.deliveries) - len(evidence.applied)


def _missing(evidence: Evidence) -> Iterator[str]:
    for job_id, name in evidence.kinds.items():
        job = evidence.look.jobs.get(job_id)
        succeeded = job is not None and job["state"] == "SUCCEEDED"
        if KINDS[name].delivers and succeeded and effect_id(job_id) not in evidence.applied:
            yield job_id


def _foreign(evidence: Evidence) -> Iterator[str]:
    for key, job_id in evidence.applied.items():
        delivers = KINDS[evidence.kinds[job_id]].delivers if job_id in evidence.kinds else False
        if not delivers or key != effect_id(job_id):
            yield f"{key} of {job_id}"


def _needless(evidence: Evidence) -> Iterator[str]:
    """A run that ended by itself had recorded its effect: no later run may deliver again."""
    for delivery in evidence.deliveries:
        life = evidence.lives.get(delivery.job_id, ())
        ended = [c.attempt for c in life if c.state in ("RETRYING", "SUCCEEDED")]
        first = min(ended, default=delivery.attempt)
        if delivery.attempt > first:
            yield f"{delivery.job_id}: delivered by run {delivery.attempt}, recorded by {first}"


def _repeated(evidence: Evidence) -> Iterator[str]:
    seen: set[tuple[str, int]] = set()
    for delivery in evidence.deliveries:
        run = delivery.key, delivery.attempt
        if run in seen:
            yield f"{delivery.job_id}: twice by run {delivery.attempt}"
        seen.add(run)


def _twice(evidence: Evidence) -> Iterator[str]:
    """By the receiver, which no guard of the platform keeps from hearing of a second run, or by the
    stream, where the second did not come so far. A start of which nothing was heard may have
    another after it: its process died before the handler began.
    """
    heard: dict[str, list[int]] = {}
    for delivery in evidence.deliveries:
        heard.setdefault(delivery.job_id, []).append(delivery.attempt)
    for job_id, name in evidence.kinds.items():
        runs = heard.get(job_id, [])
        starts = [c.attempt for c in evidence.lives.get(job_id, ()) if c.state == "RUNNING"]
        if KINDS[name].once and (len(runs) > 1 or (runs and max(starts, default=0) > runs[0])):
            yield f"{job_id}: delivered by the runs {runs}, started as {starts}"
