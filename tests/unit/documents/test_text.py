"""Text on its way to a page."""

from __future__ import annotations

import pytest

from portaria_workers.documents import text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Olá", "Olá"),
        ("  dois\t espaços\r\nlinhas  ", "dois espaços linhas"),
        ("nu\x00l e \x07sino", "nul e sino"),
        ("cafe\u0301", "café"),
        ("\u202eotnemagap\u202c", "otnemagap"),
        ("\ufeffmarca\u200b", "marca"),
        ("a\u00a0b", "a\u00a0b"),
        ("", ""),
    ],
)
def test_a_line_is_one_line(given: str, shown: str) -> None:
    """Composed, without controls, and nothing turns the direction of what follows."""
    assert text.line(given) == shown


@pytest.mark.parametrize("word", ["x\u0301" * 40, "W" * 16, "a@b.co", "https://a.example"])
def test_long_words_and_addresses_are_marked(word: str) -> None:
    """Once before and once after them; words of a usual length are not."""
    marked = text.line(f"{'a' * 30} {word} fim")

    assert marked == f"{'a' * 30} {text.MARK}{word}{text.MARK} fim"


def test_blank_lines_part_paragraphs() -> None:
    """However they are written; single ends of lines stay."""
    given = "\n\num\r\ndois\r\n\r\n \t\r\ntrês\u2028quatro\n\n"

    assert text.paragraphs(given) == [["um", "dois"], ["três", "quatro"]]
    assert text.paragraphs(" \n\n ") == []


def test_what_is_short_enough_stays() -> None:
    """The rest ends with an ellipsis."""
    assert text.short("abc", 3) == "abc"
    assert text.short(f"a{text.MARK}bc d", 4) == "abc…"
