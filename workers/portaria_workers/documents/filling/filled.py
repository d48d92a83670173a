"""A template with all that it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from portaria_workers.documents import text
from portaria_workers.documents.locales import Locale
from portaria_workers.documents.v1.content_pb2 import Party


@dataclass(frozen=True, slots=True)
class Filled:
    """What `typeset` takes."""

    template: str
    data: Mapping[str, Any]
    """JSON."""


def sheet(
    locale: Locale, *, title: str, heading: str, running: str, author: str, day: date
) -> dict[str, Any]:
    """What `layout.typ` takes."""
    return {
        "locale": locale.name,
        "title": text.short(title, 250),
        "heading": heading,
        "running": text.short(running),
        "author": text.short(author, 250),
        "date": [day.year, day.month, day.day],
    }


def party(locale: Locale, person: Party) -> dict[str, Any]:
    """Name, number and address, in lines."""
    lines = [text.line(each) for each in person.address if each.strip()]
    if person.tax_id:
        lines.insert(0, f"{locale.words['tax_id']}: {text.line(person.tax_id)}")
    if person.email:
        lines.append(text.line(person.email))
    return {"name": text.line(person.name), "lines": lines}


def place_and_date(locale: Locale, place: str, day: date) -> str:
    """Luanda, 22 de novembro de 2026."""
    return ", ".join(filter(None, (text.line(place), locale.long_day(day))))
