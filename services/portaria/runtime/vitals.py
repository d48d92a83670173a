"""How much processor and memory a process takes, read from /proc by whoever watches it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Vitals:
    """One sample."""

    cpu_percent: float
    """Of one core, since the sample before; without programs that it started."""
    rss_bytes: int
    """Resident, what it shares with its parent included."""
    own_bytes: int
    """Without pages of files and of shared memory: what counts against its memory cap."""


class Pulse:
    """Samples one process; costs about 20 microseconds each time."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = time.monotonic(), self._cpu()

    def take(self) -> Vitals | None:
        """The sample; None where the process is gone."""
        now, used = time.monotonic(), self._cpu()
        (then, before), self._before = self._before, (now, used)
        memory = _read(self._pid, "statm").split()
        if len(memory) < 3:
            return None
        resident, shared = int(memory[1]), int(memory[2])
        percent = 100 * (used - before) / max(now - then, 0.001)
        return Vitals(
            cpu_percent=round(max(0.0, percent), 1),
            rss_bytes=resident * _PAGE,
            own_bytes=max(0, resident - shared) * _PAGE,
        )

    def _cpu(self) -> float:
        """Seconds."""
        fields = _read(self._pid, "stat").rpartition(")")[2].split()
        return sum(int(each) for each in fields[11:13]) / _TICKS


def _read(pid: int, name: str) -> str:
    try:
        with open(f"/proc/{pid}/{name}") as file:
            return file.read()
    except OSError:
        return ""
