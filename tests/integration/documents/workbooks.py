"""Workbooks for tests: good ones made by another library, and bad ones made by hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Sequence

from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"

TYPES = f"""<?xml version="1.0"?><Types xmlns="{_PACKAGE}/content-types">
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.\
spreadsheetml.sheet.main+xml"/></Types>"""
BOOK = f"""<?xml version="1.0"?><workbook xmlns="{MAIN}" xmlns:r="{_RELATIONS}"><sheets>\
<sheet name="Dados" sheetId="1" r:id="rId1"/></sheets></workbook>"""
LINKS = f"""<?xml version="1.0"?><Relationships xmlns="{_PACKAGE}/relationships">\
<Relationship Id="rId1" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>@\
</Relationships>"""


def book_of(
    rows: Iterable[Sequence[object]], change: Callable[[Worksheet], object] = lambda _: None
) -> bytes:
    """A workbook with one sheet, which `change` may spoil."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    change(sheet)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def parts_of(content: bytes) -> dict[str, bytes]:
    """The parts of a workbook."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def raw_book(sheet: bytes, **parts: bytes) -> bytes:
    """The least that a workbook is, with this XML as its sheet, and further parts."""
    links = "".join(
        f'<Relationship Id="{name}" Type="{_RELATIONS}/{name}" Target="{name}.xml"/>'
        for name in ("sharedStrings", "styles")
        if f"xl/{name}.xml" in parts
    )
    return zipped(
        {
            "[Content_Types].xml": TYPES.encode(),
            "xl/workbook.xml": BOOK.encode(),
            "xl/_rels/workbook.xml.rels": LINKS.replace("@", links).encode(),
            "xl/worksheets/sheet1.xml": sheet,
            **parts,
        }
    )


def raw_sheet(rows: str, before: str = "") -> bytes:
    """The XML of a sheet with these rows."""
    return (
        f'<?xml version="1.0"?>{before}<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData>'
        "</worksheet>"
    ).encode()
