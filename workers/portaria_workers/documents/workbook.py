"""Workbooks (XLSX) read row by row, from strangers: in bounded memory, whatever they hold.

Parsed here and not by a library that reads a sheet whole: two cells at opposite corners make such
a one ask for half a terabyte, and none of them tells a formula without a value from an empty cell.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from portaria.jobs.errors import PermanentError
from portaria_workers.documents.archive import open_archive
from portaria_workers.documents.sheet_rows import SheetRows
from portaria_workers.documents.sheet_styles import Styles
from portaria_workers.documents.sheet_texts import SharedTexts
from portaria_workers.documents.xml_parts import Attributes, Gathering, parse, parsing

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LARGEST_PART = 8 * 1024 * 1024
"""Bytes of one that holds neither cells nor texts; its size was verified when it was inflated."""
_MAIN = "spreadsheetml.sheet.main+xml"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of a workbook."""

    name: str
    part: str
    hidden: bool


class Workbook:
    """A workbook that passed the checks of its zip and its parts."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        types = self._content_types()
        self._refuse_active_parts(types)
        main = next((name for name, kind in types.items() if kind.endswith(_MAIN)), "")
        if not main:
            raise PermanentError("FILE_TYPE", "the file is a zip, but no workbook (.xlsx)")
        self._targets = self._relations(main)
        self._since_1904 = False
        self.sheets = self._read_sheets(main)

    def find(self, name: str = "") -> Sheet:
        """The sheet of that name; without, the first that is not hidden.

        Raises PermanentError SHEET_MISSING, which names those that there are.
        """
        for sheet in self.sheets:
            if sheet.name.casefold() == name.casefold() or (not name and not sheet.hidden):
                return sheet
        names = ", ".join(f'"{each.name[:31]}"' for each in self.sheets[:20])
        raise PermanentError("SHEET_MISSING", f'there is no sheet "{name}", but {names or "none"}')

    def rows(self, sheet: Sheet) -> Iterator[tuple[int, list[object]]]:
        """Its rows that hold anything, with their numbers; cells are str, int, Decimal, bool, date,
        datetime, CellFault, UNCALCULATED or None.

        Raises PermanentError CORRUPT, TOO_MANY_ROWS or TOO_MANY_COLUMNS while rows are taken.
        """
        texts, styles = SharedTexts(), Styles(since_1904=self._since_1904)
        if part := self._targets.get("sharedStrings"):
            with self._open(part[0]) as file:
                parse(file, texts)
        if part := self._targets.get("styles"):
            self._parse(part[0], styles)
        gathered = SheetRows(texts, styles)
        with self._open(sheet.part) as file:
            for _ in parsing(file, gathered):
                yield from gathered.take()

    def _content_types(self) -> dict[str, str]:
        types: dict[str, str] = {}

        def start(name: str, attributes: Attributes) -> None:
            if name == "Override":
                part = attributes.get("PartName", "").lstrip("/")
                types[part] = attributes.get("ContentType", "")

        self._parse("[Content_Types].xml", Gathering(start), otherwise="FILE_TYPE")
        return types

    def _refuse_active_parts(self, types: dict[str, str]) -> None:
        names = [name.lower() for name in self._archive.namelist()]
        macros = any("macroenabled" in kind.lower() for kind in types.values())
        if macros or any(name.endswith("vbaproject.bin") for name in names):
            raise PermanentError("MACROS", "the workbook has macros: save it as .xlsx")
        if any("/externallinks/" in name for name in names):
            raise PermanentError("EXTERNAL_LINKS", "the workbook has links to other workbooks")

    def _relations(self, main: str) -> dict[str, list[str]]:
        """Parts that the workbook refers to: by their ids, and by the last word of their types."""
        folder, name = posixpath.split(main)
        found: dict[str, list[str]] = {}

        def start(name: str, attributes: Attributes) -> None:
            if name != "Relationship" or attributes.get("TargetMode") == "External":
                return
            target = attributes.get("Target", "")
            part = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
            kind = attributes.get("Type", "").rpartition("/")[2]
            found.setdefault(kind, []).append(part)
            found[f"#{attributes.get('Id', '')}"] = [part]

        self._parse(posixpath.join(folder, "_rels", f"{name}.rels"), Gathering(start))
        return found

    def _read_sheets(self, main: str) -> list[Sheet]:
        sheets: list[Sheet] = []

        def start(name: str, attributes: Attributes) -> None:
            if name == "workbookPr":
                self._since_1904 = attributes.get("date1904") in ("1", "true")
            elif name == "sheet":
                key = next((key for key in attributes if key.endswith(":id")), "")
                part = self._targets.get(f"#{attributes.get(key, '')}", [""])[0]
                hidden = attributes.get("state", "visible") != "visible"
                # Charts have a sheet of their own, without cells.
                if part in self._targets.get("worksheet", ()):
                    sheets.append(Sheet(attributes.get("name", ""), part, hidden))

        self._parse(main, Gathering(start))
        return sheets

    def _parse(self, part: str, listener: Gathering | Styles, otherwise: str = "CORRUPT") -> None:
        """Reads a part that describes others; these are small in every workbook."""
        with self._open(part, otherwise) as file:
            if self._archive.getinfo(part).file_size > LARGEST_PART:
                raise PermanentError("CORRUPT", "the workbook has parts of a size that none has")
            parse(file, listener)

    @contextmanager
    def _open(self, part: str, otherwise: str = "CORRUPT") -> Iterator[BinaryIO]:
        try:
            file = self._archive.open(part)
        except KeyError:
            words = "the file is a zip, but no whole workbook (.xlsx)"
            raise PermanentError(otherwise, words) from None
        with file:
            yield file  # type: ignore[misc]  # an IO[bytes] that only reads


def open_workbook(file: BinaryIO) -> Workbook:
    """Raises PermanentError, see archive.py; and MACROS or EXTERNAL_LINKS."""
    return Workbook(open_archive(file))
