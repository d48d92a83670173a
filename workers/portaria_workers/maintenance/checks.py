"""What a self-test looks at: each check says what it found, and whether that is well."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

_MEMORY = Path("/proc/meminfo")
_BEHIND_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a self-test."""

    name: str
    found: str
    """For people."""
    ill: str = ""
    """A reason, UPPER_SNAKE; empty where all is well."""

    def __str__(self) -> str:
        return f"{self.name}: {self.found}"


def round_trip(ask: Callable[[], object], slowest: float) -> Check:
    """Redis answers within so many seconds."""
    begun = time.perf_counter()
    ask()
    seconds = time.perf_counter() - begun
    found = f"answers within {seconds * 1000:.1f} ms"
    return Check("redis", found, "REDIS_SLOW" if seconds > slowest else "")


def disk(name: str, folder: Path | str, least: int) -> Check:
    """The disk of a folder has so many percent left; of one that does not exist yet, the disk on
    which it would be made."""
    path = Path(folder).absolute()
    there = next(each for each in (path, *path.parents) if each.exists())
    usage = shutil.disk_usage(there)
    return _left(name, usage.free, usage.total, least, "DISK_FULL")


def memory(least: int, source: Path = _MEMORY) -> Check:
    """The machine has so many percent of its memory left."""
    lines = (line.split() for line in source.read_text().splitlines())
    kilobytes = {words[0]: int(words[1]) for words in lines}
    free, total = kilobytes["MemAvailable:"], kilobytes["MemTotal:"]
    return _left("memory", free * 1024, total * 1024, least, "MEMORY_LOW")


def clock(job_id: str, now: float) -> Check:
    """The clock is not behind that of the machine that made the job, which its id tells."""
    seconds = now - (UUID(job_id).int >> 80) / 1000
    if seconds < -_BEHIND_SECONDS:
        return Check("clock", f"{-seconds:.1f} s behind the submitter's", "CLOCK_BEHIND")
    return Check("clock", "not behind the submitter's")


def _left(name: str, free: int, total: int, least: int, reason: str) -> Check:
    percent = 100 * free / total if total else 0.0
    found = f"{percent:.0f} % free of {total / 2**30:.1f} GiB"
    return Check(name, found, reason if percent < least else "")
