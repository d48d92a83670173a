"""The formats of a workbook's cells, by type and locale.

A workbook says which separators are meant by their places; the program that shows it takes those
of its own language.
"""

from __future__ import annotations

from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.format import Format

from portaria_workers.documents.cells import DAYS, NUMBERS
from portaria_workers.documents.v1.documents_pb2 import (
    CELL_TYPE_AMOUNT,
    CELL_TYPE_BOOLEAN,
    CELL_TYPE_DATE,
    CELL_TYPE_DATE_TIME,
    CELL_TYPE_DECIMAL,
    CELL_TYPE_INTEGER,
    CELL_TYPE_PERCENT,
    CELL_TYPE_TEXT,
)

_SIGNS = {"AOA": "Kz", "BRL": "R$", "EUR": "€", "USD": "US$", "GBP": "£", "MZN": "MT"}
_DAYS = {"pt-BR": "dd/mm/yyyy", "pt-AO": "dd/mm/yyyy", "en": "yyyy-mm-dd"}
_AMOUNT = "#,##0.00"
_INK, _PAPER = "#1F3A4D", "#E8EEF2"


class Formats:
    """Makes each format once."""

    def __init__(self, book: Workbook, locale: str) -> None:
        self._book = book
        self._locale = locale
        self._made: dict[tuple[tuple[str, Any], ...], Format] = {}
        self.title = self._make(bold=True, font_size=16, font_color=_INK)
        self.text = self._make()

    def of(self, cell_type: int, currency: str = "") -> Format:
        """Of the cells of a column."""
        return self._make(**self._numbers(cell_type, currency))

    def header(self, cell_type: int) -> Format:
        """Of a column's heading, above its cells."""
        align = "right" if cell_type in NUMBERS | DAYS else "left"
        align = "center" if cell_type == CELL_TYPE_BOOLEAN else align
        return self._make(bold=True, font_color="#FFFFFF", bg_color=_INK, align=align)

    def total(self, cell_type: int, currency: str) -> Format:
        """Of the last row."""
        numbers = self._numbers(cell_type, currency)
        return self._make(bold=True, bg_color=_PAPER, top=1, top_color=_INK, **numbers)

    def _make(self, **properties: Any) -> Format:
        key = tuple(sorted(properties.items()))
        if key not in self._made:
            self._made[key] = self._book.add_format(properties)
        return self._made[key]

    def _numbers(self, cell_type: int, currency: str) -> dict[str, Any]:
        day = _DAYS[self._locale]
        codes: dict[int, str] = {
            CELL_TYPE_INTEGER: "#,##0",
            CELL_TYPE_DECIMAL: "#,##0.00####",
            CELL_TYPE_AMOUNT: amount_code(currency, self._locale),
            CELL_TYPE_PERCENT: "0.00%",
            CELL_TYPE_DATE: day,
            CELL_TYPE_DATE_TIME: f"{day} hh:mm:ss",
        }
        if cell_type in codes:
            return {"num_format": codes[cell_type]}
        if cell_type == CELL_TYPE_BOOLEAN:
            return {"align": "center"}
        # As text, so that what somebody types into it later stays as it is typed.
        return {"num_format": "@"} if cell_type == CELL_TYPE_TEXT else {}


def amount_code(currency: str, locale: str) -> str:
    """The code for amounts: the sign before them, but for Angola, where it stands behind."""
    if not currency:
        return _AMOUNT
    sign = f"[${_SIGNS.get(currency, currency)}]"
    if locale == "pt-AO":
        return f"{_AMOUNT}\\ {sign}"
    return f"{sign}\\ {_AMOUNT};\\-{sign}\\ {_AMOUNT}"
