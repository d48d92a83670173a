"""Rows written to a workbook (XLSX), in constant memory and with types.

Text is written as text, whatever it begins with. What a cell of a workbook cannot hold exactly
is written as text, too: whole numbers of more than 15 digits, and days before 1900.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Self

import xlsxwriter
from xlsxwriter.exceptions import XlsxWriterException
from xlsxwriter.utility import xl_rowcol_to_cell
from xlsxwriter.worksheet import Worksheet

from portaria.jobs.errors import PermanentError
from portaria_workers.documents.cells import text_of
from portaria_workers.documents.sheet_cells import NotHeld, Put, put_of, width_of, width_of_total
from portaria_workers.documents.sheet_formats import Formats
from portaria_workers.documents.totals import Total
from portaria_workers.documents.v1.documents_pb2 import CELL_TYPE_TEXT

ROWS_OF_A_SHEET = 1_048_576
MOST_ROWS = 5_000_000
WIDTHS_FROM = 100
"""Rows that a column's width is taken from."""

Row = tuple[int, Sequence[object]]
"""Its number in the source, for people, and its cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the sheet."""

    index: int
    """Of the cell in the source's rows."""
    name: str
    title: str
    type: int
    """A CellType."""
    currency: str = ""
    total: int = 0
    """A Total of ExportSpreadsheet."""
    width: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the workbook looks like."""

    columns: Sequence[Column]
    sheet: str
    title: str
    locale: str
    autofilter: bool
    lenient: bool
    created: datetime


@dataclass(slots=True)
class Written:
    """What became of the rows."""

    rows: int = 0
    cells_as_text: int = 0
    cut: int = 0
    """Texts that were longer than a cell may be."""
    not_in_totals: int = 0
    """Of cells_as_text, those whose column has a total, which is of numbers."""


class SpreadsheetWriter:
    """Writes one workbook. Rows beyond what a sheet holds go on in further sheets."""

    def __init__(
        self, path: Path, layout: Layout, *, rows_of_a_sheet: int = ROWS_OF_A_SHEET
    ) -> None:
        self._layout = layout
        self._book = xlsxwriter.Workbook(
            str(path),
            {"constant_memory": True, "tmpdir": str(path.parent), "use_zip64": True},
        )
        self._book.set_properties(
            {"title": layout.title or layout.sheet, "author": "Portaria", "created": layout.created}
        )
        self._formats = Formats(self._book, layout.locale)
        self._header = 2 if layout.title else 0
        # The last row of a sheet is kept for the totals.
        self._room = rows_of_a_sheet - self._header - 2
        self._totals = [Total(column.total, column.type) for column in layout.columns]
        self._sheets: list[tuple[str, int]] = []
        """Their names, and the last row of each."""
        self._widths: list[int] = []
        self.written = Written()

    def write(self, rows: Iterable[Row], progress: Callable[[int], None]) -> Written:
        """Writes all rows; tells how many there are so far, now and then.

        Raises PermanentError CELL_TYPE, TOTAL_TYPE, CELL_LENGTH, TABLE_CELLS or TOO_MANY_ROWS.
        """
        rows = iter(rows)
        first = list(islice(rows, WIDTHS_FROM))
        self._widths = [
            column.width or width_of(column, [cells for _, cells in first])
            for column in self._layout.columns
        ]
        rows = chain(first, rows)
        more: Row | None = None
        while not self._sheets or more is not None:
            # Whether there is another sheet is known by the row that begins it.
            more = self._write_sheet(chain([more] if more else [], rows), rows, progress)
        return self.written

    def close(self) -> None:
        """Packs the workbook; without, there is none."""
        self._book.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the library's files where the workbook was given up; it has no word for that."""
        for sheet in self._book.worksheets():
            sheet._opt_close()

    def _write_sheet(
        self, rows: Iterator[Row], rest: Iterator[Row], progress: Callable[[int], None]
    ) -> Row | None:
        """Writes a sheet; answers the first row of the next one."""
        name = self._next_name()
        sheet = self._add_sheet(name)
        self._write_head(sheet)
        last = self._write_rows(sheet, islice(rows, self._room), progress)
        self._sheets.append((name, last))
        more = next(rest, None)
        if more is None:
            self._write_totals(sheet, last + 1)
        if self._layout.autofilter:
            sheet.autofilter(self._header, 0, max(last, self._header), len(self._widths) - 1)
        return more

    def _add_sheet(self, name: str) -> Worksheet:
        try:
            # Excel keeps that one to itself.
            if name.casefold() != "history":
                return self._book.add_worksheet(name)
        except XlsxWriterException:
            pass
        raise PermanentError("SHEET_NAME", "no sheet of a workbook has that name")

    def _next_name(self) -> str:
        if not self._sheets:
            return self._layout.sheet
        ending = f" ({len(self._sheets) + 1})"
        return self._layout.sheet[: 31 - len(ending)] + ending

    def _write_head(self, sheet: Worksheet) -> None:
        formats, columns = self._formats, self._layout.columns
        if self._layout.title:
            sheet.set_row(0, 24)
            put_of(sheet, 0, formats.title)(0, self._layout.title)
        for place, (column, width) in enumerate(zip(columns, self._widths, strict=True)):
            sheet.set_column(place, place, width, formats.of(column.type, column.currency))
        for place, column in enumerate(columns):
            put = put_of(sheet, place, formats.header(column.type), cut=True)
            put(self._header, column.title)
        sheet.freeze_panes(self._header + 1, 0)
        sheet.repeat_rows(self._header)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.set_paper(9)

    def _write_rows(
        self, sheet: Worksheet, rows: Iterator[Row], progress: Callable[[int], None]
    ) -> int:
        """Answers the last row that was written to."""
        plan = self._plan(sheet)
        place, done = self._header, self.written.rows
        for number, cells in rows:
            place += 1
            for put, index, column in plan:
                try:
                    put(place, cells[index])
                except ValueError as error:
                    self._put_as_text(sheet, place, column, cells[index], number, error)
            done += 1
            if not done & 1023:
                _check_rows(done)
                self.written.rows = done
                progress(done)
        _check_rows(done)
        self.written.rows = done
        return place

    def _plan(self, sheet: Worksheet) -> list[tuple[Put, int, int]]:
        plan = []
        for place, (column, total) in enumerate(
            zip(self._layout.columns, self._totals, strict=True)
        ):
            shown = self._formats.of(column.type, column.currency)
            put = put_of(sheet, place, shown, column.type, total.add if total.wanted else None)
            plan.append((put, column.index, place))
        return plan

    def _put_as_text(
        self,
        sheet: Worksheet,
        row: int,
        place: int,
        raw: object,
        number: int,
        error: ValueError,
    ) -> None:
        column = self._layout.columns[place]
        total = self._totals[place]
        # Of text, only its length can be wrong.
        long = column.type == CELL_TYPE_TEXT
        counted = isinstance(error, NotHeld) and total.of_texts
        if not self._layout.lenient and not counted:
            where = f'row {number}, column "{column.name}"'
            if long:
                raise PermanentError("CELL_LENGTH", f"{where}: longer than a cell may be") from None
            if isinstance(error, NotHeld):
                words = f"{where}: a workbook holds it as text only, and no total has it"
                raise PermanentError("TOTAL_TYPE", words) from None
            words = f"{where}: not of the column's type"
            raise PermanentError("CELL_TYPE", words) from None
        if long:
            self.written.cut += 1
        elif not counted:
            self.written.cells_as_text += 1
        put_of(sheet, place, self._formats.text, cut=True)(row, text_of(raw))
        if total.of_texts:
            total.add(1)
        elif total.wanted:
            self.written.not_in_totals += 1

    def _write_totals(self, sheet: Worksheet, row: int) -> None:
        columns = self._layout.columns
        if not self.written.rows or not any(total.wanted for total in self._totals):
            return
        for place, (column, total) in enumerate(zip(columns, self._totals, strict=True)):
            shown = self._formats.total(total.shown_as(column.type), column.currency)
            if total.wanted:
                width = max(self._widths[place], width_of_total(column, total.value))
                cells = self._formats.of(column.type, column.currency)
                sheet.set_column(place, place, column.width or width, cells)
                if total.value is None:
                    sheet.write_blank(row, place, None, shown)
                else:
                    formula = total.formula(self._ranges(place))
                    sheet.write_formula(row, place, formula, shown, total.value)
            elif not place:
                sheet.write_string(row, place, "Total", shown)
            else:
                sheet.write_blank(row, place, None, shown)

    def _ranges(self, place: int) -> str:
        """The cells of a column on all sheets."""
        ranges = []
        for name, last in self._sheets:
            first = xl_rowcol_to_cell(self._header + 1, place)
            cells = f"{first}:{xl_rowcol_to_cell(last, place)}"
            quoted = name.replace("'", "''")
            ranges.append(f"'{quoted}'!{cells}" if len(self._sheets) > 1 else cells)
        return ",".join(ranges)


def _check_rows(rows: int) -> None:
    if rows > MOST_ROWS:
        raise PermanentError("TOO_MANY_ROWS", f"an export has at most {MOST_ROWS:,} rows")
