"""What a process takes, read from /proc."""

from __future__ import annotations

import os
from pathlib import Path

from portaria.runtime.vitals import Pulse


def test_a_process_that_computes_and_grows_shows_it() -> None:
    """Its own memory without what it shares, and processor time since the last look."""
    pulse = Pulse(os.getpid())
    before = pulse.take()

    kept = b"x" * (64 << 20)
    enough = os.times().user + 0.05
    while os.times().user < enough:
        sum(range(10_000))
    after = pulse.take()

    assert before is not None
    assert after is not None
    assert (60 << 20) < after.own_bytes - before.own_bytes < (80 << 20)
    assert after.rss_bytes >= after.own_bytes > len(kept)
    assert after.cpu_percent > 0


def test_nobody_has_no_vitals() -> None:
    """A process that is gone, or never was."""
    beyond = int(Path("/proc/sys/kernel/pid_max").read_text()) + 1

    assert Pulse(beyond).take() is None
