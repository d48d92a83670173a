"""What a cell says: text, or a value that a database or a workbook had, read as a type.

Numbers are read with a decimal point or a decimal comma. A single separator is a decimal one
("1.234" is a little more than one) but in whole numbers, where it can only be between thousands;
amounts that could be read either way are refused, since nobody should guess at money.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias

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
    CellType,
)

Value: TypeAlias = str | int | Decimal | bool | date | datetime
Reader: TypeAlias = Callable[[object], Value | None]
"""From a raw cell to its value; None where it is empty. Raises ValueError."""

NUMBERS = frozenset({CELL_TYPE_INTEGER, CELL_TYPE_DECIMAL, CELL_TYPE_AMOUNT, CELL_TYPE_PERCENT})
DAYS = frozenset({CELL_TYPE_DATE, CELL_TYPE_DATE_TIME})


class Share(Decimal):
    """What a workbook shows as a percentage: 0.125 for 12.5 %."""


class CellFault(str):
    """What a workbook has in the place of a value: "#DIV/0!"."""


class Uncalculated:
    """A formula whose value the workbook lacks."""


UNCALCULATED = Uncalculated()

WHOLE = re.compile(r"-?[0-9]+").fullmatch
PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?").fullmatch
CENTS = re.compile(r"-?[0-9]+(?:\.[0-9]{1,2})?").fullmatch
ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch

_GAPS = " '\u00a0\u202f"
_GROUPED = re.compile(
    rf"(?P<sign>[+-]?)(?P<head>[0-9]{{1,3}})(?P<tail>(?P<gap>[.,{_GAPS}])[0-9]{{3}}"
    r"(?:(?P=gap)[0-9]{3})*)(?:(?P<mark>[.,])(?P<rest>[0-9]+))?"
).fullmatch
_SIMPLE = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]+)?|[.,][0-9]+)").fullmatch
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]{1,2}").fullmatch
_EITHER_WAY = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}").fullmatch
_DAY = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})").fullmatch
_MIDNIGHT = re.compile(r"(?<=-[0-9]{2})[T ]00:00(?::00(?:\.0{1,9})?)?\Z")
_MOMENT = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}/[0-9]{1,2}/[0-9]{4})"
    r"(?:[T ]+(?P<time>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?)"
    r" ?(?P<zone>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
).fullmatch

# Besides the contract's words, those that spreadsheets and PostgreSQL themselves write.
_TRUE = frozenset({"true", "sim", "yes", "1", "verdadeiro", "t", "v", "s"})
_FALSE = frozenset({"false", "não", "nao", "no", "0", "falso", "f", "n"})


def reader_of(cell_type: CellType.ValueType) -> Reader:
    """What reads cells of a type."""
    return _READERS[cell_type]


def text_of(raw: object) -> str:
    """A raw cell as text; empty where it is."""
    if isinstance(raw, str):
        return raw
    if raw is None:
        return ""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, Share):
        return f"{plain(raw * 100)} %"
    if isinstance(raw, Decimal | float):
        return plain(raw)
    if isinstance(raw, datetime):
        return raw.isoformat(sep=" ")
    if isinstance(raw, bytes | memoryview):
        return bytes(raw).hex()
    return str(raw)


def plain(number: Decimal | float) -> str:
    """A number without an exponent, and without zeros that say nothing."""
    if isinstance(number, float):
        number = Decimal(repr(number))
    text = format(number, "f") if number.is_finite() else str(number)
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain_number(raw: str, *, whole: bool = False) -> str:
    """The number that a text says, as Decimal and float take it; empty where there is none.

    Raises ValueError.
    """
    text = raw.strip().replace("\u2212", "-")
    if not text:
        return ""
    grouped = _GROUPED(text)
    # One separator, and three digits after it: between thousands only where nothing else can be.
    if grouped and (whole or grouped["mark"] or not _SIMPLE(text)):
        return _ungrouped(grouped)
    if WHOLE(text) or (not whole and (_SIMPLE(text) or _SCIENTIFIC(text))):
        return text.replace(",", ".")
    if whole and re.fullmatch(r"\+[0-9]+", text):
        return text
    raise ValueError("is not a number")


def _ungrouped(number: re.Match[str]) -> str:
    if number["mark"] == number["gap"]:
        raise ValueError("is not a number")
    digits = number["head"] + re.sub(r"[^0-9]", "", number["tail"])
    fraction = f".{number['rest']}" if number["rest"] else ""
    return f"{number['sign']}{digits}{fraction}"


def _text(raw: object) -> str | None:
    if isinstance(raw, CellFault | Uncalculated):
        raise ValueError("has no value")
    return text_of(raw) or None


def _integer(raw: object) -> int | None:
    if isinstance(raw, str):
        text = plain_number(raw, whole=True)
        return int(text) if text else None
    number = _number(raw)
    if number is None:
        return None
    if number != number.to_integral_value():
        raise ValueError("is not a whole number")
    return int(number)


def _decimal(raw: object) -> Decimal | None:
    if isinstance(raw, str):
        text = raw if PLAIN(raw) else plain_number(raw)
        return Decimal(text) if text else None
    return _number(raw)


def _amount(raw: object) -> Decimal | None:
    if isinstance(raw, str):
        if CENTS(raw):
            return Decimal(raw)
        if _EITHER_WAY(raw.strip()):
            raise ValueError("could be read in two ways")
    # Of a binary fraction, the digits that a workbook keeps: 0.1 + 0.2 is 0.30.
    number = _decimal(Decimal(f"{raw:.15g}") if isinstance(raw, float) else raw)
    # What is no more than cents, however many zeros it is written with.
    if number is not None and len(plain(number).partition(".")[2]) > 2:
        raise ValueError("has more than two decimals")
    return number


def _percent(raw: object) -> Decimal | None:
    if isinstance(raw, Share):
        return Decimal(raw) * 100
    if isinstance(raw, str):
        return _decimal(raw.strip().removesuffix("%"))
    return _number(raw)


def _number(raw: object) -> Decimal | None:
    if raw is None:
        return None
    if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal):
        raise ValueError("is not a number")
    number = Decimal(repr(raw)) if isinstance(raw, float) else Decimal(raw)
    if not number.is_finite():
        raise ValueError("is not a number")
    return number


def _date(raw: object) -> date | None:
    if isinstance(raw, str):
        return day_of(raw)
    if isinstance(raw, datetime):
        if raw.time() != datetime.min.time():
            raise ValueError("has a time")
        return raw.date()
    if raw is None or isinstance(raw, date):
        return raw
    raise ValueError("is not a date")


@lru_cache(maxsize=8192)
def day_of(text: str) -> date | None:
    """2026-11-21 or 21/11/2026; the first also with a midnight after it. Raises ValueError."""
    text = _MIDNIGHT.sub("", text.strip())
    if not text:
        return None
    if ISO_DAY(text):
        return date.fromisoformat(text)
    written = _DAY(text)
    if written is None:
        raise ValueError("is not a date")
    return date(int(written[3]), int(written[2]), int(written[1]))


def _date_time(raw: object) -> datetime | None:
    if isinstance(raw, str):
        return _moment(raw.strip())
    if isinstance(raw, datetime):
        return _in_utc(raw)
    if isinstance(raw, date):
        return datetime(raw.year, raw.month, raw.day)  # noqa: DTZ001 - it says no zone
    if raw is None:
        return None
    raise ValueError("is not a moment")


def _moment(text: str) -> datetime | None:
    """With a zone, in UTC; without, as it is written."""
    if not text:
        return None
    written = _MOMENT(text)
    if written is None or (written["zone"] and "/" in written["day"]):
        raise ValueError("is not a moment")
    day = day_of(written["day"])
    clock = written["time"] or "00:00"
    clock = f"0{clock}" if clock[1] == ":" else clock
    return _in_utc(datetime.fromisoformat(f"{day}T{clock}{written['zone'] or ''}"))


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment
    except OverflowError:
        raise ValueError("is before the first year") from None


def _boolean(raw: object) -> bool | None:
    if isinstance(raw, bool) or raw is None:
        return raw
    word = text_of(raw).strip().lower()
    if not word:
        return None
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("is neither true nor false")


_READERS: dict[CellType.ValueType, Reader] = {
    CELL_TYPE_UNSPECIFIED: _text,
    CELL_TYPE_TEXT: _text,
    CELL_TYPE_INTEGER: _integer,
    CELL_TYPE_DECIMAL: _decimal,
    CELL_TYPE_AMOUNT: _amount,
    CELL_TYPE_PERCENT: _percent,
    CELL_TYPE_DATE: _date,
    CELL_TYPE_DATE_TIME: _date_time,
    CELL_TYPE_BOOLEAN: _boolean,
}
