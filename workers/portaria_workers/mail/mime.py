"""Writes headers and parts of a mail as bytes.

The standard library's EmailMessage parses each header anew and copies the tree of parts to write
it: a millisecond a mail, most of what a bulk mail costs. It also reads encoded words in what it is
given, so that "=?utf-8?q?=0D=0A?=" in somebody's name would end a header. Here text is text: it is
encoded, and never decoded first.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from email.header import Header
from email.utils import encode_rfc2231, quote
from functools import lru_cache

from portaria.storage.names import UNKNOWN_TYPE, safe_type

_LONGEST_LINE = 76
_LONGEST_PLAIN = 60
# What a name may hold outside of quotes: atoms of RFC 5322, and blanks between them.
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+( [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_CHUNK = re.compile(r"(?:%..|[^%]){1,48}")


@lru_cache(maxsize=256)
def header(name: str, value: str) -> bytes:
    """A header as its line or lines, encoded and folded where it must be.

    Raises ValueError for what would end it.
    """
    return f"{name}: {_words(name, value)}\r\n".encode("ascii")


@lru_cache(maxsize=16)
def address_header(name: str, display: str, address: str) -> bytes:
    """A header with one address and the name of whose it is. Raises as `header`."""
    if not display:
        return plain_header(name, address)
    if _is_plain(display):
        words = display if _ATOMS.fullmatch(display) else f'"{quote(display)}"'
    else:
        words = _words(name, display)
    last = len(words.rpartition("\n")[2]) + (0 if "\n" in words else len(name) + 2)
    gap = " " if last + len(address) + 3 <= _LONGEST_LINE else "\r\n "
    return f"{name}: {words}{gap}<{address}>\r\n".encode("ascii")


def plain_header(name: str, value: str) -> bytes:
    """A header of ASCII that needs no folding, e.g. an id or one address.

    Raises ValueError for what would end the line or is not ASCII.
    """
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"{name} holds one line of ASCII")
    return f"{name}: {value}\r\n".encode("ascii")


def text_part(subtype: str, text: str) -> bytes:
    """A part of UTF-8 text in quoted-printable, its headers included; lines at most 76 long."""
    head = (
        f'Content-Type: text/{subtype}; charset="utf-8"\r\n'
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    # EmailMessage.set_content encodes in Python, ten times as slow.
    return head.encode("ascii") + _crlf(binascii.b2a_qp(text.encode(), istext=True))


def file_part(filename: str, content_type: str, content: bytes) -> bytes:
    """A part that mail programs offer as a file; lines at most 76 long.

    The name is one that file systems take (`portaria.storage.safe_filename`). A type that RFC 2046
    lets nobody encode is sent as one of any bytes: mail programs would show such a part as text.
    """
    head = [
        plain_header("Content-Type", _encodable(safe_type(content_type))),
        plain_header("Content-Transfer-Encoding", "base64"),
        f"Content-Disposition: attachment;{_filename(filename)}\r\n".encode("ascii"),
        b"\r\n",
    ]
    return b"".join([*head, base64.encodebytes(content).replace(b"\n", b"\r\n")])


def _encodable(content_type: str) -> str:
    whole_mails = content_type.lower().startswith(("message/", "multipart/"))
    return UNKNOWN_TYPE if whole_mails else content_type


def multipart(subtype: str, boundary: str, parts: Sequence[bytes]) -> bytes:
    """Parts under one boundary, from the Content-Type on; to follow the headers of a message, or to
    be a part itself."""
    line = b"\r\n--" + boundary.encode("ascii")
    # Folded, since the boundary makes it longer than 78.
    head = f'Content-Type: multipart/{subtype};\r\n boundary="{boundary}"\r\n'.encode("ascii")
    return b"".join([head, *(line + b"\r\n" + part for part in parts), line, b"--\r\n"])


def _is_plain(value: str) -> bool:
    """Whether it may stand as it is: nothing in it looks like an encoded word."""
    if any(letter < " " or letter == "\x7f" for letter in value):
        raise ValueError("a header is one line")
    return value.isascii() and "=?" not in value


def _words(name: str, value: str) -> str:
    # As encoded words where it must be: blanks between them would be lost, so that all of it is. A
    # word that is too long for a line would stand below an empty one.
    is_plain = _is_plain(value) and max(map(len, value.split()), default=0) <= _LONGEST_PLAIN
    charset = "us-ascii" if is_plain else "utf-8"
    made = Header(value, charset, maxlinelen=_LONGEST_LINE, header_name=name)
    return made.encode(linesep="\r\n")


def _filename(name: str) -> str:
    """As parameters of RFC 2231, on lines of their own."""
    if _is_plain(name) and len(name) <= _LONGEST_PLAIN:
        plain = name.replace("\\", "_").replace('"', "_")
        return f'\r\n filename="{plain}"'
    chunks = _CHUNK.findall(encode_rfc2231(name, "utf-8"))
    return ";".join(f"\r\n filename*{n}*={chunk}" for n, chunk in enumerate(chunks))


def _crlf(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
