"""What a proof of watches came to: for people, and as JSON with the seed that replays it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from robustness.doors import Strike
from robustness.verdict import Figures, Verdict
from robustness.watched import Watch


@dataclass(frozen=True, slots=True)
class Report(Verdict):
    """The outcome of one run."""

    watches: Sequence[Watch]
    strikes: Sequence[Strike]

    def write(self, path: Path) -> None:
        """Writes it as JSON, with the journals that faults name."""
        faults = self.faults
        self.save(
            path,
            strikes=[asdict(strike) for strike in self.strikes],
            journals=[asdict(watch) for watch in self.watches if watch.name in faults],
        )


def figures_of(
    watchers: int, watches: Sequence[Watch], met: Sequence[tuple[Strike, int]], kills: int
) -> Figures:
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
