"""What the columns of a file must hold: each cell is read by its type, then judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from portaria.jobs.errors import PermanentError
from portaria_workers.documents.cells import NUMBERS, UNCALCULATED, Value, plain, reader_of, text_of
from portaria_workers.documents.columns import places_of
from portaria_workers.documents.summary import Summary
from portaria_workers.documents.v1.documents_pb2 import (
    CELL_TYPE_AMOUNT,
    CELL_TYPE_TEXT,
    ProcessFile,
)

REQUIRED = "REQUIRED"
TYPE = "TYPE"
OUT_OF_RANGE = "OUT_OF_RANGE"
TOO_LONG = "TOO_LONG"
UNKNOWN = "UNKNOWN"
DUPLICATE = "DUPLICATE"
CELLS = "CELLS"
FORMULA = "FORMULA"


class CellRefused(Exception):
    """A cell is not what its column holds."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(slots=True)
class Rule:
    """One column: where it stands, and what it holds."""

    name: str
    place: int
    read: Callable[[object], tuple[Value | None, str]]
    """A cell's value and its text in one form. Raises CellRefused."""
    unique: bool
    summary: Summary


def rules_of(wanted: Sequence[ProcessFile.Column], header: Sequence[object]) -> list[Rule]:
    """Raises PermanentError COLUMN_MISSING, COLUMN_DUPLICATE or INVALID_INPUT."""
    places = places_of((each.name for each in wanted), header)
    if len(set(places)) < len(places):
        raise PermanentError("COLUMN_DUPLICATE", "a column is described twice")
    return [
        Rule(
            each.name, place, _reading(each), each.unique, Summary(each.name, each.type in NUMBERS)
        )
        for each, place in zip(wanted, places, strict=True)
    ]


def form_of(value: Value | None, cell_type: int) -> str:
    """A value as accepted rows have it: 1234.50, 2026-11-21, 2026-11-21T14:05:09Z, true."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:.2f}" if cell_type == CELL_TYPE_AMOUNT else plain(value)
    if isinstance(value, datetime):
        text = value.replace(tzinfo=None).isoformat()
        return f"{text}Z" if value.tzinfo is UTC else text
    if isinstance(value, date):
        return value.isoformat()
    return text_of(value)


def _reading(column: ProcessFile.Column) -> Callable[[object], tuple[Value | None, str]]:
    cell_type = column.type or CELL_TYPE_TEXT
    read, judge, required = reader_of(cell_type), _judging(column, cell_type), column.required

    def reading(raw: object) -> tuple[Value | None, str]:
        try:
            value = read(raw)
        except ValueError:
            raise CellRefused(FORMULA if raw is UNCALCULATED else TYPE) from None
        if value is None or (required and type(value) is str and not value.strip()):
            if required:
                raise CellRefused(REQUIRED)
            return None, ""
        text = value if type(value) is str else form_of(value, cell_type)
        for check in judge:
            check(value, text)
        return value, text

    return reading


def _judging(column: ProcessFile.Column, cell_type: int) -> list[Callable[[Value, str], None]]:
    checks: list[Callable[[Value, str], None]] = []
    if column.min or column.max:
        if cell_type not in NUMBERS:
            raise PermanentError("INVALID_INPUT", f'column "{column.name}": bounds are for numbers')
        checks.append(_bounds(column.min, column.max))
    if column.max_length:
        checks.append(_length(column.max_length))
    if column.one_of:
        checks.append(_choice(frozenset(column.one_of)))
    return checks


def _bounds(least: str, most: str) -> Callable[[Value, str], None]:
    low, high = Decimal(least or "-Infinity"), Decimal(most or "Infinity")

    def check(value: Value, _: str) -> None:
        if not low <= value <= high:  # type: ignore[operator]  # a number, by its type
            raise CellRefused(OUT_OF_RANGE)

    return check


def _length(most: int) -> Callable[[Value, str], None]:
    def check(_: Value, text: str) -> None:
        if len(text) > most:
            raise CellRefused(TOO_LONG)

    return check


def _choice(choices: frozenset[str]) -> Callable[[Value, str], None]:
    def check(_: Value, text: str) -> None:
        if text not in choices:
            raise CellRefused(UNKNOWN)

    return check
