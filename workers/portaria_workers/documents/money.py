"""What an invoice comes to: decimal arithmetic, rounded half up, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

from portaria_workers.documents.v1.content_pb2 import Invoice

_WITHOUT_CENTS = {
    "XAF",
    "XOF",
    "XPF",
    "BIF",
    "CLP",
    "DJF",
    "GNF",
    "ISK",
    "JPY",
    "KMF",
    "KRW",
    "PYG",
    "RWF",
    "UGX",
    "UYI",
    "VND",
    "VUV",
}
_WITH_MILS = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}

_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
"""More digits than the largest quantity times the largest price times the largest rate has."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A line with what it comes to."""

    line: Invoice.Line
    amount: Decimal
    """Without tax."""
    tax: Decimal
    rate: Decimal | None
    """In percent; None where the line names none."""


@dataclass(frozen=True, slots=True)
class TaxSum:
    """What the lines of one rate come to."""

    rate: Decimal | None
    base: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice worked out."""

    lines: Sequence[Priced]
    taxes: Sequence[TaxSum]
    """By rate, the highest first; empty where no line names a rate."""
    subtotal: Decimal
    tax: Decimal
    total: Decimal


def bill(invoice: Invoice) -> Bill:
    """Amount and tax of each line are rounded half up to what the currency has; sums are exact."""
    cents = Decimal(1).scaleb(-decimals(invoice.currency))
    lines = [_priced(line, cents) for line in invoice.lines]
    rates = {each.rate for each in lines}
    taxes = [
        TaxSum(rate, _sum(each.amount for each in lines if each.rate == rate), tax)
        for rate in sorted(rates, key=lambda rate: Decimal(-1) if rate is None else rate)[::-1]
        for tax in [_sum(each.tax for each in lines if each.rate == rate)]
    ]
    subtotal, tax = _sum(each.amount for each in lines), _sum(each.tax for each in lines)
    return Bill(
        lines=lines,
        taxes=[] if rates == {None} else taxes,
        subtotal=subtotal,
        tax=tax,
        total=_EXACT.add(subtotal, tax),
    )


def decimals(currency: str) -> int:
    """How many decimals an amount has, by ISO 4217."""
    if currency in _WITHOUT_CENTS:
        return 0
    return 3 if currency in _WITH_MILS else 2


def _priced(line: Invoice.Line, cents: Decimal) -> Priced:
    rate = Decimal(line.tax_rate) if line.tax_rate else None
    amount = _EXACT.multiply(Decimal(line.quantity), Decimal(line.unit_price))
    amount = amount.quantize(cents, context=_EXACT)
    tax = _EXACT.multiply(amount, (rate or Decimal(0)).scaleb(-2)).quantize(cents, context=_EXACT)
    return Priced(line, amount, tax, rate)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for each in amounts:
        total = _EXACT.add(total, each)
    return total
