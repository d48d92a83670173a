"""ExportSpreadsheet: what a reader that did not write the workbook finds in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from openpyxl import load_workbook
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from portaria.jobs import JobCancelled, PermanentError
from portaria.jobs.eager import EagerJob, run_eagerly
from portaria.storage.document import Document, Status
from portaria.storage.documents import Documents
from portaria_workers.documents import spreadsheet
from portaria_workers.documents.handlers import export_spreadsheet
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
    ExportSpreadsheet,
    ExportSpreadsheetResult,
)

Column = ExportSpreadsheet.Column
Store = Callable[..., Document]

FORMULAS = ["=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "=1+1", "{=1}", "'=1"]


@pytest.fixture
def book(documents: Documents) -> Callable[[ExportSpreadsheetResult], Workbook]:
    """Opens the workbook of a result."""

    def opened(result: ExportSpreadsheetResult) -> Workbook:
        document = documents.get(result.document.document_id, namespace="default")
        with documents.reading(document) as file:
            return load_workbook(file)

    return opened


Book = Callable[[ExportSpreadsheetResult], Workbook]


def inline(*rows: tuple[str, ...], **fields: object) -> ExportSpreadsheet:
    """Rows in the payload, with the names a, b, c…"""
    names = [chr(97 + place) for place in range(len(rows[0]) if rows else 1)]
    cells = [ExportSpreadsheet.Row(cells=row) for row in rows]
    source = ExportSpreadsheet.Rows(names=names, rows=cells)
    return ExportSpreadsheet(rows=source, **fields)


def typed(kind: int, *values: str, **fields: object) -> ExportSpreadsheet:
    """One column of a type."""
    options = {name: fields.pop(name) for name in ("currency", "total") if name in fields}
    columns = [Column(name="a", type=kind, **options)]
    return inline(*((value,) for value in values), columns=columns, **fields)


def values(sheet: Worksheet) -> list[tuple[object, ...]]:
    return list(sheet.iter_rows(values_only=True))


def refused(order: ExportSpreadsheet) -> PermanentError:
    with pytest.raises(PermanentError) as caught:
        run_eagerly(export_spreadsheet, order)
    return caught.value


def test_a_csv_becomes_a_typed_workbook(stored: Store, book: Book, documents: Documents) -> None:
    """Title, heading, types, formats, total, filter and panes; registered with its rows."""
    csv = "nif;cliente;dia;valor\n0500;Ana;2026-11-21;1.234,50\n5001;Rui;22/11/2026;99,9\n"
    order = ExportSpreadsheet(
        document_id=stored(csv).id,
        title="Vendas de novembro",
        sheet="Vendas",
        locale="pt-AO",
        owner="u-17",
        filename="vendas",
        columns=[
            Column(name="dia", title="Dia", type=CELL_TYPE_DATE),
            Column(name="nif"),
            Column(
                name="VALOR ",
                type=CELL_TYPE_AMOUNT,
                currency="AOA",
                total=ExportSpreadsheet.TOTAL_SUM,
            ),
        ],
    )

    run = run_eagerly(export_spreadsheet, order)

    sheet = book(run.result)["Vendas"]
    assert values(sheet) == [
        ("Vendas de novembro", None, None),
        (None, None, None),
        ("Dia", "nif", "VALOR "),
        (datetime(2026, 11, 21), "0500", 1234.5),  # noqa: DTZ001 - a workbook has no zones
        (datetime(2026, 11, 22), "5001", 99.9),  # noqa: DTZ001
        ("Total", None, "=SUM(C4:C5)"),
    ]
    assert [sheet["A4"].number_format, sheet["C4"].number_format] == [
        "dd/mm/yyyy",
        "#,##0.00\\ [$Kz]",
    ]
    assert (sheet.auto_filter.ref, sheet.freeze_panes) == ("A3:C5", "A4")
    assert sheet["A3"].font.bold
    document = documents.get(run.result.document.document_id, namespace="default")
    assert (document.status, document.rows, document.owner) == (Status.COMPLETED, 2, "u-17")
    assert (document.filename, document.kind) == ("vendas.xlsx", "export")
    assert run.result.rows == 2
    assert run.result.document.download_url
    assert run.warnings == []


def test_row_56_text_that_begins_like_a_formula_stays_text(book: Book) -> None:
    """Whatever it begins with; and no XML of its own gets in."""
    texts = [*FORMULAS, "<r><t>oi</t></r>", "<r></t></is></c></r>", "http://a.example", "{=1}"]

    run = run_eagerly(export_spreadsheet, inline(*((text,) for text in texts)))

    cells = [row[0] for row in book(run.result).active.iter_rows(min_row=2)]
    assert [cell.value for cell in cells] == texts
    assert {cell.data_type for cell in cells} == {"s"}
    assert {cell.hyperlink for cell in cells} == {None}


def test_row_56_titles_and_headings_stay_text_too(book: Book) -> None:
    """They come from callers as well."""
    order = inline(
        ("1",), title="=1+1", columns=[Column(name="a", title="@x"), Column(name="a", title="<r>")]
    )

    sheet = book(run_eagerly(export_spreadsheet, order).result).active

    assert [sheet[cell].value for cell in ("A1", "A3", "B3")] == ["=1+1", "@x", "<r>"]
    assert {sheet[cell].data_type for cell in ("A1", "A3", "B3")} == {"s"}


def test_control_characters_are_replaced(book: Book) -> None:
    """XML has none of them; line ends are one character."""
    order = inline(("a\x00b\x1fc\x0bd\uffff",), ("x\r\ny\rz\tw",), ("_x0041_",))

    sheet = book(run_eagerly(export_spreadsheet, order).result).active

    assert values(sheet)[1:3] == [("a\ufffdb\ufffdc\ufffdd\ufffd",), ("x\ny\nz\tw",)]


DAY = datetime(2026, 11, 21)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("kind", "raw", "value", "locale", "code"),
    [
        (CELL_TYPE_TEXT, "0500", "0500", "en", "@"),
        (CELL_TYPE_INTEGER, "1.234", 1234, "pt-BR", "#,##0"),
        (CELL_TYPE_INTEGER, "999999999999999", 999999999999999, "en", "#,##0"),
        (CELL_TYPE_INTEGER, "1234567890123456", "1234567890123456", "en", "General"),
        (CELL_TYPE_DECIMAL, "1.234,567", 1234.567, "pt-AO", "#,##0.00####"),
        (CELL_TYPE_DECIMAL, "-0.5", -0.5, "en", "#,##0.00####"),
        (CELL_TYPE_AMOUNT, "1,234.50", 1234.5, "en", "#,##0.00"),
        (CELL_TYPE_AMOUNT, "99999999999999.99", "99999999999999.99", "en", "General"),
        (CELL_TYPE_PERCENT, "12,5 %", 0.125, "pt-BR", "0.00%"),
        (CELL_TYPE_DATE, "2026-11-21", DAY, "pt-BR", "dd/mm/yyyy"),
        (CELL_TYPE_DATE, "21/11/2026", DAY, "en", "yyyy-mm-dd"),
        (CELL_TYPE_DATE, "1899-05-01", "1899-05-01", "en", "General"),
        (
            CELL_TYPE_DATE_TIME,
            "2026-11-21T14:05:09+01:00",
            DAY.replace(hour=13, minute=5, second=9),
            "pt-AO",
            "dd/mm/yyyy hh:mm:ss",
        ),
        (CELL_TYPE_BOOLEAN, "Sim", True, "pt-BR", "General"),
    ],
)
def test_each_type_has_its_value_and_its_format(
    book: Book, kind: int, raw: str, value: object, locale: str, code: str
) -> None:
    """What a workbook cannot hold exactly is text, without a digit lost."""
    run = run_eagerly(export_spreadsheet, typed(kind, raw, locale=locale))

    cell = book(run.result).active["A2"]
    assert cell.value == value
    if not isinstance(value, str) or code != "General":
        assert cell.number_format == code
    assert run.result.cells_as_text == 0


@pytest.mark.parametrize(
    ("currency", "locale", "code"),
    [
        ("BRL", "pt-BR", "[$R$]\\ #,##0.00;\\-[$R$]\\ #,##0.00"),
        ("AOA", "pt-AO", "#,##0.00\\ [$Kz]"),
        ("EUR", "en", "[$€]\\ #,##0.00;\\-[$€]\\ #,##0.00"),
        ("CHF", "en", "[$CHF]\\ #,##0.00;\\-[$CHF]\\ #,##0.00"),
    ],
)
def test_amounts_show_their_currency(book: Book, currency: str, locale: str, code: str) -> None:
    """Where each country has it."""
    order = typed(CELL_TYPE_AMOUNT, "1", currency=currency, locale=locale)

    cell = book(run_eagerly(export_spreadsheet, order).result).active["A2"]

    assert cell.number_format == code


@pytest.mark.parametrize(
    ("kind", "total", "cells", "formula", "value"),
    [
        (CELL_TYPE_AMOUNT, "SUM", ("0,10", "0,20", ""), "=SUM(A2:A4)", 0.3),
        (CELL_TYPE_INTEGER, "AVERAGE", ("1", "2", ""), "=AVERAGE(A2:A4)", 1.5),
        (CELL_TYPE_INTEGER, "COUNT", ("1", "2", ""), "=COUNTA(A2:A4)", 2),
        (CELL_TYPE_TEXT, "COUNT", ("x", "", "y"), "=COUNTA(A2:A4)", 2),
        (CELL_TYPE_DECIMAL, "MIN", ("-3", "5", "4"), "=MIN(A2:A4)", -3),
        (CELL_TYPE_DATE, "MAX", ("2026-11-20", "2026-11-21", ""), "=MAX(A2:A4)", DAY),
        (CELL_TYPE_INTEGER, "COUNT", ("1", "12345678901234567", ""), "=COUNTA(A2:A4)", 2),
        (CELL_TYPE_AMOUNT, "SUM", ("", "", ""), "=SUM(A2:A4)", 0),
        (CELL_TYPE_AMOUNT, "AVERAGE", ("", "", ""), None, None),
        (CELL_TYPE_DATE, "MIN", ("", "", ""), None, None),
    ],
)
def test_totals_are_formulas_with_their_values(
    documents: Documents,
    kind: int,
    total: str,
    cells: tuple[str, ...],
    formula: str | None,
    value: object,
) -> None:
    """For programs that calculate, and for those that do not."""
    order = typed(kind, *cells, total=ExportSpreadsheet.Total.Value(f"TOTAL_{total}"))

    run = run_eagerly(export_spreadsheet, order)

    document = documents.get(run.result.document.document_id, namespace="default")
    with documents.reading(document) as file:
        assert load_workbook(file).active["A5"].value == formula
        file.seek(0)
        assert load_workbook(file, data_only=True).active["A5"].value == value


MISSED = [
    (CELL_TYPE_INTEGER, "SUM", "1", "12345678901234567"),
    (CELL_TYPE_DECIMAL, "MAX", "1", "1234567890123456.5"),
    (CELL_TYPE_AMOUNT, "AVERAGE", "1", "99999999999999,00"),
    (CELL_TYPE_DATE, "MIN", "2026-11-21", "1850-01-01"),
    (CELL_TYPE_DATE_TIME, "MIN", "2026-11-21 10:00", "1850-01-01 10:00"),
]


@pytest.mark.parametrize(("kind", "total", "held", "missed"), MISSED)
@pytest.mark.usefixtures("documents")
def test_no_total_is_silently_wrong(kind: int, total: str, held: str, missed: str) -> None:
    """Where a cell could be written as text only, the total would miss it."""
    order = typed(kind, held, missed, total=ExportSpreadsheet.Total.Value(f"TOTAL_{total}"))

    fault = refused(order)

    assert fault.reason == "TOTAL_TYPE"
    assert 'row 2, column "a"' in str(fault)


@pytest.mark.parametrize(("kind", "total", "held", "missed"), MISSED)
def test_a_lenient_export_says_what_its_totals_miss(
    book: Book, kind: int, total: str, held: str, missed: str
) -> None:
    """A warning, and a count."""
    value = ExportSpreadsheet.Total.Value(f"TOTAL_{total}")

    run = run_eagerly(
        export_spreadsheet, typed(kind, held, missed, "x", total=value, mode=MODE_LENIENT)
    )

    assert book(run.result).active["A3"].value == missed
    assert run.result.cells_as_text == 2
    assert "2 cells that are text are not in their column's total" in run.warnings


def test_a_total_that_a_type_has_not_is_refused() -> None:
    """Before anything is written."""
    order = typed(CELL_TYPE_TEXT, "x", total=ExportSpreadsheet.TOTAL_SUM)

    with pytest.raises(PermanentError) as caught:
        spreadsheet.Total(order.columns[0].total, CELL_TYPE_TEXT)

    assert caught.value.reason == "TOTAL_TYPE"


def test_a_strict_export_fails_by_row_and_column(documents: Documents) -> None:
    """The value is not repeated; the document is FAILED, and the job is not tried again."""
    job = EagerJob()
    order = typed(CELL_TYPE_AMOUNT, "1", "segredo")

    with pytest.raises(PermanentError) as caught:
        run_eagerly(export_spreadsheet, order, job=job)

    assert caught.value.reason == "CELL_TYPE"
    assert str(caught.value) == 'row 2, column "a": not of the column\'s type'
    document = documents.get(job.context().effect_id("document"), namespace="default")
    assert (document.status, document.reason) == (Status.FAILED, "CELL_TYPE")


def test_a_lenient_export_keeps_such_cells_as_text(book: Book) -> None:
    """Counted, and said to the submitter."""
    order = typed(CELL_TYPE_AMOUNT, "1", "=x", "1.234", mode=MODE_LENIENT)

    run = run_eagerly(export_spreadsheet, order)

    assert values(book(run.result).active)[1:] == [(1,), ("=x",), ("1.234",)]
    assert run.result.cells_as_text == 2
    assert run.warnings == ["2 cells are not what their column holds, and are text"]


def test_a_text_longer_than_a_cell_is_refused_or_cut(
    stored: Store, book: Book, documents: Documents
) -> None:
    """32,767 UTF-16 units, as Excel counts."""
    longest, longer = "😀" * 16_383 + "x", "😀" * 16_384
    order = ExportSpreadsheet(document_id=stored(f"a\n{longest}\n{longer}\n").id)

    strict = refused(order)
    order.mode = MODE_LENIENT
    run = run_eagerly(export_spreadsheet, order)

    assert (strict.reason, str(strict)) == (
        "CELL_LENGTH",
        'row 3, column "a": longer than a cell may be',
    )
    written = values(book(run.result).active)
    assert written[1] == (longest,)
    assert written[2] == ("😀" * 16_382 + "…",) or written[2] == ("😀" * 16_383 + "…",)
    assert run.warnings == ["1 texts were longer than a cell may be, and were cut"]


def test_rows_that_do_not_fit_the_header_are_refused_or_filled(stored: Store, book: Book) -> None:
    """By the row's number in the file."""
    order = ExportSpreadsheet(document_id=stored("a,b\n1,2\n\n3\n4,5,6\n").id)

    strict = refused(order)
    order.mode = MODE_LENIENT
    run = run_eagerly(export_spreadsheet, order)

    assert (strict.reason, str(strict)) == ("TABLE_CELLS", "row 4 has 1 cells, where 2 are named")
    assert values(book(run.result).active)[1:] == [("1", "2"), ("3", None), ("4", "5")]
    assert run.warnings == ["2 rows had more or fewer cells than the header"]


