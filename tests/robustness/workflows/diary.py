"""What the jobs of a workflow wrote down themselves, in the order in which it happened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Line:
    """One of them."""

    at: int
    """Its number."""
    word: str
    """begin, read, end or fail."""
    name: str
    job_id: str
    attempt: int
    more: str = ""


def read(path: Path) -> list[Line]:
    """All of them; none where nothing has begun yet."""
    if not path.exists():
        return []
    found = []
    for number, text in enumerate(path.read_text().splitlines()):
        word, name, job_id, attempt, *more = text.split()
        found.append(Line(number, word, name, job_id, int(attempt), "".join(more)))
    return found
