"""Certificates."""

from __future__ import annotations

from portaria_workers.documents import text
from portaria_workers.documents.filling.filled import Filled, place_and_date, sheet
from portaria_workers.documents.locales import Locale, day_of
from portaria_workers.documents.v1.content_pb2 import Certificate


def fill_certificate(certificate: Certificate, locale: Locale, title: str) -> Filled:
    """One page, whatever is written on it. Raises PermanentError DATE."""
    words = locale.words
    day = day_of(certificate.date, "date")
    heading, holder = text.line(title) or words["certificate"], text.line(certificate.holder)
    issuer, code = text.line(certificate.issuer), text.line(certificate.code)
    name = f"{heading} – {holder}"
    data = sheet(locale, title=name, heading=heading, running=name, author=issuer, day=day)
    # A word of capitals stands apart; a sentence does not fit so.
    short = len(heading) <= 24
    data |= {
        "heading": heading.upper() if short else heading,
        "heading_size": 34 if short else 24 if len(heading) <= 60 else 15,
        "tracking": 0.14 if short else 0,
        "holder": holder,
        "subject": text.line(certificate.subject),
        "issuer": issuer,
        "hours": _hours(certificate.hours, locale),
        "place_and_date": place_and_date(locale, certificate.place, day),
        "code": code,
        "signers": [
            {"name": text.line(each.name), "role": text.line(each.role)}
            for each in certificate.signers
        ],
    }
    return Filled("certificate", data)


def _hours(hours: int, locale: Locale) -> str:
    if not hours:
        return ""
    before, one, many = locale.words["hours"]
    return f"{before} {locale.number(hours)} {one if hours == 1 else many}"
