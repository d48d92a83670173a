"""What a stored file is, by its bytes, and whether it can be opened."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from portaria.jobs.errors import PermanentError
from portaria.storage.document import Document
from portaria_workers.documents.tables import table_of
from portaria_workers.documents.workbook import CONTENT_TYPE as WORKBOOK

PDF = "application/pdf"
CSV = "text/csv"
LARGEST_PDF = 100 * 1024 * 1024
"""Bytes."""
MOST_PAGES = 10_000

_BLOCK = 1024 * 1024
_MAGIC = {
    b"%PDF-": PDF,
    b"PK\x03\x04": WORKBOOK,
    b"\xd0\xcf\x11\xe0": WORKBOOK,
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
}
_BY_NAME = {
    ".pdf": PDF,
    ".xlsx": WORKBOOK,
    ".csv": CSV,
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
}
_PASSWORD = 4


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at a file found."""

    content_type: str
    pages: int = 0
    rows: int = 0


def check_unchanged(file: BinaryIO, document: Document) -> None:
    """Raises PermanentError HASH_MISMATCH where the bytes are not those that were registered."""
    file.seek(0)
    digest, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK):
        digest.update(block)
        size += len(block)
    if size != document.size or digest.hexdigest() != document.sha256:
        raise PermanentError("HASH_MISMATCH", "the content is not what was registered")


def look_into(file: BinaryIO, filename: str) -> Found:
    """Opens it as what its bytes say.

    Raises PermanentError EMPTY_FILE; FILE_TYPE where its name says something else; ENCRYPTED,
    CORRUPT, TOO_MANY_PAGES, and what tables say of CSV and workbooks. Files of other types are not
    opened.
    """
    file.seek(0)
    start = file.read(1024)
    if not start:
        raise PermanentError("EMPTY_FILE", "the file is empty")
    said = _BY_NAME.get(PurePosixPath(filename.lower()).suffix, "")
    found = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), "")
    if not found and said == CSV:
        found = CSV
    if said and found != said:
        raise PermanentError("FILE_TYPE", "the content is not what the name of the file says")
    if found == PDF:
        return Found(PDF, pages=_pages(file))
    if said and found in (CSV, WORKBOOK):
        with table_of(file) as table:
            return Found(found, rows=sum(1 for _ in table.rows))
    return Found("" if found == WORKBOOK else found)


def _pages(file: BinaryIO) -> int:
    # Loaded where it is needed: workers that open no PDF start without it.
    import pypdfium2

    file.seek(0)
    content = file.read(LARGEST_PDF + 1)
    if len(content) > LARGEST_PDF:
        raise PermanentError("FILE_TOO_LARGE", f"a PDF has at most {LARGEST_PDF >> 20} MiB")
    if b"%%EOF" not in content[-2048:]:
        raise PermanentError("CORRUPT", "the PDF is cut off")
    try:
        with pypdfium2.PdfDocument(content) as pdf:
            pages = len(pdf)
            if pages > MOST_PAGES:
                raise PermanentError("TOO_MANY_PAGES", f"a PDF has at most {MOST_PAGES:,} pages")
            for number in range(pages):
                # Finds each page without reading what it shows, which takes what strangers like.
                pdf.get_page_size(number)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", 0) == _PASSWORD:
            raise PermanentError("ENCRYPTED", "the PDF has a password") from None
        raise PermanentError("CORRUPT", "the PDF is damaged") from None
    if not pages:
        raise PermanentError("CORRUPT", "the PDF has no pages")
    return pages
