"""ProcessFile: every cell judged, what is wrong told by row and column."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from portaria.jobs import PermanentError
from portaria.jobs.eager import EagerJob, EagerRun, run_eagerly
from portaria.storage.document import Document
from portaria.storage.documents import Documents
from portaria_workers.documents import checking, faults
from portaria_workers.documents.handlers import process_file
from portaria_workers.documents.v1.documents_pb2 import (
    CELL_TYPE_AMOUNT,
    CELL_TYPE_BOOLEAN,
    CELL_TYPE_DATE,
    CELL_TYPE_DATE_TIME,
    CELL_TYPE_DECIMAL,
    CELL_TYPE_INTEGER,
    CELL_TYPE_PERCENT,
    CELL_TYPE_TEXT,
    MODE_LENIENT,
    ProcessFile,
    ProcessFileResult,
)

from .workbooks import book_of

Column = ProcessFile.Column
Store = Callable[..., Document]


def lenient(document: Document, *columns: Column, **fields: object) -> EagerRun:
    order = ProcessFile(document_id=document.id, columns=columns, mode=MODE_LENIENT, **fields)
    return run_eagerly(process_file, order)


def told(result: ProcessFileResult) -> list[tuple[int, str, str]]:
    return [(fault.row, fault.column, fault.reason) for fault in result.faults]


@pytest.fixture
def text_of(documents: Documents) -> Callable[[str], list[list[str]]]:
    """The rows of a stored CSV."""

    def read(document_id: str) -> list[list[str]]:
        document = documents.get(document_id, namespace="default")
        with documents.reading(document) as file:
            return list(csv.reader(io.StringIO(file.read().decode(), newline="")))

    return read


NOON = datetime(2026, 11, 21, 14, 5)  # noqa: DTZ001 - a workbook has no zones
Text = Callable[[str], list[list[str]]]

FILE = (
    "NIF;Nome;Valor;Dia;Nota\n"
    "5001;Ana;1.234,50;2026-11-21;=1+1\n"
    "5001;Rui;10,00;22/11/2026;b\n"
    "x;;-5;31/02/2026;c\n"
    "\n"
    "5002;Eva;99,90;2026-11-23;d\n"
)
COLUMNS = (
    Column(name="valor", type=CELL_TYPE_AMOUNT, min="0", max="5000"),
    Column(name=" NIF", type=CELL_TYPE_INTEGER, unique=True),
    Column(name="nome", required=True, max_length=40),
    Column(name="dia", type=CELL_TYPE_DATE),
)
FAULTS = [
    (3, " NIF", "DUPLICATE"),
    (4, "valor", "OUT_OF_RANGE"),
    (4, " NIF", "TYPE"),
    (4, "nome", "REQUIRED"),
    (4, "dia", "TYPE"),
]


def test_a_lenient_file_keeps_its_good_rows(stored: Store, text_of: Text) -> None:
    """In one form, with the other columns; faults, figures and a report beside them."""
    run = lenient(stored(FILE, "clientes.csv"), *COLUMNS, owner="u-17")

    result = run.result
    assert (result.rows, result.accepted, result.rejected) == (4, 2, 2)
    assert told(result) == FAULTS
    report = [tuple(row) for row in text_of(result.report.document_id)]
    assert report == [("row", "column", "reason"), *((str(row), *of) for row, *of in FAULTS)]
    assert text_of(result.accepted_rows.document_id) == [
        ["NIF", "Nome", "Valor", "Dia", "Nota"],
        ["5001", "Ana", "1234.50", "2026-11-21", "'=1+1"],
        ["5002", "Eva", "99.90", "2026-11-23", "d"],
    ]
    summaries = [(each.name, each.filled, each.min, each.max, each.sum) for each in result.columns]
    assert summaries == [
        ("valor", 2, "99.90", "1234.50", "1334.40"),
        (" NIF", 2, "5001", "5002", "10003"),
        ("nome", 2, "", "", ""),
        ("dia", 2, "2026-11-21", "2026-11-23", ""),
    ]
    assert result.report.filename == "clientes-report.csv"
    kept = result.report.expire_time.ToDatetime(UTC) - datetime.now(UTC)
    assert timedelta(days=29) < kept <= timedelta(days=30)


def test_a_strict_file_with_a_fault_fails_with_its_report(
    stored: Store, text_of: Text, documents: Documents
) -> None:
    """For good; its words name the first faults and the report, and no value."""
    job = EagerJob()

    with pytest.raises(PermanentError) as caught:
        run_eagerly(
            process_file, ProcessFile(document_id=stored(FILE).id, columns=COLUMNS), job=job
        )

    report = job.context().effect_id("report")
    assert caught.value.reason == "FILE_INVALID"
    assert str(caught.value) == (
        '2 of 4 rows are at fault: row 3, column " NIF": DUPLICATE; row 4, column "valor": '
        'OUT_OF_RANGE; row 4, column " NIF": TYPE; row 4, column "nome": REQUIRED; row 4, column '
        f'"dia": TYPE. All of them: document {report}'
    )
    assert len(text_of(report)) == 6
    assert {each.kind for each in documents.find(namespace="default")} == {"upload", "file.report"}


def test_a_strict_file_without_a_fault_has_figures_and_no_report(stored: Store) -> None:
    """And no copy of its rows."""
    order = ProcessFile(document_id=stored("a\n1\n2\n").id, columns=[Column(name="a")])

    result = run_eagerly(process_file, order).result

    assert (result.rows, result.accepted, result.rejected) == (2, 2, 0)
    assert not result.HasField("report")
    assert not result.HasField("accepted_rows")


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        (Column(required=True), "", "REQUIRED"),
        (Column(required=True), "  ", "REQUIRED"),
        (Column(type=CELL_TYPE_INTEGER), "1,5", "TYPE"),
        (Column(type=CELL_TYPE_AMOUNT), "1.234", "TYPE"),
        (Column(type=CELL_TYPE_DATE), "21-11-26", "TYPE"),
        (Column(type=CELL_TYPE_DECIMAL, min="0.5"), "0,49", "OUT_OF_RANGE"),
        (Column(type=CELL_TYPE_PERCENT, max="100"), "100,5 %", "OUT_OF_RANGE"),
        (Column(max_length=3), "quatro", "TOO_LONG"),
        (Column(one_of=["a", "b"]), "A", "UNKNOWN"),
        (Column(type=CELL_TYPE_BOOLEAN), "talvez", "TYPE"),
    ],
)
def test_each_fault_has_its_reason(stored: Store, column: Column, cell: str, reason: str) -> None:
    """By the column's rules."""
    column.name = "a"

    run = lenient(stored(f"a;b\n{cell};x\n"), column)

    assert told(run.result) == [(2, "a", reason)]


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        (Column(type=CELL_TYPE_DECIMAL, min="0.5", max="1"), ["0,5", "1", ""]),
        (Column(max_length=3), ["três"[:3], ""]),
        (Column(one_of=["a", "b"]), ["a", "b", ""]),
        (Column(unique=True), ["a", "A", "", "", "b"]),
        (Column(type=CELL_TYPE_DATE_TIME), ["2026-11-21T14:05Z", "21/11/2026 14:05"]),
    ],
)
def test_what_the_rules_allow_is_accepted(stored: Store, column: Column, cells: list[str]) -> None:
    """Empty cells, too, unless they are required."""
    column.name = "a"
    rows = "".join(f"{cell};x\n" for cell in cells)

    run = lenient(stored(f"a;b\n{rows}"), column)

    assert (told(run.result), run.result.accepted) == ([], len(cells))


