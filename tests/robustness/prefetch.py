"""Whether tiny jobs really were claimed together, killed so, and freed from slow ones."""

from __future__ import annotations

from itertools import pairwise

from robustness.evidence import Check, Evidence
from robustness.workload import FLARE

_SHARE = 10


def check_prefetch(evidence: Evidence) -> list[Check]:
    """That the run proves something of it, where it had tiny jobs at all."""
    sparks = [job_id for job_id, kind in evidence.kinds.items() if kind == "spark"]
    held, ambushed = held_with_others(evidence), ambushes(evidence)
    few = f"{held} of {len(sparks)} tiny jobs were held with others"
    return [
        Check("tiny jobs claimed one by one", [few] if held * _SHARE < len(sparks) else []),
        Check("no worker killed with several in hand", ["none"] if sparks and not ambushed else []),
    ]


def held_with_others(evidence: Evidence) -> int:
    """Jobs with a run that was told with its end only: it waited in a worker's hand."""
    return sum(
        any(
            a.state == "PENDING" and b.state not in ("RUNNING", "PENDING")
            for a, b in pairwise(life)
        )
        for life in evidence.lives.values()
    )


def reliefs(evidence: Evidence) -> int:
    """Slow jobs of which was told, after a while, that they run: they began in a worker's hand with
    others around them, and the relief handed those over.
    """
    kinds = evidence.kinds
    return sum(
        kinds.get(job_id) == "flare"
        and a.state == "RUNNING"
        and b.state == "SUCCEEDED"
        and b.at_ms - a.at_ms < FLARE * 1000 - 5
        for job_id, life in evidence.lives.items()
        for a, b in pairwise(life)
    )


def ambushes(evidence: Evidence) -> int:
    """Kills of a worker that held several jobs."""
    return sum(strike.held > 1 for strike in evidence.strikes)
