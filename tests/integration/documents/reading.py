"""Reads the files that are named, each in a child of its own: what it came to, seconds of the
processor, KiB.

A program of its own, so that what tests imported and made does not count.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time

from portaria.jobs import PermanentError
from portaria_workers.documents.tables import table_of


def main(paths: list[str]) -> None:
    """Prints a line of JSON for each."""
    for path in paths:
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.write(writer, json.dumps(_read(path)).encode())
            os._exit(0)
        os.waitpid(child, 0)
        print(os.read(reader, 4096).decode(), flush=True)


def _read(path: str) -> tuple[str, float, int]:
    began = time.process_time()
    try:
        with open(path, "rb") as file, table_of(file) as table:
            found = str(sum(1 for _ in table.rows))
    except PermanentError as error:
        found = error.reason
    seconds = time.process_time() - began
    return found, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(sys.argv[1:])
