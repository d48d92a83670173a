"""Names of files and types, as people and programs give them."""

from __future__ import annotations

import pytest

from portaria.storage.names import attachment, safe_filename, safe_type, type_of


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("fatura-2026-117.pdf", "fatura-2026-117.pdf"),
        ("Relatório de Março.pdf", "Relatório de Março.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ana\\x.pdf", "x.pdf"),
        ("a\0b.pdf", "a_b.pdf"),
        ("a\r\nBcc: x.pdf", "a__Bcc_ x.pdf"),
        ('<a>:"b"|?*.pdf', "_a___b____.pdf"),
        ("CON", "_CON"),
        ("nul.pdf", "_nul.pdf"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("CONTRATO.pdf", "CONTRATO.pdf"),
        (".bashrc", "bashrc"),
        ("  a   b . ", "a b"),
        ("fatura\u202efdp.exe", "faturafdp.exe"),
        ("a\ud800b.pdf", "a_b.pdf"),
        ("", "default"),
        ("...", "default"),
        ("/", "default"),
        ("\0\0", "default"),
        ("e\u0301.pdf", "é.pdf"),
    ],
)
def test_a_name_becomes_one_that_every_file_system_takes(name: str, safe: str) -> None:
    """Row 52 of the bad inputs."""
    assert safe_filename(name, "default") == safe


@pytest.mark.parametrize("name", ["x" * 300 + ".pdf", "日" * 300 + ".pdf", "😀" * 300 + ".pdf"])
def test_a_long_name_keeps_its_extension(name: str) -> None:
    """Within 120 characters, and within the 255 bytes that Linux takes."""
    safe = safe_filename(name, "default")

    assert safe.endswith(".pdf")
    assert len(safe) <= 120
    assert 200 < len(safe.encode()) <= 255 or len(safe) == 120


def test_what_is_safe_stays_as_it_is() -> None:
    """Once more changes nothing."""
    for name in ("a.pdf", "x" * 300, "CON.txt", "..a..", "日" * 300 + ".pdf"):
        once = safe_filename(name, "default")
        assert safe_filename(once, "default") == once


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.pdf", 'attachment; filename="a.pdf"'),
        ("", "attachment"),
        ("a b.pdf", 'attachment; filename="a b.pdf"'),
        ("ção.pdf", "attachment; filename=\"cao.pdf\"; filename*=UTF-8''%C3%A7%C3%A3o.pdf"),
        ("日", "attachment; filename=\"document\"; filename*=UTF-8''%E6%97%A5"),
        ('a"; x="b', "attachment; filename=\"a_; x=_b\"; filename*=UTF-8''a%22%3B%20x%3D%22b"),
        ("a\r\nX: 1", "attachment; filename=\"a__X: 1\"; filename*=UTF-8''a%0D%0AX%3A%201"),
        ("50%.pdf", "attachment; filename=\"50_.pdf\"; filename*=UTF-8''50%25.pdf"),
    ],
)
def test_a_header_carries_any_name_and_nothing_else(name: str, header: str) -> None:
    """In ASCII for old readers, in UTF-8 for the others (RFC 6266)."""
    assert attachment(name) == header
    assert header.isascii()


def test_types() -> None:
    """Those that we make are known everywhere; a header takes no other text."""
    assert type_of("A.PDF") == "application/pdf"
    assert type_of("a.csv") == "text/csv"
    assert type_of("a.xlsx").endswith("spreadsheetml.sheet")
    assert type_of("a") == type_of("a.unheard") == "application/octet-stream"
    assert safe_type("text/csv") == "text/csv"
    assert safe_type("text/html\r\nX: 1") == safe_type("") == "application/octet-stream"
