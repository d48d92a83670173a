"""How numbers, money and days are written, and the words of the templates, by language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from portaria.jobs import PermanentError
from portaria_workers.documents.money import decimals

DEFAULT = "pt-BR"

_SYMBOLS = {"AOA": "Kz", "BRL": "R$", "EUR": "€", "GBP": "£", "USD": "US$"}
_SPACE = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Locale:
    """A language and the habits of a country. `locale` makes it."""

    name: str
    words: Mapping[str, Any]
    group: str
    point: str

    def number(self, value: Decimal | int, places: int | None = None) -> str:
        """With thousands parted; as many decimals as it has, or as asked for."""
        text = f"{value:,}" if places is None else f"{value:,.{places}f}"
        return text.translate({ord(","): self.group, ord("."): self.point})

    def amount(self, value: Decimal, currency: str) -> str:
        """Money without its currency, for tables."""
        return self.number(value, decimals(currency))

    def money(self, value: Decimal, currency: str) -> str:
        """Money with its currency: R$ 1.234,50 in pt-BR, 1 234,50 Kz in pt-AO."""
        text, symbol = self.amount(value, currency), _SYMBOLS.get(currency, currency)
        return f"{text}{_SPACE}{symbol}" if self.name == "pt-AO" else f"{symbol}{_SPACE}{text}"

    def day(self, day: date) -> str:
        """22/11/2026, or where that could be misread, 22 Nov 2026."""
        if self.name == "en":
            return f"{day.day} {self.words['months'][day.month - 1][:3]} {day.year:04}"
        return f"{day.day:02}/{day.month:02}/{day.year:04}"

    def long_day(self, day: date) -> str:
        """22 de novembro de 2026."""
        month = self.words["months"][day.month - 1]
        if self.name == "en":
            return f"{day.day} {month} {day.year:04}"
        first = "1º" if day.day == 1 and self.name == "pt-BR" else str(day.day)
        return f"{first} de {month} de {day.year:04}"

    def month(self, day: date) -> str:
        """Novembro de 2026; begins a line, so it has a capital."""
        month = self.words["months"][day.month - 1].capitalize()
        return f"{month} {'' if self.name == 'en' else 'de '}{day.year:04}"

    def size(self, octets: int) -> str:
        """1,4 MB; thousands are 1,000."""
        value = Decimal(octets)
        for unit in ("B", "kB", "MB", "GB", "TB"):
            if value < 1000 or unit == "TB":
                break
            value /= 1000
        return f"{self.number(value, 0 if unit == 'B' else 1)}{_SPACE}{unit}"


@cache
def locale(name: str) -> Locale:
    """That of a name, by default pt-BR; `name` is one that the contract knows."""
    name = name or DEFAULT
    group, point = {"pt-BR": (".", ","), "pt-AO": (_SPACE, ","), "en": (",", ".")}[name]
    return Locale(name, _all_words()[name], group, point)


def day_of(text: str, field: str) -> date:
    """A day of the calendar. Raises PermanentError DATE for one that there is not."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise PermanentError("DATE", f"{field}: there is no such day") from None


@cache
def _all_words() -> Mapping[str, Mapping[str, Any]]:
    found = Path(__file__).with_name("templates") / "words.json"
    words: Mapping[str, Mapping[str, Any]] = json.loads(found.read_text())
    return words
