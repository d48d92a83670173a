"""What a run came to: for people, and as JSON with the seed that replays it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
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
from robustness.workload import KINDS


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one run."""

    seed: int
    events: Sequence[Event]
    figures: Mapping[str, float | int | str]
    checks: Sequence[Check]
    evidence: Evidence

    @property
    def violations(self) -> list[Check]:
        """The claims that did not hold."""
        return [check for check in self.checks if check.faults]

    def __str__(self) -> str:
        figures = [f"     {name}: {value}" for name, value in self.figures.items()]
        verdict = f"{len(self.violations)} of {len(self.checks)} claims do not hold"
        return "\n".join([f"seed {self.seed}", *figures, *map(str, self.checks), verdict])

    def write(self, path: Path) -> None:
        """Writes it as JSON, with the stories of the jobs that faults name."""
        path.parent.mkdir(parents=True, exist_ok=True)
        lives, blows = self.evidence.lives, recovery.met(self.evidence)
        unexplained = recovery.unexplained_reruns(self.evidence, blows)
        faults = (fault for check in self.checks for fault in check.faults)
        text = " ".join([*faults, *unexplained])
        body = {
            "seed": self.seed,
            "figures": self.figures,
            "checks": {check.name: list(check.faults) for check in self.checks},
            "runs broken off by no blow": unexplained,
            "schedule": [asdict(event) for event in self.events],
            "strikes": [asdict(strike) for strike in self.evidence.strikes],
            "stories": {i: [asdict(c) for c in lives[i]] for i in lives if i in text},
        }
        path.write_text(json.dumps(body, indent=1) + "\n")


def judge(seed: int, events: Sequence[Event], evidence: Evidence) -> Report:
    """All checks and all figures."""
    checks = [
        *check_callers(evidence),
        *check_jobs(evidence),
        *check_effects(evidence),
        *check_orphans(evidence),
        *check_prefetch(evidence),
        Check("processes that wrote a stack trace", evidence.traces),
        Check(
            f"recoveries beyond {recovery.SLOW:g} s, Redis being there",
            recovery.slow_recoveries(evidence),
        ),
    ]
    return Report(seed, events, _figures(evidence), checks, evidence)


def _figures(evidence: Evidence) -> dict[str, float | int | str]:
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
        "effects applied": len(evidence.applied),
        "deliveries recognised by their key": repeats(evidence),
        "orphans": orphans(evidence),
    }
    for name, calm in (("recovery", False), ("recovery without a restart of redis", True)):
        seconds = recovery.recoveries(evidence, blows, calm=calm)
        p50, p99 = recovery.quantile(seconds, 0.5), recovery.quantile(seconds, 0.99)
        figures[name] = f"p50 {p50:.2f} s, p99 {p99:.2f} s, of {len(seconds)}"
    return figures