def test_the_same_value_in_another_form_is_the_same(stored: Store) -> None:
    """1.234,50 and 1234.5 are one amount."""
    column = Column(name="a", type=CELL_TYPE_AMOUNT, unique=True)

    run = lenient(stored("a;b\n1.234,50;x\n1234.5;y\n"), column)

    assert told(run.result) == [(3, "a", "DUPLICATE")]


def test_a_row_of_other_length_is_one_fault(stored: Store) -> None:
    """Nobody knows which of its cells is where."""
    run = lenient(stored("a,b\n1,2\n1\n1,2,3\n"), Column(name="a", type=CELL_TYPE_INTEGER))

    assert told(run.result) == [(3, "", "CELLS"), (4, "", "CELLS")]
    assert run.result.accepted == 1


def test_bounds_of_what_is_no_number_are_refused(stored: Store) -> None:
    """Nothing that a caller asked for is left out in silence."""
    with pytest.raises(PermanentError) as caught:
        lenient(stored("a\n1\n"), Column(name="a", type=CELL_TYPE_TEXT, min="1"))

    assert caught.value.reason == "INVALID_INPUT"


def test_a_workbook_is_read_with_its_types(stored: Store, text_of: Text) -> None:
    """Numbers, dates, percentages and booleans as the workbook has them, and as text."""
    rows = [
        ("Relatório", None, None, None, None, None),
        ("nif", "valor", "dia", "quando", "taxa", "ativo"),
        (5000123456, 1234.5, date(2026, 11, 21), NOON, 0.125, True),
        ("5000123457", "99,90", "22/11/2026", "2026-11-22 10:00", "7,5 %", "não"),
        (None, None, None, None, None, None),
        (5000123458, 0.1 + 0.2, None, None, 1, None),
    ]

    def percent(sheet: object) -> None:
        sheet["E3"].number_format = "0.0%"

    document = stored(book_of(rows, percent), "clientes.xlsx")
    kinds = (CELL_TYPE_TEXT, CELL_TYPE_DECIMAL, CELL_TYPE_DATE, CELL_TYPE_DATE_TIME)
    names = zip(rows[1], (*kinds, CELL_TYPE_PERCENT, CELL_TYPE_BOOLEAN), strict=True)

    run = lenient(document, *(Column(name=name, type=kind) for name, kind in names))

    assert told(run.result) == []
    assert text_of(run.result.accepted_rows.document_id)[1:] == [
        ["5000123456", "1234.5", "2026-11-21", "2026-11-21T14:05:00", "12.5", "true"],
        ["5000123457", "99.9", "2026-11-22", "2026-11-22T10:00:00", "7.5", "false"],
        ["5000123458", "0.3", "", "", "1", ""],
    ]


