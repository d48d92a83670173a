"""Row 60: a bomb is refused within 2 s and in bounded memory, measured in a process of its own."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from stack import Processes

from .workbooks import raw_book, raw_sheet, zipped

SECONDS = 2.0
"""Of the processor: others may be busy with it, too."""
MEBIBYTES = 160
"""Of the process, with all that it imports."""

CELL = '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>'


def sheet_of(rows: bytes) -> bytes:
    return raw_book(raw_sheet("@").replace(b"@", rows))


def zeros() -> bytes:
    """A part that inflates a thousandfold."""
    return raw_book(raw_sheet(CELL), **{"xl/media/1.bin": b"\0" * 18_000_000})


def spaces() -> bytes:
    """A sheet that does."""
    return sheet_of(b" " * 18_000_000)


def overlapping() -> bytes:
    """Nine hundred entries that share one part, each inflating to 1 MB."""
    archive = bytearray(zipped({"a": random.Random(1).randbytes(20_000) * 50}))
    start, end = archive.find(b"PK\x01\x02"), archive.find(b"PK\x05\x06")
    entries = bytes(archive[start:end]) * 900
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 900, 900, len(entries), start, 0)
    return bytes(archive[:start]) + entries + tail


def entries() -> bytes:
    """Two hundred thousand of them."""
    return b"PK\x03\x04" + b"PK\x01\x02".ljust(46, b"\0") * 200_000


def corners() -> bytes:
    """Two cells, as far from each other as may be."""
    return sheet_of(CELL.encode() + b'<row r="200000"><c r="GR200000"><v>1</v></c></row>')


def names() -> bytes:
    """Elements that all have other names."""
    return sheet_of(b"".join(b"<n%d/>" % number for number in range(500_000)))


def attribute() -> bytes:
    """One tag of 15 MB."""
    noise = random.Random(1).randbytes(7_500_000).hex().encode()
    return sheet_of(b'<c a="' + noise + b'"/>')


def depth() -> bytes:
    """Elements within each other."""
    return sheet_of(b"".join(b"<a b='%d'>" % number for number in range(500_000)))


def laughs() -> bytes:
    """Entities within entities."""
    lines = [b'<!ENTITY l0 "ha">']
    for number in range(1, 12):
        lines.append(b'<!ENTITY l%d "%s">' % (number, b"&l%d;" % (number - 1) * 10))
    doctype = b"<!DOCTYPE x [" + b"".join(lines) + b"]>"
    return raw_book(raw_sheet(CELL, doctype.decode()).replace(b"<t>a</t>", b"<t>&l11;</t>"))


def texts() -> bytes:
    """Millions of shared texts."""
    shared = b"".join(b"<si><t>%d</t></si>" % number for number in range(600_000))
    return raw_book(raw_sheet(CELL), **{"xl/sharedStrings.xml": b"<sst>" + shared + b"</sst>"})


def smileys() -> bytes:
    """Shared texts with an emoji each, which strings keep in four bytes for each character."""
    noise, random_ = random.Random(1).randbytes(5_000).hex(), random.Random(1)
    shared = "".join(
        f"<si><t>\U0001f600{noise[start : start + 180]}</t></si>"
        for start in (random_.randrange(9_000) for _ in range(300_000))
    )
    return raw_book(raw_sheet(CELL), **{"xl/sharedStrings.xml": f"<sst>{shared}</sst>".encode()})


def styles() -> bytes:
    """Millions of formats."""
    formats = b"".join(b'<numFmt numFmtId="%d"/>' % number for number in range(500_000))
    return raw_book(raw_sheet(CELL), **{"xl/styles.xml": b"<s>" + formats + b"</s>"})


def long_line() -> bytes:
    """A CSV of one line."""
    return b"a,b\n" + b"x," * 15_000_000


def open_quotes() -> bytes:
    """A CSV of one row, over millions of lines."""
    return b"a,b\n" + b'"\n",' * 8_000_000


BOMBS: dict[Callable[[], bytes], str] = {
    zeros: "COMPRESSION_RATIO",
    spaces: "COMPRESSION_RATIO",
    overlapping: "FILE_TOO_LARGE",
    entries: "TOO_MANY_ENTRIES",
    corners: "1",
    names: "CORRUPT",
    attribute: "CORRUPT",
    depth: "CORRUPT",
    laughs: "CORRUPT",
    texts: "TOO_MANY_CELLS",
    smileys: "0",
    styles: "CORRUPT",
    long_line: "CORRUPT",
    open_quotes: "CORRUPT",
}


@pytest.mark.timeout(120)
def test_row_60_a_bomb_costs_little_time_and_memory(tmp_path: Path, processes: Processes) -> None:
    """Whatever is tried; what is none, but would be one for others, is read."""
    paths = []
    for build in BOMBS:
        path = tmp_path / build.__name__
        path.write_bytes(build())
        paths.append(path)

    process = processes.python("reading", Path(__file__).with_name("reading.py"), *paths)
    process.wait(60)

    lines = [json.loads(line) for line in process.output().splitlines()]
    found = dict(zip((build.__name__ for build in BOMBS), lines, strict=True))
    for name, (what, seconds, kibibytes) in found.items():
        print(f"{name}: {what}, {seconds:.2f} s, {kibibytes >> 10} MiB")
    assert {name: what for name, (what, *_) in found.items()} == {
        build.__name__: reason for build, reason in BOMBS.items()
    }
    assert max(seconds for _, seconds, _ in found.values()) < SECONDS
    assert max(kibibytes for *_, kibibytes in found.values()) < MEBIBYTES * 1024
