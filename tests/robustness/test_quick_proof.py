"""The quick proof: the whole system, worked and killed for some seconds, loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from robustness import prefetch, recovery
from robustness.chaos import quick_plan
from robustness.proof import prove
from robustness.schedule import Blow

SEED = 3
LEASE = 6.0


@pytest.mark.timeout(120)
def test_nothing_is_lost_while_everything_is_killed(tmp_path: Path) -> None:
    """Every acknowledged job ends once, each guarded effect arrives once, nothing is left over."""
    report = prove(quick_plan(SEED), tmp_path)
    print(report)

    strikes = report.evidence.strikes
    stops = [strike for strike in strikes if strike.blow is Blow.STOP]
    assert len(report.evidence.said.acks) >= 2_000
    assert sum(strike.blow.kills for strike in strikes) >= 25
    assert sum(strike.blow is Blow.REDIS for strike in strikes) >= 2
    assert sum(strike.seconds > LEASE for strike in stops) >= 3
    assert int(report.figures["replies cut"]) >= 20
    assert recovery.hit_rate(recovery.met(report.evidence)) >= 0.6
    assert prefetch.held_with_others(report.evidence) >= 200
    assert int(report.figures["must not run twice"]) >= 40
    assert not report.violations, f"seed {SEED}: {[str(each) for each in report.violations]}"
