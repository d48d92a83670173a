"""Cells as people write them, in every type."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from portaria_workers.documents.cells import UNCALCULATED, CellFault, Share, reader_of
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

NOON = datetime(2026, 11, 21, 14, 5, 9)  # noqa: DTZ001 - without a zone

GOOD = {
    CELL_TYPE_TEXT: [
        ("olá", "olá"),
        ("  =1+1 ", "  =1+1 "),
        ("", None),
        (None, None),
        (5000123456, "5000123456"),
        (Decimal("1.50"), "1.5"),
        (True, "true"),
        (date(2026, 11, 21), "2026-11-21"),
    ],
    CELL_TYPE_INTEGER: [
        ("7", 7),
        ("-7", -7),
        ("+7", 7),
        ("−7", -7),
        (" 1.234 ", 1234),
        ("1,234,567", 1234567),
        ("1 234", 1234),
        ("00123", 123),
        ("12345678901234567890", 12345678901234567890),
        (7.0, 7),
        ("", None),
    ],
    CELL_TYPE_DECIMAL: [
        ("1234.5", Decimal("1234.5")),
        ("1.234,50", Decimal("1234.50")),
        ("1,234.50", Decimal("1234.50")),
        ("1.234.567,8", Decimal("1234567.8")),
        ("1.234.567", Decimal("1234567")),
        ("1 234,5", Decimal("1234.5")),
        ("1\u00a0234,5", Decimal("1234.5")),
        ("1'234.5", Decimal("1234.5")),
        ("1.234", Decimal("1.234")),
        ("1,234", Decimal("1.234")),
        ("-0,5", Decimal("-0.5")),
        (",5", Decimal("0.5")),
        ("1e-05", Decimal("0.00001")),
        (0.1, Decimal("0.1")),
    ],
    CELL_TYPE_AMOUNT: [
        ("1234.5", Decimal("1234.5")),
        ("1.234,50", Decimal("1234.50")),
        ("1,234.50", Decimal("1234.50")),
        ("-99,90", Decimal("-99.90")),
        ("1234.500", Decimal("1234.5")),
        ("1.234.567", Decimal("1234567")),
        (7, Decimal(7)),
        (Decimal("1234.500"), Decimal("1234.500")),
        (1234.56, Decimal("1234.56")),
        (0.1 + 0.2, Decimal("0.3")),
    ],
    CELL_TYPE_PERCENT: [
        ("12.5", Decimal("12.5")),
        ("12,5 %", Decimal("12.5")),
        ("100%", Decimal(100)),
        (Share("0.125"), Decimal("12.5")),
    ],
    CELL_TYPE_DATE: [
        ("2026-11-21", date(2026, 11, 21)),
        ("21/11/2026", date(2026, 11, 21)),
        ("1/2/2026", date(2026, 2, 1)),
        ("2026-11-21T00:00:00", date(2026, 11, 21)),
        ("2026-11-21 00:00", date(2026, 11, 21)),
        ("2026-11-21T00:00:00.000", date(2026, 11, 21)),
        (date(2026, 11, 21), date(2026, 11, 21)),
        (datetime(2026, 11, 21), date(2026, 11, 21)),  # noqa: DTZ001
    ],
    CELL_TYPE_DATE_TIME: [
        ("2026-11-21T14:05:09", NOON),
        ("2026-11-21 14:05", NOON.replace(second=0)),
        ("21/11/2026 14:05:09", NOON),
        ("21/11/2026 9:05", NOON.replace(hour=9, second=0)),
        ("2026-11-21T14:05:09Z", NOON.replace(tzinfo=UTC)),
        ("2026-11-21T15:05:09+01:00", NOON.replace(tzinfo=UTC)),
        ("2026-11-21 15:05:09.000000+01", NOON.replace(tzinfo=UTC)),
        ("2026-11-21", NOON.replace(hour=0, minute=0, second=0)),
    ],
    CELL_TYPE_BOOLEAN: [
        *((word, True) for word in ("true", "SIM", " yes ", "1", "VERDADEIRO", "V", "S")),
        *((word, False) for word in ("false", "não", "NAO", "no", "0", "FALSO", "F", "N")),
        (True, True),
        (0, False),
        ("", None),
    ],
}

BAD = {
    CELL_TYPE_TEXT: [CellFault("#DIV/0!"), UNCALCULATED],
    CELL_TYPE_INTEGER: [
        "1.5",
        "1,5",
        "1.2345",
        "abc",
        "1e5",
        "0x10",
        "1_000",
        "٣",
        1.5,
        True,
        "--1",
    ],
    CELL_TYPE_DECIMAL: [
        "abc",
        "nan",
        "inf",
        "1.2.3",
        "1,2,3",
        "1.234.56",
        "1_0",
        "5-",
        "R$ 5",
        True,
        float("nan"),
        "1.234,567,8",
        CellFault("#N/A"),
        UNCALCULATED,
    ],
    CELL_TYPE_AMOUNT: [
        "1.234",
        "1,234",
        "12.345",
        "0.125",
        "1.5555",
        "NaN",
        "9" * 40 + ".123",
        Decimal("0.125"),
        12.345,
        1e-9,
        float("inf"),
        True,
    ],
    CELL_TYPE_PERCENT: ["12 %%", "metade"],
    CELL_TYPE_DATE: [
        "2026-11-21T00:00:01",
        "2026-11-21T00:00:00Z",
        "21/11/2026 00:00",
        "2026-02-30",
        "31/02/2026",
        "2026-W47-6",
        "20261121",
        "11/21/2026",
        "21-11-2026",
        "hoje",
        46347,
        datetime(2026, 11, 21, 14, 5),  # noqa: DTZ001
    ],
    CELL_TYPE_DATE_TIME: [
        "2026-11-21T25:00",
        "14:05",
        "21/11/2026 14:05Z",
        "0001-01-01T00:00+01:00",
    ],
    CELL_TYPE_BOOLEAN: ["talvez", "2", "-1", "x", UNCALCULATED],
}


def cases(table: dict[CellType.ValueType, list[object]]) -> list[object]:
    return [
        pytest.param(kind, each, id=f"{CellType.Name(kind)[10:]}-{each!r}"[:60])
        for kind, several in table.items()
        for each in several
    ]


@pytest.mark.parametrize(("kind", "case"), cases(GOOD))
def test_what_people_write_is_read(kind: CellType.ValueType, case: tuple[object, object]) -> None:
    """The value, of exactly its Python type."""
    raw, expected = case

    value = reader_of(kind)(raw)

    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(("kind", "raw"), cases(BAD))
def test_what_is_no_such_value_is_refused(kind: CellType.ValueType, raw: object) -> None:
    """Never guessed at."""
    with pytest.raises(ValueError):
        reader_of(kind)(raw)


def test_a_column_without_a_type_is_text() -> None:
    """What the contract says of the default."""
    assert reader_of(CELL_TYPE_UNSPECIFIED)("1,5") == "1,5"


@pytest.mark.parametrize("kind", [kind for kind in CellType.values() if kind])
def test_what_is_empty_has_no_value(kind: CellType.ValueType) -> None:
    """In every type."""
    assert [reader_of(kind)(raw) for raw in (None, "")] == [None, None]
