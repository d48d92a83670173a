"""Row 60: files that are not what they should be fail for good, with the reason."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from xml.sax.saxutils import escape

import pytest

from portaria.jobs import PermanentError
from portaria.jobs.eager import run_eagerly
from portaria.storage.document import Document
from portaria.storage.documents import Documents
from portaria_workers.documents.handlers import process_file
from portaria_workers.documents.v1.documents_pb2 import (
    CELL_TYPE_AMOUNT,
    CELL_TYPE_DATE,
    CELL_TYPE_DECIMAL,
    CELL_TYPE_INTEGER,
    MODE_LENIENT,
    ProcessFile,
    ProcessFileResult,
)

from .workbooks import BOOK, TYPES, book_of, parts_of, raw_book, raw_sheet, zipped

Store = Callable[..., Document]

GOOD = book_of([("a", "b"), (1, 2)])
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512
LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
SST = b"<sst><si><t>a</t></si></sst>"
CELL = '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>'


def read(document: Document, *columns: ProcessFile.Column, sheet: str = "") -> ProcessFileResult:
    order = ProcessFile(document_id=document.id, mode=MODE_LENIENT, sheet=sheet)
    order.columns.extend(columns or [ProcessFile.Column(name="a")])
    result: ProcessFileResult = run_eagerly(process_file, order).result
    return result


def failure(document: Document, *columns: ProcessFile.Column, sheet: str = "") -> PermanentError:
    with pytest.raises(PermanentError) as caught:
        read(document, *columns, sheet=sheet)
    return caught.value


def encrypted() -> bytes:
    """With the flag of an encrypted entry in each header."""
    content = bytearray(GOOD)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(mark)
        while start >= 0:
            content[start + place] |= 1
            start = content.find(mark, start + 4)
    return bytes(content)


def lying() -> bytes:
    """Its directory says that each part is one byte."""
    content = bytearray(GOOD)
    start = content.find(b"PK\x01\x02")
    while start >= 0:
        content[start + 24 : start + 28] = (1).to_bytes(4, "little")
        start = content.find(b"PK\x01\x02", start + 4)
    return bytes(content)


def nested() -> bytes:
    return zipped({"inner.xlsx": GOOD})


MACRO_TYPES = TYPES.replace("spreadsheetml.sheet.main", "sheet.macroEnabled.main").encode()
MANY = {f"xl/media/{number}.png": b"" for number in range(1_100)}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "EMPTY_FILE", id="no bytes"),
        pytest.param(GOOD[:-100], "CORRUPT", id="cut off"),
        pytest.param(GOOD[:200], "CORRUPT", id="cut off early"),
        pytest.param(GOOD[:300] + b"\xff" * 40 + GOOD[340:], "CORRUPT", id="damaged"),
        pytest.param(lying(), "CORRUPT", id="sizes that are not true"),
        pytest.param(encrypted(), "ENCRYPTED", id="encrypted zip"),
        pytest.param(
            COMPOUND + "EncryptedPackage".encode("utf-16-le"), "ENCRYPTED", id="with a password"
        ),
        pytest.param(COMPOUND, "FILE_TYPE", id="xls renamed"),
        pytest.param(b"%PDF-1.7", "FILE_TYPE", id="pdf renamed"),
        pytest.param(nested(), "FILE_TYPE", id="zip in zip"),
        pytest.param(zipped({"a.txt": b"a"}), "FILE_TYPE", id="another zip"),
        pytest.param(
            zipped({"[Content_Types].xml": b"<Types/>"}), "FILE_TYPE", id="another document"
        ),
        pytest.param(
            zipped({**parts_of(GOOD), "xl/vbaProject.bin": b"x"}), "MACROS", id="with macros"
        ),
        pytest.param(
            zipped({**parts_of(GOOD), "[Content_Types].xml": MACRO_TYPES}), "MACROS", id="xlsm"
        ),
        pytest.param(
            zipped({**parts_of(GOOD), "xl/externalLinks/externalLink1.xml": b"<a/>"}),
            "EXTERNAL_LINKS",
            id="links to other workbooks",
        ),
        pytest.param(zipped({**parts_of(GOOD), **MANY}), "TOO_MANY_ENTRIES", id="many parts"),
        pytest.param(
            zipped(parts_of(GOOD), zipfile.ZIP_BZIP2), "FILE_TYPE", id="parts that are not deflated"
        ),
        pytest.param(
            zipped({**parts_of(GOOD), "xl/media/1.png": b"\0" * 20_000_000}),
            "COMPRESSION_RATIO",
            id="ratio",
        ),
        pytest.param(raw_book(raw_sheet(CELL, LAUGHS)), "CORRUPT", id="a thousand laughs"),
        pytest.param(raw_book(raw_sheet("<row><c>")), "CORRUPT", id="broken xml"),
        pytest.param(raw_book(raw_sheet("<x>" * 100 + "</x>" * 100)), "CORRUPT", id="deep xml"),
        pytest.param(raw_book(raw_sheet('<row r="2"/><row r="1"/>')), "CORRUPT", id="row order"),
        pytest.param(
            raw_book(raw_sheet('<row><c r="B1"><v>1</v></c><c r="A1"><v>1</v></c></row>')),
            "CORRUPT",
            id="cell order",
        ),
        pytest.param(
            raw_book(raw_sheet('<row><c t="s"><v>7</v></c></row>')), "CORRUPT", id="no such text"
        ),
        pytest.param(
            raw_book(raw_sheet('<row><c t="str"><v>' + "x" * 40_000 + "</v></c></row>")),
            "CORRUPT",
            id="a cell without end",
        ),
        pytest.param(
            raw_book(raw_sheet('<row r="200001"><c><v>1</v></c></row>')), "TOO_MANY_ROWS", id="rows"
        ),
        pytest.param(
            raw_book(raw_sheet('<row r="1"><c r="GS1"><v>1</v></c></row>')),
            "TOO_MANY_COLUMNS",
            id="columns",
        ),
        pytest.param(raw_book(raw_sheet("")), "EMPTY_FILE", id="an empty sheet"),
        pytest.param(
            raw_book(raw_sheet('<row r="²"><c><v>1</v></c></row>')), "CORRUPT", id="no number"
        ),
        pytest.param(
            raw_book(
                raw_sheet('<row><c t="s"><v>-1</v></c></row>'), **{"xl/sharedStrings.xml": SST}
            ),
            "CORRUPT",
            id="a text before the first",
        ),
        pytest.param(
            raw_book(b'<?xml version="1.0" encoding="klingon"?><worksheet/>'),
            "CORRUPT",
            id="no encoding",
        ),
        pytest.param(
            zipped({"[Content_Types].xml": TYPES.encode(), "xl/workbook.xml": BOOK.encode()}),
            "CORRUPT",
            id="parts are missing",
        ),
        pytest.param(b"PK\x03\x04" + b"x" * 10 * 1024 * 1024, "FILE_TOO_LARGE", id="too large"),
    ],
)
def test_row_60_a_bad_workbook_fails_for_good(stored: Store, content: bytes, reason: str) -> None:
    """Never tried again, and never a stack trace."""
    assert failure(stored(content, "dados.xlsx")).reason == reason


def test_row_60_a_wrong_sheet_is_answered_with_those_that_there_are(stored: Store) -> None:
    """By their names, without regard to case."""
    document = stored(GOOD, "dados.xlsx")

    wrong = failure(document, sheet="Vendas")
    right = read(document, sheet="sheet")

    assert (wrong.reason, str(wrong)) == (
        "SHEET_MISSING",
        'there is no sheet "Vendas", but "Sheet"',
    )
    assert right.rows == 1


def test_row_60_a_hidden_sheet_is_not_the_first(stored: Store) -> None:
    """But is read where it is named."""
    content = book_of([("a",), (1,)], lambda sheet: _hide(sheet))

    assert read(stored(content, "a.xlsx"), ProcessFile.Column(name="b")).rows == 2
    assert read(stored(content, "a.xlsx"), sheet="Sheet").rows == 1


def _hide(sheet: object) -> None:
    other = sheet.parent.create_sheet("Outra")
    for value in ("b", 1, 2):
        other.append([value])
    sheet.sheet_state = "hidden"


def test_row_60_missing_columns_are_named_all_together(stored: Store) -> None:
    """In a CSV and in a workbook."""
    wanted = [ProcessFile.Column(name=name) for name in ("a", "x", "y")]

    for document in (stored("a,b\n1,2\n"), stored(GOOD, "a.xlsx")):
        found = failure(document, *wanted)
        assert (found.reason, str(found)) == ("COLUMN_MISSING", 'there is no column "x", "y"')


def test_row_60_a_merged_header_is_told(stored: Store) -> None:
    """Its cells have no names."""
    content = book_of(
        [("a", "b", "c"), (1, 2, 3), (4, 5, 6)], lambda sheet: sheet.merge_cells("A1:B1")
    )

    found = failure(stored(content, "a.xlsx"), ProcessFile.Column(name="b"))

    words = 'there is no column "b"; 1 columns have no name, are their cells merged?'
    assert (found.reason, str(found)) == ("COLUMN_MISSING", words)


def test_row_60_a_header_twice_is_refused(stored: Store) -> None:
    """Nobody knows which one is meant."""
    assert failure(stored("a,A\n1,2\n")).reason == "COLUMN_DUPLICATE"


def test_row_60_a_formula_without_its_value_is_a_fault(stored: Store) -> None:
    """No program has worked it out yet; one with a value is read."""
    sheet = raw_sheet(
        CELL
        + '<row r="2"><c r="A2"><f>1+1</f></c></row>'
        + '<row r="3"><c r="A3"><f>1+1</f><v></v></c></row>'
        + '<row r="4"><c r="A4"><f>1+1</f><v>2</v></c></row>'
        + '<row r="5"><c r="A5" t="e"><f>1/0</f><v>#DIV/0!</v></c></row>'
    )

    result = read(
        stored(raw_book(sheet), "a.xlsx"), ProcessFile.Column(name="a", type=CELL_TYPE_INTEGER)
    )

    told = [(fault.row, fault.reason) for fault in result.faults]
    assert told == [(2, "FORMULA"), (3, "FORMULA"), (5, "TYPE")]
    assert result.accepted == 1


def test_row_60_a_workbook_of_another_program_is_read(stored: Store) -> None:
    """With prefixes, without references, with rich text and without styles."""
    sheet = (
        b'<?xml version="1.0"?><x:worksheet xmlns:x="http://schemas.openxmlformats.org/'
        b'spreadsheetml/2006/main"><x:dimension ref="A1:XFD1048576"/><x:sheetData><x:row>'
        b'<x:c t="inlineStr"><x:is><x:r><x:t>a</x:t></x:r><x:rPh><x:t>!</x:t></x:rPh></x:is></x:c>'
        b"</x:row><x:row><x:c><x:v>7</x:v></x:c></x:row></x:sheetData></x:worksheet>"
    )

    result = read(
        stored(raw_book(sheet), "a.xlsx"), ProcessFile.Column(name="a", type=CELL_TYPE_INTEGER)
    )

    assert (result.rows, result.columns[0].sum) == (1, "7")


def test_row_60_texts_that_cells_share_are_read(stored: Store) -> None:
    """As Excel writes them: in runs, with spaces, and without their readings."""
    shared = (
        b'<sst><si><t>a</t></si><si><r><t xml:space="preserve">Jo </t></r><r><t>\xc3\xa3o</t></r>'
        b"<rPh><t>!</t></rPh></si><si/></sst>"
    )
    cells = "".join(
        f'<row><c t="s"><v>{number}</v></c><c><v>1</v></c></row>' for number in range(3)
    )
    book = raw_book(raw_sheet(cells), **{"xl/sharedStrings.xml": shared})
    column = ProcessFile.Column(name="a", one_of=["Jo \xe3o"])

    result = read(stored(book, "a.xlsx"), column)

    assert (result.columns[0].filled, result.columns[0].empty) == (1, 1)


@pytest.mark.parametrize(
    ("code", "number", "read_as"),
    [
        ('0.00" dias"', "45982.5", "45982.5"),
        ("[h]:mm:ss", "1.5", "1900-01-01 12:00:00"),
        ("dd/mm/yyyy;@", "46347", "2026-11-21"),
        ("[$-416]d \\de mmmm", "46347", "2026-11-21"),
        ("[Red]0", "3", "3"),
        ("General", "46347", "46347"),
        ("yyyy", "60", "1900-02-28"),
        ("yyyy", "59", "1900-02-28"),
        ("yyyy", "1", "1900-01-01"),
        ("yyyy", "-1", ""),
        ("yyyy", "9999999", ""),
        ("0", "1e400", ""),
    ],
)
def test_a_number_is_a_date_where_its_format_says_so(
    stored: Store, documents: Documents, code: str, number: str, read_as: str
) -> None:
    """Quoted words, colours and countries in a format say nothing; what is no day is at fault."""
    styles = (
        f"<styleSheet><numFmts><numFmt numFmtId='200' formatCode='{escape(code)}'/></numFmts>"
        "<cellXfs><xf numFmtId='0'/><xf numFmtId='200'/></cellXfs></styleSheet>"
    ).encode()
    sheet = raw_sheet(CELL + f'<row><c s="1"><v>{number}</v></c></row>')
    book = raw_book(sheet, **{"xl/styles.xml": styles})

    result = read(stored(book, "a.xlsx"))

    document = documents.get(result.accepted_rows.document_id, namespace="default")
    with documents.reading(document) as file:
        assert file.read().decode().splitlines()[1:] == ([read_as] if read_as else [])
    assert [fault.reason for fault in result.faults] == ([] if read_as else ["TYPE"])


@pytest.mark.parametrize("style", ["-1", "2", "²", "9" * 5_000, "x"])
def test_row_60_a_style_that_is_not_there_is_a_fault(stored: Store, style: str) -> None:
    """The number may be a date, or none: nobody guesses."""
    styles = b"<styleSheet><cellXfs><xf numFmtId='0'/><xf numFmtId='14'/></cellXfs></styleSheet>"
    sheet = raw_sheet(CELL + f'<row><c s="{style}"><v>46347</v></c></row>')

    result = read(stored(raw_book(sheet, **{"xl/styles.xml": styles}), "a.xlsx"))

    assert [fault.reason for fault in result.faults] == ["TYPE"]


def test_row_60_dates_and_decimal_commas_as_text_are_read(stored: Store) -> None:
    """In a workbook as in a CSV, which may be Windows' own, with or without a mark."""
    columns = [
        ProcessFile.Column(name="preço", type=CELL_TYPE_AMOUNT),
        ProcessFile.Column(name="dia", type=CELL_TYPE_DATE),
    ]
    text = "preço;dia\n1.234,50;21/11/2026\n"
    workbook = book_of([("preço", "dia"), ("1.234,50", "21/11/2026")])

    for content in (workbook, *(text.encode(each) for each in ("utf-8-sig", "latin-1", "utf-16"))):
        result = read(stored(content), *columns)
        assert (result.accepted, result.columns[0].sum) == (1, "1234.50")