def test_missing_columns_are_named_all_together(stored: Store) -> None:
    """And those that are there twice."""
    order = ExportSpreadsheet(
        document_id=stored("a,b,B\n1,2,3\n").id,
        columns=[Column(name="x"), Column(name="a"), Column(name="y")],
    )

    missing = refused(order)
    del order.columns[:]
    order.columns.add(name="b")
    twice = refused(order)

    assert (missing.reason, str(missing)) == ("COLUMN_MISSING", 'there is no column "x", "y"')
    assert (twice.reason, str(twice)) == ("COLUMN_DUPLICATE", 'there are several columns "b"')


def test_rows_beyond_a_sheet_go_on_in_further_ones(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with its heading and filter; the total is of all of them."""
    default = spreadsheet.SpreadsheetWriter.__init__.__kwdefaults__
    monkeypatch.setitem(default, "rows_of_a_sheet", 4)
    order = typed(CELL_TYPE_INTEGER, *"12345", sheet="x" * 31, total=ExportSpreadsheet.TOTAL_SUM)

    run = run_eagerly(export_spreadsheet, order)

    found = book(run.result)
    assert found.sheetnames == ["x" * 31, "x" * 27 + " (2)", "x" * 27 + " (3)"]
    assert [values(sheet) for sheet in found][:2] == [[("a",), (1,), (2,)], [("a",), (3,), (4,)]]
    first, second, third = (f"'{name}'" for name in found.sheetnames)
    total = f"=SUM({first}!A2:A3,{second}!A2:A3,{third}!A2:A2)"
    assert values(found.worksheets[2]) == [("a",), (5,), (total,)]
    assert [sheet.auto_filter.ref for sheet in found] == ["A1:A3", "A1:A3", "A1:A2"]


def test_more_rows_than_an_export_has_are_refused(
    stored: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would never be opened by anybody."""
    monkeypatch.setattr(spreadsheet, "MOST_ROWS", 2_000)

    def export(rows: int) -> ExportSpreadsheet:
        return ExportSpreadsheet(document_id=stored("a\n" * (1 + rows)).id)

    assert run_eagerly(export_spreadsheet, export(2_000)).result.rows == 2_000
    for rows in (2_001, 3_000):
        assert refused(export(rows)).reason == "TOO_MANY_ROWS"


@pytest.mark.parametrize("name", ["History", "😀" * 31], ids=["kept", "long"])
def test_a_name_that_no_sheet_may_have_is_refused(documents: Documents, name: str) -> None:
    """For good: it will not be better the next time."""
    order = inline(("1",), sheet=name)

    assert refused(order).reason == "SHEET_NAME"


def test_an_export_of_nothing_is_a_heading(stored: Store, book: Book) -> None:
    """Without a total, which would be of nothing."""
    order = ExportSpreadsheet(
        document_id=stored("a\n").id,
        columns=[Column(name="a", type=CELL_TYPE_INTEGER, total=ExportSpreadsheet.TOTAL_SUM)],
        no_autofilter=True,
    )

    run = run_eagerly(export_spreadsheet, order)

    sheet = book(run.result).active
    assert (values(sheet), sheet.auto_filter.ref, sheet.title) == ([("a",)], None, "Dados")
    assert run.result.document.filename == f"export-{datetime.now(UTC).date()}.xlsx"


def test_columns_are_as_wide_as_their_first_rows(book: Book) -> None:
    """Unless the caller says."""
    order = inline(("x" * 40, "y", "z" * 500))
    order.columns.extend([Column(name="a"), Column(name="b", width=33), Column(name="c")])

    sheet = book(run_eagerly(export_spreadsheet, order).result).active

    widths = [round(sheet.column_dimensions[letter].width) for letter in "ABC"]
    assert widths[0] in range(40, 46)
    assert widths[1] in (33, 34)
    assert widths[2] in range(55, 62)


def test_a_column_is_as_wide_as_its_total(book: Book) -> None:
    """What does not fit would be shown as hashes."""
    order = typed(CELL_TYPE_AMOUNT, *["9999999"] * 200, total=ExportSpreadsheet.TOTAL_SUM)

    sheet = book(run_eagerly(export_spreadsheet, order).result).active

    assert sheet.column_dimensions["A"].width > len("1.999.999.800,00") + 4


def test_a_repeat_makes_the_same_document_again(documents: Documents, book: Book) -> None:
    """One row of the registry, with the same bytes."""
    job, order = EagerJob(), inline(("1",), keep={"seconds": 3600})

    first = run_eagerly(export_spreadsheet, order, job=job).result.document
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=5)):
        second = run_eagerly(export_spreadsheet, order, job=job).result.document

    assert (first.document_id, first.sha256) == (second.document_id, second.sha256)
    assert len(list(documents.find(namespace="default"))) == 1
    kept = second.expire_time.ToDatetime(UTC) - datetime.now(UTC)
    assert timedelta(minutes=59) < kept <= timedelta(minutes=65)


