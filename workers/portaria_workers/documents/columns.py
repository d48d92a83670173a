"""Columns by the names in a header, without regard to case and to blanks around them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from portaria.jobs.errors import PermanentError
from portaria_workers.documents.headers import key_of
from portaria_workers.documents.spreadsheet import Column
from portaria_workers.documents.v1.documents_pb2 import CELL_TYPE_TEXT, ExportSpreadsheet


def places_of(wanted: Iterable[str], header: Sequence[object]) -> list[int]:
    """Where each column stands.

    Raises PermanentError COLUMN_MISSING or COLUMN_DUPLICATE, which names all of them.
    """
    wanted = list(wanted)
    known: dict[str, list[int]] = {}
    for place, name in enumerate(header):
        known.setdefault(key_of(name), []).append(place)
    missing = [name for name in wanted if key_of(name) not in known]
    if missing:
        empty = sum(not key_of(name) for name in header)
        hint = f"; {empty} columns have no name, are their cells merged?" if empty else ""
        raise PermanentError("COLUMN_MISSING", f"there is no column {_quoted(missing)}{hint}")
    twice = [name for name in wanted if len(known[key_of(name)]) > 1]
    if twice:
        raise PermanentError("COLUMN_DUPLICATE", f"there are several columns {_quoted(twice)}")
    return [known[key_of(name)][0] for name in wanted]


def columns_of(export: ExportSpreadsheet, names: Sequence[str]) -> list[Column]:
    """The columns of an export; those of the source, as text, where it names none."""
    if not export.columns:
        return [
            Column(index=index, name=name, title=name, type=CELL_TYPE_TEXT)
            for index, name in enumerate(names)
        ]
    places = places_of((each.name for each in export.columns), names)
    return [
        Column(
            index=index,
            name=each.name,
            title=each.title or each.name,
            type=each.type or CELL_TYPE_TEXT,
            currency=each.currency,
            total=each.total,
            width=each.width,
        )
        for each, index in zip(export.columns, places, strict=True)
    ]


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in dict.fromkeys(names))
