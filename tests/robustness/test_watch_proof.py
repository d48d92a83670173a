"""The quick proof of watches: doors are killed in mid-stream, and no watcher notices."""

from __future__ import annotations

from pathlib import Path

import pytest

from robustness.watchproof import prove, quick_plan

SEED = 3


@pytest.mark.timeout(180)
def test_watches_outlive_their_doors(tmp_path: Path) -> None:
    """Every state change of each job is told once and in order, whichever door is killed."""
    report = prove(quick_plan(SEED), tmp_path / "run")
    print(report)

    assert int(report.figures["watchers"]) >= 40
    assert int(report.figures["of them in mid-stream"]) >= 6
    assert int(report.figures["watches that were broken off and went on"]) >= 20
    assert int(report.figures["state changes told"]) >= 500
    assert int(report.figures["progress told"]) >= 100
    assert not report.violations, f"seed {SEED}: {[str(each) for each in report.violations]}"
