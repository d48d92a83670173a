"""What callers wanted and what they were told: append-only logs of JSON lines, one writer each."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


class Journal:
    """One writer's log. A line is on its way to the file before the next step is taken."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)

    def intent(self, request_id: str, kind: str) -> None:
        """Before the first call of a request."""
        self._note("intent", request_id, kind=kind)

    def ack(self, request_id: str, job_id: str) -> None:
        """The door took it."""
        self._note("ack", request_id, job_id=job_id)

    def failed(self, request_id: str, code: str) -> None:
        """The door refused it for good."""
        self._note("failed", request_id, code=code)

    def unknown(self, request_id: str, code: str) -> None:
        """Nobody knows; the same request follows until it is acknowledged or refused."""
        self._note("unknown", request_id, code=code)

    def close(self) -> None:
        """Ends the log."""
        self._file.close()

    def _note(self, what: str, request_id: str, **more: str) -> None:
        line = {"t": round(time.time(), 4), "what": what, "request_id": request_id, **more}
        self._file.write(json.dumps(line) + "\n")


@dataclass(frozen=True, slots=True)
class Said:
    """All the logs, read."""

    intents: dict[str, str] = field(default_factory=dict)
    """request id -> kind."""
    acks: dict[str, str] = field(default_factory=dict)
    """request id -> job id."""
    failed: dict[str, str] = field(default_factory=dict)
    """request id -> code."""
    unknown: Counter[str] = field(default_factory=Counter)
    """code -> how often."""
    faults: list[str] = field(default_factory=list)
    """What contradicts itself in what callers were told."""


def read(paths: Iterable[Path]) -> Said:
    """Reads the logs of all writers."""
    said = Said()
    for path in sorted(paths):
        with path.open() as lines:
            for line in lines:
                _take(said, json.loads(line))
    answered = said.acks.keys() | said.failed.keys()
    said.faults.extend(
        f"{request_id}: neither acknowledged nor refused"
        for request_id in said.intents.keys() - answered
    )
    return said


def _take(said: Said, line: dict[str, str]) -> None:
    request_id = line["request_id"]
    match line["what"]:
        case "intent":
            said.intents[request_id] = line["kind"]
        case "ack":
            known = said.acks.setdefault(request_id, line["job_id"])
            if known != line["job_id"] or request_id in said.failed:
                said.faults.append(f"{request_id}: a second answer, {line['job_id']}")
        case "failed":
            said.failed[request_id] = line["code"]
            if request_id in said.acks:
                said.faults.append(f"{request_id}: refused after it was acknowledged")
        case _:
            said.unknown[line["code"]] += 1
