"""What a column holds, in a few figures."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any

from portaria_workers.documents.v1.documents_pb2 import ProcessFileResult

# Sums are exact: a million numbers of 28 digits have 34.
_EXACT = Context(prec=80)


class Summary:
    """Of the cells of accepted rows."""

    def __init__(self, name: str, numbers: bool) -> None:
        self.name = name
        self.filled = 0
        self.empty = 0
        self._numbers = numbers
        self._sum = Decimal(0)
        self._least: Any = None
        self._most: Any = None
        self._texts = ("", "")

    def add(self, value: Any, text: str) -> None:
        """Takes a cell's value and its text."""
        if value is None:
            self.empty += 1
            return
        self.filled += 1
        if self._numbers:
            self._sum = _EXACT.add(self._sum, value)
        elif type(value) in (str, bool):
            return
        # Moments with a zone and without cannot be compared; each text has its own form.
        key = value if self._numbers else text
        if self._least is None:
            self._least = self._most = key
            self._texts = (text, text)
        elif key < self._least:
            self._least, self._texts = key, (text, self._texts[1])
        elif key > self._most:
            self._most, self._texts = key, (self._texts[0], text)

    def to_proto(self) -> ProcessFileResult.Summary:
        """As the result has it."""
        return ProcessFileResult.Summary(
            name=self.name,
            filled=self.filled,
            empty=self.empty,
            min=self._texts[0],
            max=self._texts[1],
            sum=format(self._sum, "f") if self._numbers and self.filled else "",
        )
