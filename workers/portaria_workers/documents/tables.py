"""Stored files as tables: CSV and workbooks, by their content and not by their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, BinaryIO

from portaria.jobs.errors import PermanentError
from portaria_workers.documents import csv_text
from portaria_workers.documents.headers import TITLES, place_of_header
from portaria_workers.documents.sheet_rows import MOST_COLUMNS
from portaria_workers.documents.workbook import open_workbook

_ZIP_OR_COMPOUND = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")


@dataclass(frozen=True, slots=True)
class Table:
    """A header and the rows below it."""

    header: Sequence[object]
    rows: Iterator[tuple[int, list[object]]]
    """With their numbers, as people count them in the file; rows without content are left out."""
    total: int
    """About how many rows; 0 where nobody knows."""
    even: bool
    """Whether each row has all of its cells; sheets leave out those at the end."""


@contextmanager
def table_of(file: BinaryIO, sheet: str = "", wanted: Iterable[str] = ()) -> Iterator[Table]:
    """Reads a CSV, or a sheet of a workbook.

    The header is the first row that names all that is wanted, among the first ten: titles may stand
    above it; where there is none, it is the first row. Raises PermanentError, see csv_text.py and
    workbook.py; EMPTY_FILE where there is no row.
    """
    if is_workbook(file):
        book = open_workbook(file)
        header, rows = _below_header(book.rows(book.find(sheet)), wanted)
        yield Table(header, rows, 0, even=False)
        return
    with csv_table_of(file, wanted) as table:
        yield table


@contextmanager
def csv_table_of(file: BinaryIO, wanted: Iterable[str] = ()) -> Iterator[Table]:
    """Reads a CSV, as `table_of` does."""
    wanted = list(wanted)
    with csv_text.rows_of(file, wanted) as (form, numbered):
        header, rows = _below_header(numbered, wanted)
        yield Table(header, rows, form.lines - 1, even=True)


def is_workbook(file: BinaryIO) -> bool:
    """Whether it begins like one, or like what people take for one."""
    file.seek(0)
    found = file.read(4).startswith(_ZIP_OR_COMPOUND)
    file.seek(0)
    return found


def _below_header(
    rows: Iterator[tuple[int, list[Any]]], wanted: Iterable[str]
) -> tuple[list[Any], Iterator[tuple[int, list[Any]]]]:
    first = list(islice(rows, TITLES))
    if not first:
        raise PermanentError("EMPTY_FILE", "the file has no rows")
    place = place_of_header((cells for _, cells in first), wanted) or 0
    header = first[place][1]
    if len(header) > MOST_COLUMNS:
        raise PermanentError("TOO_MANY_COLUMNS", f"a file has at most {MOST_COLUMNS} columns")
    return header, chain(first[place + 1 :], rows)
