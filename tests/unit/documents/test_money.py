"""Invoices worked out: exact, rounded half up, line by line."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portaria_workers.documents.money import bill, decimals
from portaria_workers.documents.v1.content_pb2 import Invoice


def _invoice(*lines: tuple[str, str, str], currency: str = "AOA") -> Invoice:
    invoice = Invoice(currency=currency)
    for quantity, price, rate in lines:
        invoice.lines.add(quantity=quantity, unit_price=price, tax_rate=rate)
    return invoice


@pytest.mark.parametrize(
    ("quantity", "price", "amount"),
    [
        ("1", "0.01", "0.01"),
        ("0.5", "0.01", "0.01"),
        ("0.499", "0.01", "0.00"),
        ("2.675", "1.00", "2.68"),
        ("1.005", "1.00", "1.01"),
        ("3", "33.33", "99.99"),
        ("0", "5.00", "0.00"),
        ("999999999.999", "999999999999.99", "999999999998990000000.00"),
    ],
)
def test_an_amount_is_rounded_half_up(quantity: str, price: str, amount: str) -> None:
    """Never to the even, and never by a binary fraction."""
    worked_out = bill(_invoice((quantity, price, "")))

    assert worked_out.lines[0].amount == Decimal(amount)
    assert worked_out.total == Decimal(amount)


def test_tax_is_rounded_by_line() -> None:
    """Three times 0.35 of tax at 0.05 each are 0.03, not what the sum would be taxed at."""
    worked_out = bill(_invoice(*[("1", "0.10", "5")] * 3))

    assert [each.tax for each in worked_out.lines] == [Decimal("0.01")] * 3
    assert worked_out.tax == Decimal("0.03")
    assert worked_out.total == Decimal("0.33")


def test_taxes_are_summed_by_rate() -> None:
    """The highest rate first, those without one last; 14 and 14.00 are one rate."""
    lines = [("1", "100", "14"), ("2", "50", "14.00"), ("1", "10", ""), ("1", "10", "7.5")]

    taxes = bill(_invoice(*lines)).taxes

    assert [(each.rate, each.base, each.tax) for each in taxes] == [
        (Decimal(14), Decimal("200.00"), Decimal("28.00")),
        (Decimal("7.5"), Decimal("10.00"), Decimal("0.75")),
        (None, Decimal("10.00"), Decimal("0.00")),
    ]


def test_no_rate_is_no_tax_but_a_rate_of_nothing_is_one() -> None:
    """Who is exempt says so."""
    assert not bill(_invoice(("1", "10", ""))).taxes
    assert [each.rate for each in bill(_invoice(("1", "10", "0"))).taxes] == [Decimal(0)]


@pytest.mark.parametrize(
    ("currency", "total"), [("XOF", "11"), ("TND", "10.505"), ("BRL", "10.51")]
)
def test_a_currency_has_its_own_cents(currency: str, total: str) -> None:
    """None in West Africa, mils in Tunisia."""
    assert bill(_invoice(("1.0005", "10.50", ""), currency=currency)).total == Decimal(total)
    assert decimals("XYZ") == 2


_LINES = st.tuples(
    st.decimals(0, 999_999_999, places=3).map(str),
    st.decimals(0, 999_999_999_999, places=2).map(str),
    st.sampled_from(["", "0", "7", "14", "100", "19.99"]),
)


@given(st.lists(_LINES, min_size=1, max_size=30))
def test_the_sums_add_up(lines: list[tuple[str, str, str]]) -> None:
    """Whatever is sold: the reader who adds the lines up finds what the foot says."""
    worked_out = bill(_invoice(*lines))

    assert worked_out.subtotal == sum(each.amount for each in worked_out.lines)
    assert worked_out.tax == sum(each.tax for each in worked_out.lines)
    assert worked_out.total == worked_out.subtotal + worked_out.tax
    if worked_out.taxes:
        assert sum(each.base for each in worked_out.taxes) == worked_out.subtotal
        assert sum(each.tax for each in worked_out.taxes) == worked_out.tax
