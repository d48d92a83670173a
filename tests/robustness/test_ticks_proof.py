"""The quick proof of ticks: schedulers are killed and frozen, and each tick is fired once."""

from __future__ import annotations

from pathlib import Path

import pytest

from robustness.ticking import Plan, prove

SEED = 3


@pytest.mark.timeout(120)
def test_each_tick_is_fired_once_whatever_becomes_of_schedulers(tmp_path: Path) -> None:
    """None missed, none doubled, none early."""
    plan = Plan(seed=SEED, schedulers=3, schedules=60, seconds=10, kills=6, freezes=1)

    verdict = prove(plan, tmp_path / "run")

    print(verdict)
    assert (verdict.figures["killed (SIGKILL)"], len(verdict.checks)) == (6, 5)
    assert int(verdict.figures["ticks fired"]) >= 250
    assert not verdict.violations, f"seed {SEED}: {verdict.faults}"
