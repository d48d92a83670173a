"""How one cell is written: for each column a function that was made for its type.

They take what the source has and hand the library what it writes at once; most of an export's time
is spent here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from portaria_workers.documents.cells import CENTS, PLAIN, WHOLE, day_of, reader_of, text_of
from portaria_workers.documents.v1.documents_pb2 import (
    CELL_TYPE_AMOUNT,
    CELL_TYPE_BOOLEAN,
    CELL_TYPE_DATE,
    CELL_TYPE_DATE_TIME,
    CELL_TYPE_DECIMAL,
    CELL_TYPE_INTEGER,
    CELL_TYPE_PERCENT,
    CELL_TYPE_TEXT,
    CELL_TYPE_UNSPECIFIED,
)

if TYPE_CHECKING:
    from portaria_workers.documents.spreadsheet import Column

Put: TypeAlias = Callable[[int, object], object]
"""Writes a raw cell to a row. Raises ValueError where it is not of the column's type; NotHeld where
it is, but its total could not take it."""
Numbering: TypeAlias = Callable[[object], float | str | None]
"""The number that a workbook keeps for a raw cell; text where it cannot keep one."""
Keep: TypeAlias = Callable[[float], object]
"""Takes the number that was written; for totals."""


class NotHeld(ValueError):
    """A value of the column's type that a workbook can hold as text only, and a total misses."""


LONGEST = 32_767
"""UTF-16 units of a cell."""
WIDEST = 60
_NARROWEST = 8

# VERDADEIRO, 21/11/2026, 21/11/2026 14:05:09
_WIDTHS: dict[int, int] = {
    CELL_TYPE_BOOLEAN: 12,
    CELL_TYPE_DATE: 12,
    CELL_TYPE_DATE_TIME: 20,
}
_DIGITS = 15
_FIRST_DAY = date(1900, 3, 1)
"""Before it, Excel counts a day that never was."""
_ZERO = date(1899, 12, 30).toordinal()
# xlsxwriter takes text in <r>…</r> for XML of its own, and writes it as it is.
_UNUSUAL = re.compile("\\A<r>|[\x00-\x08\x0b-\x1f\ufffe\uffff\ud800-\udfff]").search
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def put_of(
    sheet: Worksheet,
    place: int,
    shown: Format | None,
    cell_type: int = CELL_TYPE_TEXT,
    keep: Keep | None = None,
    *,
    cut: bool = False,
) -> Put:
    """What writes cells of a column; with `cut`, texts that are too long are cut."""
    put_text = _text(sheet, place, shown, cut=cut)
    if cell_type in (CELL_TYPE_UNSPECIFIED, CELL_TYPE_TEXT):
        return _kept_text(put_text, keep) if keep else put_text
    if cell_type == CELL_TYPE_BOOLEAN:
        return _boolean(sheet, place, shown, keep)
    return _number(sheet, place, shown, _NUMBERS[cell_type], put_text, keep)


def width_of(column: Column, rows: Sequence[Sequence[object]]) -> int:
    """How wide a column is, in characters, after its title and its first rows."""
    # Room for the button of the filter.
    widest = len(column.title) + 3
    if column.type in _WIDTHS:
        # What does not fit is shown as hashes.
        widest = max(widest, _WIDTHS[column.type])
    else:
        lines = (text_of(cells[column.index]).partition("\n")[0] for cells in rows)
        widest = max(widest, *(len(line) + _room(column) for line in lines), 0)
    return max(_NARROWEST, min(widest, WIDEST))


def width_of_total(column: Column, value: float | None) -> int:
    """How wide the last row's cell is, which may be more than any above it."""
    if column.type in _WIDTHS or value is None:
        return _NARROWEST
    return len(f"{value:,.2f}") + _room(column)


def _room(column: Column) -> int:
    """For separators, decimals and the currency."""
    return 6 + len(column.currency) if column.type == CELL_TYPE_AMOUNT else 2


def clean(text: str, *, cut: bool = False) -> str:
    """Text as a cell takes it: without characters that XML has not.

    Raises ValueError where it is too long, unless it is to be cut.
    """
    text = _ILLEGAL.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
    if len(text) <= LONGEST // 2:
        return text
    units = text.encode("utf-16-le")
    if len(units) <= LONGEST * 2:
        return text
    if not cut:
        raise ValueError("is longer than a cell may be")
    # Half of a pair may be left at the end.
    return units[: LONGEST * 2 - 2].decode("utf-16-le", "ignore") + "…"


