"""Which template each content has."""

from __future__ import annotations

from datetime import date

from portaria_workers.documents.filling.certificate import fill_certificate
from portaria_workers.documents.filling.contract import fill_contract
from portaria_workers.documents.filling.filled import Filled
from portaria_workers.documents.filling.invoice import fill_invoice
from portaria_workers.documents.filling.report import fill_report
from portaria_workers.documents.locales import Locale
from portaria_workers.documents.v1.content_pb2 import Certificate, Contract, Invoice, Report


def fill(
    content: Invoice | Contract | Certificate | Report,
    locale: Locale,
    *,
    title: str = "",
    made: date,
) -> Filled:
    """A title wins over the template's own; `made` is the day of a report that names none.

    Raises PermanentError DATE, TABLE_CELLS or TOO_MANY_CELLS.
    """
    match content:
        case Invoice():
            return fill_invoice(content, locale, title)
        case Contract():
            return fill_contract(content, locale, title)
        case Certificate():
            return fill_certificate(content, locale, title)
        case _:
            return fill_report(content, locale, title, made)
