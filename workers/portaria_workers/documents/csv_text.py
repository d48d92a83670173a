"""CSV as people save it: UTF-8, UTF-16 or Windows' Western set, with commas, semicolons or tabs."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, Self

from portaria.jobs.errors import PermanentError
from portaria_workers.documents.headers import TITLES, place_of_header

LARGEST = 256 * 1024 * 1024
"""Bytes."""
LONGEST_ROW = 1024 * 1024
"""Characters."""

_BLOCK = 1024 * 1024
_SAMPLE = 64 * 1024
_SAMPLE_ROWS = 20
_DELIMITERS = ",;\t|"
_SAID = re.compile(rf'"?sep=([{_DELIMITERS}])"?[\r\n]', re.IGNORECASE)
"""Excel's own first line."""
_FORMULA = re.compile(r"[=+\-@\t\r]")
_OTHERS = (b"PK\x03\x04", b"%PDF-", b"\xd0\xcf\x11\xe0", b"\x89PNG", b"\xff\xd8\xff", b"\x1f\x8b")
_MARKS = {
    # Begins like that of UTF-16.
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True, slots=True)
class Form:
    """How a CSV is written."""

    encoding: str
    delimiter: str
    lines: int
    """At least as many as there are rows, the header included."""
    says_delimiter: bool = False
    """Whether its first line does, and is no row."""


@contextmanager
def rows_of(
    file: BinaryIO, wanted: Iterable[str] = ()
) -> Iterator[tuple[Form, Iterator[tuple[int, list[str]]]]]:
    """How it is written, and its rows with their numbers from 1; blank lines are left out.

    It is read by the delimiter by which a row names all that is wanted. Raises PermanentError
    EMPTY_FILE, FILE_TOO_LARGE, FILE_TYPE or CORRUPT, the last one also while rows are taken.
    """
    form = look_at(file, wanted)
    file.seek(0)
    text = io.TextIOWrapper(file, form.encoding, newline="")
    rows = _numbered(text, form.delimiter)
    if form.says_delimiter:
        next(rows, None)
    try:
        yield form, rows
    finally:
        text.detach()


def look_at(file: BinaryIO, wanted: Iterable[str] = ()) -> Form:
    """Reads it once, from the beginning. Raises as `rows_of`."""
    file.seek(0)
    start = file.read(_SAMPLE)
    if not start.strip():
        raise PermanentError("EMPTY_FILE", "the file is empty")
    if start.startswith(_OTHERS):
        raise PermanentError("FILE_TYPE", "the file is no CSV")
    marked = next((name for mark, name in _MARKS.items() if start.startswith(mark)), "")
    if marked == "utf-32" or (not marked and start.count(b"\0") * 4 > len(start)):
        words = "is no text, or UTF-32, or UTF-16 without a mark at its beginning"
        raise PermanentError("FILE_TYPE", f"the file {words}: save it as UTF-8")
    encoding, lines = _read_through(file, start, marked)
    sample = codecs.getincrementaldecoder(encoding)("replace").decode(start)
    if len(start) == _SAMPLE:
        # It may end within a line.
        sample = sample[: max(sample.rfind("\n"), sample.rfind("\r")) + 1] or sample
    if said := _SAID.match(sample):
        return Form(encoding, said[1], lines, says_delimiter=True)
    return Form(encoding, _delimiter(sample, wanted), lines)


def guarded(text: str) -> str:
    """Text for a CSV that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def _read_through(file: BinaryIO, start: bytes, marked: str) -> tuple[str, int]:
    """The encoding in which all of it can be read, and how many lines it has."""
    decoder = codecs.getincrementaldecoder(marked or "utf-8")()
    decodes, cp1252, size, lines, block = True, True, 0, 1, start
    while block:
        size += len(block)
        lines += block.count(b"\n") or block.count(b"\r")
        if size > LARGEST:
            raise PermanentError("FILE_TOO_LARGE", f"a CSV has at most {LARGEST >> 20} MiB")
        if not marked.startswith("utf-16") and b"\0" in block:
            raise PermanentError("FILE_TYPE", "the file is no text")
        decodes = decodes and _decodes(decoder, block)
        cp1252 = cp1252 and not block.translate(None, _CP1252)
        block = file.read(_BLOCK)
    if decodes and _decodes(decoder, b"", final=True):
        return marked or "utf-8", lines
    if marked:
        raise PermanentError("CORRUPT", f"the text is not {marked}, as its first bytes say")
    return ("cp1252" if cp1252 else "latin-1"), lines


_CP1252 = bytes(set(range(256)) - {0x81, 0x8D, 0x8F, 0x90, 0x9D})


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _delimiter(sample: str, wanted: Iterable[str]) -> str:
    """The one by which a row names all that is wanted, and most rows have as many cells as it."""
    lines, wanted = sample.splitlines(keepends=True), list(wanted)

    def fits(delimiter: str) -> tuple[bool, float, int]:
        try:
            found = filter(None, csv.reader(lines, delimiter=delimiter))
            rows = list(islice(found, TITLES + _SAMPLE_ROWS))
        except csv.Error:
            return False, 0, 0
        place = place_of_header(rows, wanted)
        widths = [len(row) for row in rows[place or 0 :][:_SAMPLE_ROWS]]
        if not widths:
            return False, 0, 0
        several = widths[0] > 1
        return place is not None, widths.count(widths[0]) / len(widths) + several, widths[0]

    return max(_DELIMITERS, key=fits)


def _numbered(text: io.TextIOBase, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    lines, number = _Lines(text), 0
    try:
        for number, row in enumerate(csv.reader(lines, delimiter=delimiter), start=1):
            lines.length = 0
            if row:
                yield number, row
    except csv.Error:
        what = f"after row {number} comes one with a cell, or of a length, that no table has"
        raise PermanentError("CORRUPT", f"{what}: is a quote left open?") from None


class _Lines:
    """The lines of a text, as long as the row that they make up is not too long.

    A row may go over many lines, so who reads row by row would else read all of it at once.
    """

    def __init__(self, text: io.TextIOBase) -> None:
        self._text = text
        self.length = 0
        """Characters since somebody set it to 0."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._text.readline(LONGEST_ROW)
        if not line:
            raise StopIteration
        self.length += len(line)
        if self.length >= LONGEST_ROW:
            raise csv.Error
        return line
