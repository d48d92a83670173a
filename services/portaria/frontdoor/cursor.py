"""Cursors: places in the history of state changes, opaque to callers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from portaria.core.errors import InvalidRequest, Violation

_SHAPE = re.compile(r"([0-9a-f]{1,32})\.(?:(\d{1,20}-\d{1,20})|empty-(\d{1,20}))\Z")
# As in prelude.lua: no younger entry is ever trimmed.
_KEPT_MS = 600_000


def entry_order(entry_id: str | bytes) -> tuple[int, int]:
    """Entries of a stream in their order: text would sort "9-0" after "10-0"."""
    text = entry_id.decode() if isinstance(entry_id, bytes) else entry_id
    milliseconds, _, number = text.partition("-")
    return int(milliseconds), int(number or 0)


@dataclass(frozen=True, slots=True)
class Cursor:
    """After one entry of one generation of the store.

    Where there was no entry at all yet, `empty_ms` is when that was seen (and entry_id "0-0"):
    so a first entry that came later is not taken for one whose predecessors were trimmed.
    """

    generation: str
    entry_id: str
    empty_ms: int = 0

    def __str__(self) -> str:
        place = f"empty-{self.empty_ms}" if self.entry_id == "0-0" else self.entry_id
        return f"{self.generation}.{place}"

    @property
    def order(self) -> tuple[int, int]:
        """For comparison with entries."""
        return entry_order(self.entry_id)


def parse_cursor(text: str) -> Cursor:
    """Reads what `str(cursor)` wrote. Raises InvalidRequest."""
    found = _SHAPE.match(text)
    if not found:
        raise InvalidRequest([Violation("cursor", "FORMAT", "is not a cursor of this service")])
    generation, entry_id, empty_ms = found.groups()
    return Cursor(generation, entry_id or "0-0", int(empty_ms or 0))


def is_trimmed(cursor: Cursor, *, oldest: str, now_ms: int) -> bool:
    """Whether state changes after the cursor may be gone. `oldest` is "0-0" for an empty stream."""
    if cursor.entry_id == "0-0":
        return oldest != "0-0" and now_ms - cursor.empty_ms >= _KEPT_MS
    # An entry goes with all before it: while the cursor's own is there, so is what follows.
    return oldest == "0-0" or cursor.order < entry_order(oldest)
