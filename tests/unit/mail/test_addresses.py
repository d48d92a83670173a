"""One address in a field, and when two are the same."""

from __future__ import annotations

import pytest

from portaria_workers.mail.addresses import normalize_address


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ana@example.com", "ana@example.com"),
        ("Ana.Silva@EXAMPLE.Com", "Ana.Silva@example.com"),
        ("a+b@xn--bcher-kva.example", "a+b@xn--bcher-kva.example"),
        ("o'neil@example.com", "o'neil@example.com"),
    ],
)
def test_an_address_keeps_its_local_part_and_lowers_its_domain(given: str, expected: str) -> None:
    """Only the domain may be compared without regard to case."""
    assert expected == normalize_address(given)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ana@",
        "@example.com",
        "ana",
        "ana@exa mple.com",
        "a@b.c, d@e.f",
        "a@b.c;d@e.f",
        "Ana <ana@example.com>",
        "ana@example.com\n",
        "ana@example.com\r\nBcc: eve@example.com",
        "ana@-example.com",
        "ana@bücher.example",
        ".ana@example.com",
        "ana.@example.com",
        "ana..silva@example.com",
        "a" * 250 + "@example.com",
    ],
)
def test_anything_but_one_address_is_refused(text: str) -> None:
    """Lists, names, line breaks, other alphabets and overlong text are no address."""
    with pytest.raises(ValueError, match="is not an e-mail address"):
        normalize_address(text)
