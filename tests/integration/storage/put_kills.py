"""Kills children that put one object over and over; each content tells its own length and sum.

python put_kills.py ROOT SCRATCH ROUNDS
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sys
import time
from pathlib import Path

from portaria.storage.local import LocalStore

_KEY = "default/a.bin"


def content(number: int) -> bytes:
    """32 bytes of hash, then what they are of."""
    body = random.Random(number).randbytes(random.Random(-number).choice((10, 100_000, 2_000_000)))
    return hashlib.sha256(body).digest() + body


def put_for_ever(store: LocalStore, sources: list[Path], told: int) -> None:
    """The child."""
    while True:
        for source in sources:
            store.put(_KEY, source, content_type="application/octet-stream")
            os.write(told, b".")


def main(root: Path, scratch: Path, rounds: int) -> None:
    """Fails with AssertionError."""
    store = LocalStore(root)
    sources = []
    for number in range(6):
        sources.append(scratch / f"source-{number}")
        sources[-1].write_bytes(content(number))
    for _ in range(rounds):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            put_for_ever(store, random.sample(sources, len(sources)), writer)
        os.read(reader, 1)
        # At any moment of the next puts.
        time.sleep(random.uniform(0, 0.01))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)
        with store.reading(_KEY) as file:
            found = file.read()
        assert hashlib.sha256(found[32:]).digest() == found[:32], len(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