def test_rows_of_a_workbook_have_the_numbers_that_people_see(stored: Store) -> None:
    """Also below rows without content."""
    document = stored(book_of([("a",), (1,), (None,), ("x",)]), "a.xlsx")

    run = lenient(document, Column(name="a", type=CELL_TYPE_INTEGER))

    assert told(run.result) == [(4, "a", "TYPE")]


def test_the_first_hundred_faults_are_in_the_result_and_all_in_the_report(
    stored: Store, text_of: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to a bound that no person reads."""
    monkeypatch.setattr(faults, "IN_REPORT", 200)

    run = lenient(stored("a\n" + "x\n" * 250), Column(name="a", type=CELL_TYPE_INTEGER))

    assert len(run.result.faults) == 100
    assert len(text_of(run.result.report.document_id)) == 201
    assert run.result.rejected == 250


def test_more_rows_than_a_file_has_are_refused(
    stored: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the disk is full of it."""
    monkeypatch.setattr(checking, "MOST_ROWS", 100)

    with pytest.raises(PermanentError) as caught:
        lenient(stored("a\n" * 102), Column(name="a"))

    assert caught.value.reason == "TOO_MANY_ROWS"


def test_progress_is_told_by_rows_of_a_file(stored: Store) -> None:
    """Of about how many there are."""
    run = lenient(stored("a\n" * 3_000), Column(name="a"))

    assert [each.current for each in run.progress] == [1024, 2048, 2999]
    assert run.progress[0].total in (2999, 3000)


def test_a_repeat_stores_the_same_documents(stored: Store, documents: Documents) -> None:
    """Not a second pair of them."""
    job = EagerJob()
    order = ProcessFile(document_id=stored(FILE).id, columns=COLUMNS, mode=MODE_LENIENT)

    first = run_eagerly(process_file, order, job=job).result
    second = run_eagerly(process_file, order, job=job).result

    assert first.report.document_id == second.report.document_id
    assert first.accepted_rows.sha256 == second.accepted_rows.sha256
    assert len(list(documents.find(namespace="default"))) == 3


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_a_csv_may_have_a_title(stored: Store, delimiter: str) -> None:
    """Which has neither the header's cells nor its delimiter."""
    file = "Relatorio de vendas, novembro\n\nv;w\n1;2\nx;3\n".replace(";", delimiter)

    run = lenient(stored(file), Column(name="v", type=CELL_TYPE_INTEGER), Column(name="w"))

    assert (run.result.rows, told(run.result)) == (2, [(5, "v", "TYPE")])
