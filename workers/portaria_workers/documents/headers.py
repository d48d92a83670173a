"""Where the header of a table stands: titles may stand above it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from portaria_workers.documents.cells import text_of

TITLES = 10
"""Rows among which the header is."""


def place_of_header(rows: Iterable[Sequence[object]], wanted: Iterable[str]) -> int | None:
    """The place of the first row that names all that is wanted, from 0; None where none does."""
    names = {key_of(name) for name in wanted}
    found = (place for place, row in enumerate(rows) if names <= set(map(key_of, row)))
    place = next(found, TITLES)
    return place if place < TITLES else None


def key_of(name: object) -> str:
    """By which two names are the same."""
    return text_of(name).strip().casefold()
