"""Temporary folders of jobs; those that killed processes left are found again, and removed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from tempfile import gettempdir, mkdtemp

PREFIX = "portaria-job-"


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone after the body, or once another job begins where the body was killed.

    A folder is locked while its process lives. The kernel ends the lock however the process ends;
    and unlike its number, that holds where containers share the temporary directory, too.
    """
    _remove_abandoned()
    folder, lock = _new()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _new() -> tuple[Path, int | None]:
    """A folder and its lock, if there are locks where it lies."""
    while True:
        folder = Path(mkdtemp(prefix=PREFIX))
        try:
            return folder, _lock(folder)
        except (BlockingIOError, FileNotFoundError):
            # Another job took it for abandoned before it was locked.
            continue
        except OSError:
            return folder, None


def _remove_abandoned() -> None:
    with os.scandir(gettempdir()) as entries:
        found = [Path(entry.path) for entry in entries if entry.name.startswith(PREFIX)]
    for folder in found:
        # It is in use, somebody else's, or removed by now.
        with suppress(OSError):
            lock = _lock(folder)
            try:
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _lock(folder: Path) -> int:
    """Raises BlockingIOError where it is locked, FileNotFoundError where it is gone, OSError."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        flock(lock, LOCK_EX | LOCK_NB)
        # Whoever had the lock until now may have removed it.
        os.stat(folder)
    except BaseException:
        os.close(lock)
        raise
    return lock
