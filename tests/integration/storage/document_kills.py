"""Kills children that complete one document over and over, as repeated runs of a job would.

python document_kills.py SCRATCH ROUNDS
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from portaria.storage.documents import Documents, open_documents
from portaria.storage.registry import Registry

ID = "ab" * 16
_AT_THE_ROW, _ANY = "at-the-row", "any"


def run(source: Path, moment: str) -> None:
    """The child: runs of one job until it is killed."""
    documents = open_documents()
    document = documents.reserve(
        namespace="default", kind="report", filename="a.pdf", content_type="application/pdf",
        document_id=ID, job_id="job-1",
    )  # fmt: skip
    if moment == _AT_THE_ROW:
        Registry.complete = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore
    print("reserved", flush=True)
    while True:
        source.write_bytes(random.randbytes(random.choice((0, 1_000, 300_000))))
        documents.complete(document, source)


def check(documents: Documents) -> None:
    """What the row names is there and whole."""
    document = documents.get(ID, namespace="default")
    if document.key:
        with documents.reading(document) as file:
            content = file.read()
        assert hashlib.sha256(content).hexdigest() == document.sha256
        assert len(content) == document.size


def main(scratch: Path, rounds: int) -> None:
    """Fails with AssertionError. Children are started by a process that has opened nothing."""
    for number in range(rounds):
        moment = _AT_THE_ROW if number % 4 == 0 else _ANY
        child = os.fork()
        if child == 0:
            reader, writer = os.pipe()
            grandchild = os.fork()
            if grandchild == 0:
                os.dup2(writer, 1)
                run(scratch / "source", moment)
            os.read(reader, 8)
            if moment == _ANY:
                time.sleep(random.uniform(0, 0.1))
                os.kill(grandchild, signal.SIGKILL)
            os.waitpid(grandchild, 0)
            check(open_documents())
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    subprocess.run([sys.executable, __file__, str(scratch), "finish"], check=True, timeout=30)


def finish(scratch: Path) -> None:
    """A last run that nobody kills."""
    documents = open_documents()
    (scratch / "source").write_bytes(b"final")
    documents.complete(documents.get(ID, namespace="default"), scratch / "source")


if __name__ == "__main__":
    if sys.argv[2] == "finish":
        finish(Path(sys.argv[1]))
    else:
        main(Path(sys.argv[1]), int(sys.argv[2]))
