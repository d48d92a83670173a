"""The texts that a workbook's cells share."""

from __future__ import annotations

from array import array

from portaria.jobs.errors import PermanentError
from portaria_workers.documents.xml_parts import Attributes

MOST = 500_000
LONGEST = 32_767
"""Characters of a cell, as Excel counts them; what is longer was not made by one."""


class SharedTexts:
    """A listener to sharedStrings.xml; then the texts, by their numbers.

    Kept as UTF-8, one behind the other: as strings of their own they would take four bytes for each
    character of a text that has one emoji, and fifty more for each text.
    """

    def __init__(self) -> None:
        self._kept = bytearray()
        self._ends = array("Q")
        self._pieces: list[str] = []
        self._length = 0
        self._open = False
        self._phonetic = False

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, number: int) -> str:
        """Of one that there is, counted from 0."""
        start = self._ends[number - 1] if number else 0
        return self._kept[start : self._ends[number]].decode()

    def start(self, name: str, attributes: Attributes) -> None:
        """See Listener."""
        if name == "t":
            self._open = not self._phonetic
        elif name == "rPh":
            self._phonetic = True
        elif name == "si":
            self._pieces.clear()
            self._length = 0

    def end(self, name: str) -> None:
        """See Listener."""
        if name == "t":
            self._open = False
        elif name == "rPh":
            self._phonetic = False
        elif name == "si":
            if len(self._ends) >= MOST:
                raise PermanentError("TOO_MANY_CELLS", f"a workbook has at most {MOST:,} texts")
            for piece in self._pieces:
                self._kept += piece.encode()
            self._ends.append(len(self._kept))

    def text(self, text: str) -> None:
        """See Listener."""
        if self._open:
            self._length += len(text)
            check_length(self._length)
            self._pieces.append(text)


def check_length(length: int) -> None:
    """Raises PermanentError CORRUPT where a cell cannot be that long."""
    if length > LONGEST:
        raise PermanentError("CORRUPT", f"a cell has more than {LONGEST:,} characters")
