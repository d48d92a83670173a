"""What a run came to, whatever it was to prove: for people, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robustness.evidence import Check

Figures = Mapping[str, float | int | str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The claims of one run, and the seed that replays it."""

    seed: int
    figures: Figures
    checks: Sequence[Check]

    @property
    def violations(self) -> list[Check]:
        """The claims that did not hold."""
        return [check for check in self.checks if check.faults]

    @property
    def faults(self) -> str:
        """All that speaks against the claims, to look for names in."""
        return " ".join(fault for check in self.checks for fault in check.faults)

    def __str__(self) -> str:
        figures = [f"     {name}: {value}" for name, value in self.figures.items()]
        verdict = f"{len(self.violations)} of {len(self.checks)} claims do not hold"
        return "\n".join([f"seed {self.seed}", *figures, *map(str, self.checks), verdict])

    def save(self, path: Path, **more: Any) -> None:
        """Writes it as JSON, with what else is worth to be kept."""
        path.parent.mkdir(parents=True, exist_ok=True)
        checks = {check.name: list(check.faults) for check in self.checks}
        body = {"seed": self.seed, "figures": self.figures, "checks": checks, **more}
        path.write_text(json.dumps(body, indent=1) + "\n")
