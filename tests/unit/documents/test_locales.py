"""Numbers, money and days as they are written where the reader lives."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from portaria.jobs import PermanentError
from portaria_workers.documents.locales import day_of, locale

LOCALES = ("pt-BR", "pt-AO", "en")


@pytest.mark.parametrize(
    ("name", "currency", "written"),
    [
        ("", "BRL", "R$ 1.234.567,50"),
        ("pt-BR", "AOA", "Kz 1.234.567,50"),
        ("pt-AO", "AOA", "1 234 567,50 Kz"),
        ("pt-AO", "XOF", "1 234 568 XOF"),
        ("en", "EUR", "€ 1,234,567.50"),
        ("en", "CHF", "CHF 1,234,567.50"),
    ],
)
def test_money_is_written_as_people_there_do(name: str, currency: str, written: str) -> None:
    """And is never broken into two lines."""
    amount = Decimal("1234567.5") + (Decimal("0.1") if currency == "XOF" else 0)

    assert locale(name).money(amount, currency) == written.replace(" ", "\N{NO-BREAK SPACE}")


@pytest.mark.parametrize(
    ("name", "number", "written"),
    [
        ("pt-BR", Decimal("12.500"), "12,500"),
        ("pt-BR", 1234567, "1.234.567"),
        ("en", Decimal("0.5"), "0.5"),
        ("en", 120, "120"),
    ],
)
def test_numbers_keep_their_decimals(name: str, number: Decimal | int, written: str) -> None:
    """A whole one has none."""
    assert locale(name).number(number) == written


@pytest.mark.parametrize(
    ("name", "short", "long"),
    [
        ("pt-BR", "01/03/2026", "1º de março de 2026"),
        ("pt-AO", "01/03/2026", "1 de Março de 2026"),
        ("en", "1 Mar 2026", "1 March 2026"),
    ],
)
def test_days(name: str, short: str, long: str) -> None:
    """In English the month is a word, since 01/03 is two days; in Angola it has a capital."""
    day = date(2026, 3, 1)

    assert locale(name).day(day) == short
    assert locale(name).long_day(day) == long


@pytest.mark.parametrize(
    ("octets", "written"), [(0, "0 B"), (999, "999 B"), (1000, "1,0 kB"), (1_449_000, "1,4 MB")]
)
def test_sizes(octets: int, written: str) -> None:
    """In thousands, as disks are sold."""
    assert locale("pt-BR").size(octets) == written.replace(" ", "\N{NO-BREAK SPACE}")


@pytest.mark.parametrize("day", ["2026-02-30", "2025-02-29", "0000-01-01", "2026-04-31"])
def test_a_day_that_does_not_exist_fails_for_good(day: str) -> None:
    """The door's pattern lets it through; no calendar has it."""
    with pytest.raises(PermanentError, match="issue_date") as failure:
        day_of(day, "issue_date")

    assert failure.value.reason == "DATE"


def test_every_language_has_the_same_words() -> None:
    """None is missing in one of them, and none is empty."""
    first, *others = (locale(name).words for name in LOCALES)

    for other in others:
        assert other.keys() == first.keys()
        for word, text in first.items():
            if isinstance(text, dict):
                assert other[word].keys() == text.keys()
    assert all(len(locale(name).words["months"]) == 12 for name in LOCALES)
