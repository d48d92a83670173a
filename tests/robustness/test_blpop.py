"""The oracle on workers that claim as stock RQ does: it must not be content."""

from __future__ import annotations

from pathlib import Path

import pytest

from robustness.chaos import blpop_plan, lost_jobs
from robustness.proof import prove


@pytest.mark.timeout(60)
def test_jobs_claimed_by_blpop_are_missed(tmp_path: Path) -> None:
    """A worker killed between BLPOP and its record loses the job, and the oracle says so."""
    report = prove(blpop_plan(seed=1), tmp_path)

    assert len(report.evidence.said.acks) == 200
    assert lost_jobs(report) > 0
