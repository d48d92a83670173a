"""Memory of processes, as the kernel counts it."""

from __future__ import annotations

import re
from pathlib import Path


def pss(pid: int) -> int:
    """Bytes of one process; what it shares with others counts by its share."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB$", text, re.MULTILINE)
    assert found, "this kernel has no smaps_rollup"
    return int(found[1]) * 1024