def test_progress_is_told_by_rows(stored: Store) -> None:
    """Of about how many there are."""
    run = run_eagerly(export_spreadsheet, ExportSpreadsheet(document_id=stored("a\n" * 5_000).id))

    told = [(each.current, each.message) for each in run.progress]
    assert told[:4] == [(rows, "writing rows") for rows in (1024, 2048, 3072, 4096)]
    assert told[-1] == (4999, "packing")
    assert {each.total for each in run.progress} <= {4999, 5000}


def test_a_cancelled_export_leaves_a_failed_document(stored: Store, documents: Documents) -> None:
    """And nothing in the storage."""
    job, document = EagerJob(), stored("a\n" * 5_000)

    def cancel(_: object) -> None:
        assert job.hold is not None
        job.hold.cancelled = True

    job.told = cancel
    with pytest.raises(JobCancelled):
        run_eagerly(export_spreadsheet, ExportSpreadsheet(document_id=document.id), job=job)

    made = documents.get(job.context().effect_id("document"), namespace="default")
    assert (made.status, made.reason, made.key) == (Status.FAILED, "JOB_CANCELLED", "")


def test_documents_of_others_do_not_exist(stored: Store) -> None:
    """Not even for saying so."""
    order = ExportSpreadsheet(document_id=stored("a\n", namespace="other").id)

    assert refused(order).reason == "DOCUMENT_MISSING"


