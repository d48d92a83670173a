"""Which values a column had: in a temporary file, so that a million take no memory."""

from __future__ import annotations

import sqlite3
from hashlib import blake2b
from types import TracebackType
from typing import Self

_CACHE_KIB = 16 * 1024


class Seen:
    """Digests of values, by column; of 128 bits, so that no two values have the same by chance."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)
        for setting in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KIB}"):
            self._file.execute(f"PRAGMA {setting}")
        self._file.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID")
        # One transaction that never ends: nobody else will read it.
        self._file.execute("BEGIN")

    def is_new(self, column: int, text: str) -> bool:
        """Whether the column did not have it before; remembers it."""
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, salt=b"%d" % column)
        inserted = self._file.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest.digest(),))
        return inserted.rowcount == 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
