"""Where and of what a measurement was made."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench import rivals
from portaria.up.redis_server import find_binary, version_of

_TOP = Path(__file__).parents[2]
_DISTRIBUTIONS = ("rq", "redis", "hiredis", "grpcio", "protobuf", "uvloop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What figures depend on."""

    commit: str
    """With "+dirty" where the tree differs from it."""
    date: str
    cores: int
    cpu: str
    versions: Mapping[str, str]


def this_machine() -> Machine:
    """The present one."""
    found = {
        "python": platform.python_version(),
        "redis-server": ".".join(map(str, version_of(find_binary()))),
    }
    return Machine(
        commit=_commit(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        cores=os.cpu_count() or 0,
        cpu=_cpu(),
        versions=found | {name: version(name) for name in _DISTRIBUTIONS} | rivals.versions(),
    )


def _commit() -> str:
    head = _git("rev-parse", "--verify", "--quiet", "HEAD") or "no commit"
    return head + ("+dirty" if _git("status", "--porcelain") else "")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=_TOP, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")
