"""One `portaria up` a data directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portaria.core.errors import ConfigurationError


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Holds the directory, making it where it is missing.

    Raises ConfigurationError that names the holder; the kernel lets go when the holder ends.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data_dir / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"PORTARIA_DATA_DIR: {data_dir} cannot be used: {error.strerror}"
        ) from None
    with open(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read().strip() or "unknown"
            raise ConfigurationError(
                f"{data_dir} is in use by another portaria up (process {holder}); "
                "stop that one, or set PORTARIA_DATA_DIR"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
