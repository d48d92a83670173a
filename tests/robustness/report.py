"""What a run came to: for people, and as JSON with the seed that replays it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from robustness import recovery
from robustness.callers import check_callers
from robustness.effects import check_effects, repeats
from robustness.evidence import Check, Evidence
from robustness.jobs import check_jobs
from robustness.orphans import check_orphans, orphans
from robustness.prefetch import ambushes, check_prefetch, held_with_others, reliefs
from robustness.schedule import Event
from robustness.verdict import Figures, Verdict
from robustness.workload import KINDS


@dataclass(frozen=True, slots=True)
class Report(Verdict):
    """The outcome of one run."""

    events: Sequence[Event]
    evidence: Evidence

    def write(self, path: Path) -> None:
        """Writes it as JSON, with the stories of the jobs that faults name."""
        lives, blows = self.evidence.lives, recovery.met(self.evidence)
        unexplained = recovery.unexplained_reruns(self.evidence, blows)
        text = " ".join([self.faults, *unexplained])
        self.save(
            path,
            **{"runs broken off by no blow": unexplained},
            schedule=[asdict(event) for event in self.events],
            strikes=[asdict(strike) for strike in self.evidence.strikes],
            stories={i: [asdict(c) for c in lives[i]] for i in lives if i in text},
        )


def judge(seed: int, events: Sequence[Event], evidence: Evidence) -> Report:
    """All checks and all figures."""
    checks = [
        *check_callers(evidence),
        *check_jobs(evidence),
        *check_effects(evidence),
        *check_orphans(evidence),
        *check_prefetch(evidence),
        *evidence.workflows.checks,
        Check("processes that wrote a stack trace", evidence.traces),
        Check(
            f"recoveries beyond {recovery.SLOW:g} s, Redis being there",
            recovery.slow_recoveries(evidence),
        ),
    ]
    return Report(seed, _figures(evidence), checks, events, evidence)


def _figures(evidence: Evidence) -> Figures:
    blows = recovery.met(evidence)
    struck = Counter(strike.blow for strike in evidence.strikes)
    figures: dict[str, float | int | str] = {
        "acknowledged": len(evidence.said.acks),
        "refused": len(evidence.said.failed),
        "answers unknown, repeated": sum(evidence.said.unknown.values()),
        "kills": sum(count for blow, count in struck.items() if blow.kills),
        **{str(blow): count for blow, count in struck.items()},
        "worker kills with a job in hand": f"{recovery.hit_rate(blows):.0%}",
        "stops after which another worker had the job": recovery.lapsed_stops(blows),
        "runs broken off": recovery.reruns(evidence),
        "of them met by no blow": len(recovery.unexplained_reruns(evidence, blows)),
        "tiny jobs held with others": held_with_others(evidence),
        "slow jobs with a relief": reliefs(evidence),
        "workers killed with several in hand": ambushes(evidence),
        "must not run twice": sum(KINDS[kind].once for kind in evidence.kinds.values()),
        "of them failed, outcome unknown": len(evidence.reasons),
        "workflows": evidence.workflows.count,
        "jobs of workflows": len(evidence.workflows.members),
        "effects applied": len(evidence.applied),
        "deliveries recognised by their key": repeats(evidence),
        "orphans": orphans(evidence),
    }
    for name, calm in (("recovery", False), ("recovery without a restart of redis", True)):
        seconds = recovery.recoveries(evidence, blows, calm=calm)
        p50, p99 = recovery.quantile(seconds, 0.5), recovery.quantile(seconds, 0.99)
        figures[name] = f"p50 {p50:.2f} s, p99 {p99:.2f} s, of {len(seconds)}"
    return figures
