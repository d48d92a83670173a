"""What a proof of watches came to: for people, and as JSON with the seed that replays it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from robustness.doors import Strike
from robustness.evidence import Check
from robustness.watched import Watch


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one run."""

    seed: int
    figures: Mapping[str, float | int | str]
    checks: Sequence[Check]
    watches: Sequence[Watch]
    strikes: Sequence[Strike]

    @property
    def violations(self) -> list[Check]:
        """The claims that did not hold."""
        return [check for check in self.checks if check.faults]

    def __str__(self) -> str:
        figures = [f"     {name}: {value}" for name, value in self.figures.items()]
        verdict = f"{len(self.violations)} of {len(self.checks)} claims do not hold"
        return "\n".join([f"seed {self.seed}", *figures, *map(str, self.checks), verdict])

    def write(self, path: Path) -> None:
        """Writes it as JSON, with the journals that faults name."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = " ".join(fault for check in self.checks for fault in check.faults)
        body = {
            "seed": self.seed,
            "figures": self.figures,
            "checks": {check.name: list(check.faults) for check in self.checks},
            "strikes": [asdict(strike) for strike in self.strikes],
            "journals": [asdict(watch) for watch in self.watches if f"{watch.name}" in text],
        }
        path.write_text(json.dumps(body, indent=1, default=str) + "\n")


def figures_of(
    watchers: int, watches: Sequence[Watch], met: Sequence[tuple[Strike, int]], kills: int
) -> dict[str, float | int | str]:
    """For the report. `kills` are those in mid-stream."""
    seen = [each.kind for watch in watches for each in watch.seen]
    crossings = [watch for watch in watches if watch.broken_off]
    broken = [count for _, count in met]
    return {
        "watchers": watchers,
        "watches": len(watches),
        "jobs": len({job_id for watch in watches for job_id in watch.job_ids}),
        "state changes told": seen.count("state_change"),
        "progress told": seen.count("progress"),
        "kills": sum(len(strike.doors) for strike, _ in met),
        "of them in mid-stream": kills,
        "of them SIGTERM": sum(len(s.doors) for s, _ in met if s.signal == "SIGTERM"),
        "of them both doors at once": sum(len(s.doors) for s, _ in met if len(s.doors) > 1),
        "streams broken off": sum(broken),
        "by one strike": f"median {median(broken or [0]):g}, least {min(broken, default=0)}",
        "watches that were broken off and went on": len(crossings),
        "most often": max((watch.broken_off for watch in watches), default=0),
    }
