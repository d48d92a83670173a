"""A file without a name: whatever kills its process, nothing stays behind."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO


def scratch_csv() -> IO[str]:
    """Opened for writing; gone when it is closed."""
    return tempfile.TemporaryFile("w", encoding="utf-8", newline="")


def path_of(file: IO[str]) -> Path:
    """Where this process finds what was written so far, while it is open."""
    file.flush()
    return Path(f"/proc/self/fd/{file.fileno()}")