def _text(sheet: Worksheet, place: int, shown: Format | None, *, cut: bool) -> Put:
    write = sheet.write_string

    def put(row: int, raw: object) -> None:
        text = raw if type(raw) is str else text_of(raw)
        if not text:
            return
        if _UNUSUAL(text) or len(text) > LONGEST // 2:
            text = clean(text, cut=cut)
            if text.startswith("<r>"):
                sheet.write_rich_string(row, place, "<r", Format(), text[2:], shown)
                return
        write(row, place, text, shown)

    return put


def _kept_text(put_text: Put, keep: Keep) -> Put:
    def put(row: int, raw: object) -> None:
        put_text(row, raw)
        if raw is not None and raw != "":
            keep(1)

    return put


def _boolean(sheet: Worksheet, place: int, shown: Format | None, keep: Keep | None) -> Put:
    write, read = sheet.write_boolean, lru_cache(maxsize=64)(reader_of(CELL_TYPE_BOOLEAN))

    def put(row: int, raw: object) -> None:
        value = read(raw)
        if value is None:
            return
        write(row, place, value, shown)
        if keep:
            keep(1)

    return put


def _number(
    sheet: Worksheet,
    place: int,
    shown: Format | None,
    number_of: Numbering,
    put_text: Put,
    keep: Keep | None,
) -> Put:
    write = sheet.write_number

    def put(row: int, raw: object) -> None:
        value = number_of(raw)
        if value is None:
            return
        if isinstance(value, str):
            if keep:
                raise NotHeld
            put_text(row, value)
            return
        write(row, place, value, shown)
        if keep:
            keep(value)

    return put


# Numbers as a workbook keeps them; text where it cannot, None where there is nothing. The first
# lines are shortcuts for what nearly every cell is.


def _integer(raw: object) -> float | str | None:
    if type(raw) is str and len(raw) <= _DIGITS and WHOLE(raw):
        return int(raw)
    value = reader_of(CELL_TYPE_INTEGER)(raw)
    if value is None:
        return None
    assert isinstance(value, int)
    return value if abs(value) < 10**_DIGITS else str(value)


def _decimal(raw: object) -> float | str | None:
    if type(raw) is str and len(raw) <= _DIGITS and PLAIN(raw):
        return float(raw)
    return _float(reader_of(CELL_TYPE_DECIMAL)(raw), _DIGITS)


def _amount(raw: object) -> float | str | None:
    if type(raw) is str and len(raw) <= _DIGITS and CENTS(raw):
        return float(raw)
    return _float(reader_of(CELL_TYPE_AMOUNT)(raw), _DIGITS - 2)


def _percent(raw: object) -> float | str | None:
    if type(raw) is str and len(raw) <= _DIGITS and PLAIN(raw):
        return float(raw) / 100
    value = reader_of(CELL_TYPE_PERCENT)(raw)
    return _float(None if value is None else value / 100, _DIGITS)  # type: ignore[operator]


def _float(value: object, digits: int) -> float | str | None:
    if value is None:
        return None
    assert isinstance(value, Decimal)
    return float(value) if abs(value) < 10**digits else text_of(value)


def _date(raw: object) -> float | str | None:
    return _serial_of(raw) if type(raw) is str else _serial(reader_of(CELL_TYPE_DATE)(raw))


@lru_cache(maxsize=8192)
def _serial_of(text: str) -> float | str | None:
    return _serial(day_of(text))


def _serial(day: object) -> float | str | None:
    if day is None:
        return None
    assert isinstance(day, date)
    return day.toordinal() - _ZERO if day >= _FIRST_DAY else day.isoformat()


def _date_time(raw: object) -> float | str | None:
    moment = reader_of(CELL_TYPE_DATE_TIME)(raw)
    if moment is None:
        return None
    assert isinstance(moment, datetime)
    if moment.date() < _FIRST_DAY:
        return moment.replace(tzinfo=None).isoformat(sep=" ")
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second + moment.microsecond / 1e6
    return moment.toordinal() - _ZERO + seconds / 86_400


_NUMBERS: dict[int, Numbering] = {
    CELL_TYPE_INTEGER: _integer,
    CELL_TYPE_DECIMAL: _decimal,
    CELL_TYPE_AMOUNT: _amount,
    CELL_TYPE_PERCENT: _percent,
    CELL_TYPE_DATE: _date,
    CELL_TYPE_DATE_TIME: _date_time,
}
