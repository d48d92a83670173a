"""What a run came to, as it is told and kept."""

from __future__ import annotations

import json
from pathlib import Path

from robustness.doors import Strike
from robustness.evidence import Check
from robustness.watch_report import Report
from robustness.watched import Sight, Watch

SEEN = [Sight("snapshot", "j1", 1_000, "PENDING", 0, entry="1000-0")]
WATCHES = [Watch(name, ["j1"], seen=SEEN) for name in ("sync 1 single", "sync 2 single")]
CHECKS = [
    Check("watchers that raised", ["sync 2 single: oh"]),
    Check("watches without an end", []),
]
REPORT = Report(7, {"kills": 6}, CHECKS, WATCHES, [Strike(12.5, ["door1"], "SIGKILL")])


def test_a_verdict_names_its_seed_and_each_claim() -> None:
    """With what speaks against it."""
    assert str(REPORT).splitlines() == [
        "seed 7",
        "     kills: 6",
        "FAIL watchers that raised: 1",
        "       sync 2 single: oh",
        "ok   watches without an end: 0",
        "1 of 2 claims do not hold",
    ]


def test_what_is_kept_has_the_journals_that_faults_name(tmp_path: Path) -> None:
    """And not those of the watches in which nothing is wrong; its folder need not be there."""
    REPORT.write(tmp_path / "build" / "watches-7.json")

    kept = json.loads((tmp_path / "build" / "watches-7.json").read_text())
    assert list(kept) == ["seed", "figures", "checks", "strikes", "journals"]
    assert [each["name"] for each in kept["journals"]] == ["sync 2 single"]
    assert kept["journals"][0]["seen"][0]["state"] == "PENDING"
    assert kept["strikes"] == [{"at": 12.5, "doors": ["door1"], "signal": "SIGKILL"}]
