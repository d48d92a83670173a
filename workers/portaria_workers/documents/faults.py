"""The faults of a file: the first ones for the result, all of them in a report."""

from __future__ import annotations

import csv
from typing import TextIO

from portaria_workers.documents.csv_text import guarded
from portaria_workers.documents.v1.documents_pb2 import ProcessFileResult

IN_RESULT = 100
IN_REPORT = 1_000_000
_IN_WORDS = 5


class Faults:
    """Writes the report as faults come: row, column, reason."""

    def __init__(self, report: TextIO) -> None:
        self.count = 0
        self.first: list[ProcessFileResult.Fault] = []
        self._writer = csv.writer(report)
        self._writer.writerow(("row", "column", "reason"))

    def add(self, row: int, column: str, reason: str) -> None:
        """A fault; beyond IN_REPORT they are only counted."""
        self.count += 1
        if self.count <= IN_RESULT:
            self.first.append(ProcessFileResult.Fault(row=row, column=column, reason=reason))
        if self.count <= IN_REPORT:
            self._writer.writerow((row, guarded(column), reason))

    def in_words(self) -> str:
        """The first ones, for people; without a value of the file."""
        words = [
            f'row {fault.row}, column "{fault.column}": {fault.reason}'
            if fault.column
            else f"row {fault.row}: {fault.reason}"
            for fault in self.first[:_IN_WORDS]
        ]
        more = self.count - len(words)
        return "; ".join(words) + (f"; and {more:,} more" if more else "")
