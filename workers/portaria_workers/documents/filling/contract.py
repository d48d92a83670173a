"""Contracts."""

from __future__ import annotations

from typing import Any

from portaria_workers.documents import text
from portaria_workers.documents.filling.filled import Filled, place_and_date, sheet
from portaria_workers.documents.locales import Locale, day_of
from portaria_workers.documents.v1.content_pb2 import Contract, Party

_LONGEST_NAMES = 500
"""Letters of all who sign, that surely fit on a page."""
_FEW, _SHORT = 4, 1_000


def fill_contract(contract: Contract, locale: Locale, title: str) -> Filled:
    """With numbered clauses and a place for each signature. Raises PermanentError DATE."""
    words = locale.words
    day = day_of(contract.date, "date")
    number, heading = text.line(contract.number), text.line(title) or words["contract"]
    name = " ".join(filter(None, (heading, number)))
    data = sheet(
        locale,
        title=name,
        heading=heading,
        running=name,
        author=text.line(contract.parties[0].name),
        day=day,
    )
    clauses = [
        {"title": text.line(each.title), "text": text.paragraphs(each.text)}
        for each in contract.clauses
    ]
    data |= _kept(contract, clauses)
    data |= {
        "number": f"{words['number']} {number}" if number else "",
        "parties": [_party(each, locale) for each in contract.parties],
        "preamble": text.paragraphs(contract.preamble),
        "clauses": clauses,
        "place_and_date": place_and_date(locale, contract.place, day),
        "witnesses": [_party(each, locale) for each in contract.witnesses],
    }
    return Filled("contract", data)


def _kept(contract: Contract, clauses: list[dict[str, Any]]) -> dict[str, bool]:
    """What stands on one page: all signatures, unless they may not fit on any, and above a few of
    them the last paragraph."""
    fits = sum(text.breadth(each.name) for each in contract.parties) <= _LONGEST_NAMES
    last = sum(map(len, clauses[-1]["text"][-1])) if clauses[-1]["text"] else 0
    few = fits and len(contract.parties) <= _FEW
    return {"keeps_signatures": fits, "keeps_last": few and 0 < last <= _SHORT}


def _party(party: Party, locale: Locale) -> dict[str, Any]:
    words, tax_id = locale.words, text.line(party.tax_id)
    address = ", ".join(text.line(each) for each in party.address if each.strip())
    details = [f"{words['with_id']} {tax_id}"] if tax_id else []
    details += [f"{words['at_address']} {address}"] if address else []
    details += [text.line(party.email)] if party.email else []
    return {"name": text.line(party.name), "tax_id": tax_id, "details": details}
