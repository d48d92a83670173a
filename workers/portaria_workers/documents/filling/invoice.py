"""Invoices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Any

from portaria_workers.documents import text
from portaria_workers.documents.filling.filled import Filled, party, sheet
from portaria_workers.documents.locales import Locale, day_of
from portaria_workers.documents.money import Bill, Priced, TaxSum, bill
from portaria_workers.documents.v1.content_pb2 import Invoice

_ROOM = 481.8
"""Points between the margins."""
_SIZES = (9.5, 8.0, 6.5, 5.5)
"""Of the figures in the table: the largest that leaves the descriptions some room."""
_DIGIT = 0.516
"""Of the size of the type: what a figure is wide."""
_LEAST_REST = 120
"""Points that the descriptions need."""
_PADDING = 8.5
_LONGEST_UNIT = _LONGEST_WORD = 8
"""Letters; whether longer ones fit is measured."""
_TOTAL_SIZES = ((19, 14), (27, 10), (34, 8), (1000, 6.5))
"""Of the type of the total, by how many letters it has at most."""


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cell: Callable[[int, Priced], str]
    numeric: bool = True
    takes_rest: bool = False


def fill_invoice(invoice: Invoice, locale: Locale, title: str) -> Filled:
    """With totals, taxes and what pages carry over. Raises PermanentError DATE."""
    words = locale.words
    issued = day_of(invoice.issue_date, "issue_date")
    number, heading = text.line(invoice.number), text.line(title) or words["invoice"]
    name = f"{heading} {number}"
    seller = party(locale, invoice.seller)
    worked_out = bill(invoice)
    total = locale.money(worked_out.total, invoice.currency)
    data = sheet(
        locale, title=name, heading=heading, running=name, author=seller["name"], day=issued
    )
    data |= _table(worked_out, invoice.currency, locale)
    data |= {
        "number": number,
        "seller": seller,
        "buyer": party(locale, invoice.buyer),
        "dates": [[words["issued"], locale.day(issued)]],
        "taxes": [_tax(each, invoice.currency, locale) for each in worked_out.taxes],
        "totals": [],
        "total": total,
        "total_size": next(size for most, size in _TOTAL_SIZES if len(total) <= most),
        "foot": text.short(seller["name"]),
        "notes": text.paragraphs(invoice.notes),
    }
    if invoice.due_date:
        due = day_of(invoice.due_date, "due_date")
        data["dates"].append([words["due"], locale.day(due)])
    if worked_out.taxes:
        data["totals"] = [
            [words["subtotal"], locale.money(worked_out.subtotal, invoice.currency)],
            [words["tax"], locale.money(worked_out.tax, invoice.currency)],
        ]
    return Filled("invoice", data)


def _table(worked_out: Bill, currency: str, locale: Locale) -> dict[str, Any]:
    columns = _columns(worked_out, currency, locale)
    rows = [
        [column.cell(number, each) for column in columns]
        for number, each in enumerate(worked_out.lines, start=1)
    ]
    size, widths = _widths(columns, rows)
    sums = accumulate(each.amount for each in worked_out.lines)
    return {
        "columns": [{"title": each.title, "numeric": each.numeric} for each in columns],
        "widths": widths,
        "figures": size,
        "lines": [
            {"cells": row, "sum": locale.money(total, currency)}
            for row, total in zip(rows, sums, strict=True)
        ],
    }


def _columns(worked_out: Bill, currency: str, locale: Locale) -> list[_Column]:
    """Those for units and taxes only where a line has one."""
    words, lines = locale.words, worked_out.lines
    columns = [
        _Column("#", lambda number, _: str(number)),
        _Column(
            words["description"],
            lambda _, each: text.line(each.line.description, _LONGEST_WORD),
            numeric=False,
            takes_rest=True,
        ),
        _Column(words["quantity"], lambda _, each: locale.number(Decimal(each.line.quantity))),
    ]
    if any(each.line.unit for each in lines):
        unit = _Column(
            words["unit"], lambda _, each: text.line(each.line.unit, _LONGEST_UNIT), numeric=False
        )
        columns.append(unit)
    columns.append(_Column(words["price"], lambda _, each: _price(each.line.unit_price, locale)))
    if worked_out.taxes:
        columns.append(_Column(words["tax"], lambda _, each: _rate(each.rate, "", locale)))
    amount = f"{words['amount']} ({currency})"
    columns.append(_Column(amount, lambda _, each: locale.amount(each.amount, currency)))
    return columns


def _widths(columns: list[_Column], rows: list[list[str]]) -> tuple[float, list[float]]:
    """The size of the figures and all widths, in points. Figures are never broken."""
    longest = [max(len(row[place]) for row in rows) for place in range(len(columns))]
    for size in _SIZES:
        widths = [_width(*each, size) for each in zip(columns, longest, strict=True)]
        rest = _ROOM - sum(widths)
        if rest >= _LEAST_REST:
            break
    return size, [
        round(rest if column.takes_rest else width, 1)
        for column, width in zip(columns, widths, strict=True)
    ]


def _width(column: _Column, longest: int, size: float) -> float:
    if column.takes_rest:
        return 0
    letters = longest if column.numeric else min(longest, _LONGEST_UNIT)
    return max(letters * size, len(column.title) * _SIZES[0]) * _DIGIT + _PADDING


def _price(price: str, locale: Locale) -> str:
    return locale.number(Decimal(price), max(2, len(price.partition(".")[2])))


def _rate(rate: Decimal | None, none: str, locale: Locale) -> str:
    return none if rate is None else f"{locale.number(rate)}\N{NO-BREAK SPACE}%"


def _tax(each: TaxSum, currency: str, locale: Locale) -> list[str]:
    name = _rate(each.rate, locale.words["untaxed"], locale)
    return [name, locale.amount(each.base, currency), locale.amount(each.tax, currency)]