def test_row_60_a_type_is_found_by_the_bytes_and_not_by_the_name(stored: Store) -> None:
    """A workbook called .csv, and a CSV called .xlsx; two letters are not enough."""
    assert read(stored("PK,a\n1,2\n", "dados.csv")).rows == 1
    assert read(stored(GOOD, "dados.csv")).rows == 1
    assert read(stored("a\n1\n", "dados.xlsx")).rows == 1


def test_a_file_that_is_still_being_made_is_not_read(documents: Documents) -> None:
    """It has no content yet."""
    reserved = documents.reserve(
        namespace="default", kind="upload", filename="a.csv", content_type="text/csv"
    )

    assert failure(reserved).reason == "DOCUMENT_NOT_READY"


def test_cells_with_content_far_out_cost_nothing_but_a_refusal(stored: Store) -> None:
    """A library that reads a sheet whole asks for half a terabyte here."""
    cells = CELL + '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'

    assert failure(stored(raw_book(raw_sheet(cells)), "a.xlsx")).reason == "TOO_MANY_ROWS"


def test_formatted_cells_without_content_count_for_nothing(stored: Store) -> None:
    """People format whole rows and columns."""
    cells = CELL + '<row r="1048576"><c r="XFD1048576" s="1"/></row>'

    result = read(
        stored(raw_book(raw_sheet(cells)), "a.xlsx"),
        ProcessFile.Column(name="a", type=CELL_TYPE_DECIMAL),
    )

    assert result.rows == 0
