"""A file judged row by row."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from portaria.jobs.errors import PermanentError
from portaria_workers.documents.cells import Value, text_of
from portaria_workers.documents.csv_text import guarded
from portaria_workers.documents.faults import Faults
from portaria_workers.documents.rules import CELLS, DUPLICATE, CellRefused, rules_of
from portaria_workers.documents.seen import Seen
from portaria_workers.documents.v1.documents_pb2 import ProcessFile

MOST_ROWS = 1_000_000

Cell = tuple[Value | None, str]


class Checking:
    """Judges rows; writes the report and the accepted rows to files in a folder."""

    def __init__(
        self,
        folder: Path,
        columns: Sequence[ProcessFile.Column],
        header: Sequence[object],
        *,
        even: bool,
    ) -> None:
        """`even`: each row has as many cells as the header, or it is at fault."""
        self.rows = 0
        self.accepted = 0
        self.rules = rules_of(columns, header)
        self.report = folder / "report.csv"
        self.accepted_rows = folder / "accepted.csv"
        self._width = len(header)
        self._even = even
        self._seen = Seen()
        self._report = self.report.open("w", newline="", encoding="utf-8")
        self._accepted = self.accepted_rows.open("w", newline="", encoding="utf-8")
        self.faults = Faults(self._report)
        self._writer = csv.writer(self._accepted)
        self._writer.writerow([guarded(text_of(name).strip()) for name in header])

    def take(
        self, rows: Iterable[tuple[int, list[object]]], progress: Callable[[int], None]
    ) -> None:
        """Judges all rows; tells how many there are so far, now and then.

        Raises PermanentError TOO_MANY_ROWS.
        """
        for number, cells in rows:
            self.rows += 1
            if self.rows > MOST_ROWS:
                raise PermanentError("TOO_MANY_ROWS", f"a file has at most {MOST_ROWS:,} rows")
            self._judge(number, cells)
            if not self.rows & 1023:
                progress(self.rows)

    def _judge(self, number: int, cells: list[object]) -> None:
        before = self.faults.count
        if len(cells) != self._width:
            if self._even:
                # Which of them is too much, or missing, nobody knows.
                self.faults.add(number, "", CELLS)
                return
            # Sheets leave out what is empty at the end of a row.
            cells = cells[: self._width] + [None] * (self._width - len(cells))
        read = self._read(number, cells)
        if self.faults.count > before:
            return
        self.accepted += 1
        accepted = [guarded(text_of(cell)) for cell in cells]
        for rule, (value, text) in zip(self.rules, read, strict=True):
            rule.summary.add(value, text)
            # What a number or a date begins with is no formula.
            accepted[rule.place] = guarded(text) if type(value) is str else text
        self._writer.writerow(accepted)

    def _read(self, number: int, cells: Sequence[object]) -> list[Cell]:
        read: list[Cell] = []
        for rule in self.rules:
            try:
                cell = rule.read(cells[rule.place])
                if rule.unique and cell[1] and not self._seen.is_new(rule.place, cell[1]):
                    raise CellRefused(DUPLICATE)
            except CellRefused as refused:
                self.faults.add(number, rule.name, refused.reason)
            else:
                read.append(cell)
        return read

    def close(self) -> None:
        """Writes out what is left."""
        self._report.close()
        self._accepted.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        self._seen.__exit__(kind, error, traceback)
