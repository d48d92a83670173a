"""The zip that a workbook is, looked through before anything of it is parsed.

Every entry is inflated once and counted, so that what the zip says of itself does not matter.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import BinaryIO

from portaria.jobs.errors import PermanentError

LARGEST = 10 * 1024 * 1024
"""Bytes of the file."""
LARGEST_INFLATED = 100 * 1024 * 1024
"""Bytes of all entries together."""
MOST_ENTRIES = 1_000
HIGHEST_RATIO = 100
"""Of what is inflated to what it was, by entry; from a mebibyte on."""

_BLOCK = 256 * 1024
_RATIO_FROM = 1024 * 1024
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
)


def open_archive(file: BinaryIO) -> zipfile.ZipFile:
    """The zip, in memory and known to be whole and harmless in size.

    Raises PermanentError EMPTY_FILE, FILE_TOO_LARGE, FILE_TYPE, ENCRYPTED, CORRUPT,
    TOO_MANY_ENTRIES or COMPRESSION_RATIO.
    """
    file.seek(0)
    content = file.read(LARGEST + 1)
    _check_content(content)
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        _inflate_all(archive)
    except _BROKEN:
        raise PermanentError("CORRUPT", "the file is damaged or cut off") from None
    return archive


def _check_content(content: bytes) -> None:
    if not content:
        raise PermanentError("EMPTY_FILE", "the file is empty")
    if len(content) > LARGEST:
        raise PermanentError("FILE_TOO_LARGE", f"a workbook has at most {LARGEST >> 20} MiB")
    if content.startswith(_COMPOUND):
        if _ENCRYPTED_PACKAGE in content:
            raise PermanentError("ENCRYPTED", "the workbook has a password")
        raise PermanentError("FILE_TYPE", "a workbook of before 2007 (.xls): save it as .xlsx")
    if not content.startswith(b"PK\x03\x04"):
        raise PermanentError("FILE_TYPE", "the file is no workbook (.xlsx)")
    # Counted here, since reading the directory of a zip takes memory for each entry.
    if content.count(b"PK\x01\x02") > MOST_ENTRIES:
        raise PermanentError("TOO_MANY_ENTRIES", f"a workbook has at most {MOST_ENTRIES:,} parts")


def _inflate_all(archive: zipfile.ZipFile) -> None:
    total = 0
    for entry in archive.infolist():
        if entry.flag_bits & 1:
            raise PermanentError("ENCRYPTED", "the workbook has a password")
        if entry.compress_type not in _METHODS:
            # Others inflate without a bound.
            raise PermanentError("FILE_TYPE", "the parts of a workbook are deflated")
        inflated = 0
        with archive.open(entry) as part:
            while block := part.read(_BLOCK):
                inflated += len(block)
                total += len(block)
                if total > LARGEST_INFLATED:
                    limit = f"{LARGEST_INFLATED >> 20} MiB"
                    raise PermanentError(
                        "FILE_TOO_LARGE", f"inflated, a workbook has at most {limit}"
                    )
                if inflated > max(_RATIO_FROM, HIGHEST_RATIO * entry.compress_size):
                    ratio = f"{HIGHEST_RATIO} times"
                    raise PermanentError(
                        "COMPRESSION_RATIO", f"a part inflates to more than {ratio}"
                    )