@pytest.mark.parametrize("first", ["Relatorio de vendas\n\n", "Vendas, por dia\n", "sep=;\n"])
@pytest.mark.parametrize("columns", [["v", "w"], ["w"]])
def test_the_header_of_a_csv_is_the_row_that_names_the_columns(
    stored: Store, book: Book, first: str, columns: list[str]
) -> None:
    """As ProcessFile finds it."""
    document = stored(f"{first}v;w\n1,5;2\n")
    order = ExportSpreadsheet(document_id=document.id, columns=[Column(name=n) for n in columns])

    sheet = book(run_eagerly(export_spreadsheet, order).result).active

    row = {"v": "1,5", "w": "2"}
    assert values(sheet) == [tuple(columns), tuple(row[name] for name in columns)]


def test_excels_own_first_line_is_no_header(stored: Store, book: Book) -> None:
    """Where no columns are asked for."""
    run = run_eagerly(
        export_spreadsheet, ExportSpreadsheet(document_id=stored("sep=;\nv;w\n1;2\n").id)
    )

    assert values(book(run.result).active) == [("v", "w"), ("1", "2")]


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n", b"\xff\xfe", b"sep=;\n"])
def test_a_csv_without_rows_fails_for_good(stored: Store, content: bytes) -> None:
    """A mark is no row."""
    assert refused(ExportSpreadsheet(document_id=stored(content).id)).reason == "EMPTY_FILE"
