"""A stored list of recipients, read as a stream: a CSV of up to 100,000 rows in little memory."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from typing import TYPE_CHECKING, BinaryIO

from portaria.core.errors import Violation
from portaria.jobs import PermanentError
from portaria_workers.mail.recipients import MOST_VIOLATIONS, check_header, values_of

if TYPE_CHECKING:
    from portaria.storage.document import Document
    from portaria.storage.documents import Documents

MOST_ROWS = 100_000
LARGEST_FILE = 256 * 1024 * 1024
LONGEST_ROW = 1024 * 1024
"""Bytes of a file, characters of a row, which may have many lines."""


@dataclass(frozen=True, slots=True)
class Row:
    """One recipient as the list has it."""

    place: str
    """For whoever looks it up: `row 5`, by its last line in the file."""
    address: str
    variables: dict[str, str]
    faults: tuple[str, ...] = ()
    """What is wrong with the row's form."""


@dataclass(frozen=True, slots=True)
class StoredList:
    """The rows of one document; each walk reads it anew."""

    documents: Documents
    document: Document

    def __iter__(self) -> Iterator[Row]:
        """Raises PermanentError FILE_TOO_LARGE, FILE_INVALID, EMPTY_FILE and TOO_MANY_ROWS."""
        if self.document.size > LARGEST_FILE:
            raise PermanentError("FILE_TOO_LARGE", f"the list is over {LARGEST_FILE} bytes")
        with self.documents.reading(self.document) as file:
            yield from rows_of(file)


def rows_of(file: BinaryIO) -> Iterator[Row]:
    """The rows of a CSV in UTF-8, its header in the first; blank lines are skipped.

    Raises PermanentError as StoredList does.
    """
    found = 0
    with _readable(file) as lines:
        reader = csv.DictReader(lines, strict=True)
        wrong = [f"{each.field}: {each.description}" for each in _header_faults(reader)]
        lines.end_row()
        if wrong:
            raise PermanentError("FILE_INVALID", "; ".join(wrong))
        for cells in _numbered(reader):
            lines.end_row()
            found += 1
            if found > MOST_ROWS:
                raise PermanentError("TOO_MANY_ROWS", f"the list has more than {MOST_ROWS:,} rows")
            address, variables, faults = values_of(cells)
            yield Row(f"row {reader.line_num}", address, variables, faults)
    if not found:
        raise PermanentError("EMPTY_FILE", "the list names no recipients")


def _header_faults(reader: csv.DictReader[str]) -> list[Violation]:
    try:
        return list(check_header(reader.fieldnames or []))[:MOST_VIOLATIONS]
    except csv.Error as error:
        raise PermanentError("FILE_INVALID", f"row 1: {error}") from None


def _numbered(
    reader: csv.DictReader[str],
) -> Iterator[dict[str | None, str | list[str] | None]]:
    try:
        yield from reader
    except csv.Error as error:
        text = f"row {reader.reader.line_num}: {error}"
        raise PermanentError("FILE_INVALID", text) from None


@contextmanager
def _readable(file: BinaryIO) -> Iterator[_Lines]:
    text = TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        yield _Lines(text)
    except UnicodeDecodeError:
        raise PermanentError("FILE_INVALID", "the list is not UTF-8") from None
    finally:
        text.detach()  # who opened the file closes it


class _Lines(Iterator[str]):
    """The lines of a text, as many for a row as it may have characters."""

    def __init__(self, text: TextIOWrapper) -> None:
        self._text = text
        self._number = 0
        self._left = LONGEST_ROW

    def end_row(self) -> None:
        """The reader has one: the next lines are of another."""
        self._left = LONGEST_ROW

    def __next__(self) -> str:
        line = self._text.readline(self._left + 1)
        self._number += 1
        self._left -= len(line)
        if self._left < 0:
            text = f"row {self._number}: has over {LONGEST_ROW:,} characters"
            raise PermanentError("FILE_INVALID", text)
        if not line:
            raise StopIteration
        return line
