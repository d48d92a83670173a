"""Names of files: as people give them, and as headers carry them."""

from __future__ import annotations

import re
import unicodedata
from mimetypes import guess_type
from urllib.parse import quote

LONGEST_NAME = 120
_LONGEST_BYTES = 255

_RESERVED = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])(\.|\Z)", re.IGNORECASE
)
_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}/[a-z0-9][a-z0-9.+-]{0,63}", re.IGNORECASE)
# What libraries of the system know differs; these are the ones that we make and read.
_TYPES = {
    ".csv": "text/csv",
    ".pdf": "application/pdf",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
UNKNOWN_TYPE = "application/octet-stream"


def safe_filename(name: str, default: str) -> str:
    """A name that every file system takes: what it does not is replaced, at most 120 characters.

    Without directories, control characters and the names that Windows keeps to itself; `default`
    where nothing is left.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    text = "".join(_plain(character) for character in last)
    text = " ".join(text.split()).strip(" .")
    if not text.strip("_"):
        return default
    if _RESERVED.match(text):
        text = f"_{text}"
    stem, dot, extension = text.rpartition(".")
    if not dot or len(extension) > 16:
        stem, extension = text, ""
    end = f".{extension}" if extension else ""
    while len(stem) + len(end) > LONGEST_NAME or len(f"{stem}{end}".encode()) > _LONGEST_BYTES:
        stem = stem[:-1]
    return stem.rstrip(" .") + end


def type_of(filename: str) -> str:
    """The content type that a name says."""
    dot = filename.rfind(".")
    known = _TYPES.get(filename[dot:].lower()) if dot >= 0 else None
    return known or guess_type(filename)[0] or UNKNOWN_TYPE


def safe_type(content_type: str) -> str:
    """The content type, or the unknown one for what a header does not take."""
    return content_type if _TYPE.fullmatch(content_type) else UNKNOWN_TYPE


def attachment(filename: str) -> str:
    """The header Content-Disposition: to be saved under that name (RFC 6266, RFC 5987)."""
    if not filename:
        return "attachment"
    plain = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    plain = re.sub(r'["\\%\x00-\x1f\x7f]', "_", plain) or "document"
    if plain == filename:
        return f'attachment; filename="{plain}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _plain(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Cf":  # directions and joiners, which make a name look like another
        return ""
    if kind in {"Zl", "Zp"}:
        return " "
    return "_" if kind[0] == "C" or character in '<>:"|?*' else character
