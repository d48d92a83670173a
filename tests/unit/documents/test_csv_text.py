"""CSV as people save it."""

from __future__ import annotations

import io

import pytest

from portaria.jobs import PermanentError
from portaria_workers.documents import csv_text

ROWS = [["nome", "preço"], ["Conceição", "1,5"]]


def read(content: bytes) -> list[list[str]]:
    with csv_text.rows_of(io.BytesIO(content)) as (_, rows):
        return [cells for _, cells in rows]


def reason(content: bytes) -> str:
    with pytest.raises(PermanentError) as caught:
        read(content)
    return caught.value.reason


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_way_of_saving_text_is_read(encoding: str, ending: str) -> None:
    """With a mark at its beginning or without."""
    content = ending.join(("nome;preço", "Conceição;1,5", "")).encode(encoding)

    assert read(content) == ROWS


def test_western_letters_far_into_a_file_are_read() -> None:
    """All of it decides, and not its first lines."""
    content = b"nome\n" + b"Ana\n" * 50_000 + "Conceição – 5 €\n".encode("cp1252")

    assert read(content)[-1] == ["Conceição – 5 €"]


def test_what_windows_does_not_know_is_latin_1() -> None:
    """0x81 is nothing in cp1252."""
    assert read(b"nome\n\xe7\x81\n") == [["nome"], ["ç\x81"]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    """Also where cells hold the others within quotes."""
    lines = ("a", "b", "c"), ('"1,5; 2|3\t4"', "x", "y"), ("2", "", "z")
    content = "\n".join(delimiter.join(line) for line in lines).encode()

    rows = read(content)

    assert [len(row) for row in rows] == [3, 3, 3]
    assert rows[1][0] == "1,5; 2|3\t4"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("valor;nota\n1,50;a\n2,50;b\n", [["valor", "nota"], ["1,50", "a"], ["2,50", "b"]]),
        ("texto\nOlá; mundo\nBoa\n", [["texto"], ["Olá; mundo"], ["Boa"]]),
        ("um\n", [["um"]]),
        ("a,b", [["a", "b"]]),
        ('a,b\n"x\ny",2\n', [["a", "b"], ["x\ny", "2"]]),
    ],
)
def test_a_comma_in_a_number_or_a_text_delimits_nothing(
    content: str, expected: list[list[str]]
) -> None:
    """What most rows agree with is the delimiter."""
    assert read(content.encode()) == expected


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    "titles", ["Relatório de vendas\n\n", "Vendas, por dia, de novembro\n", "a;b;c\n\nx,y\tz\n"]
)
def test_the_delimiter_is_the_one_by_which_a_row_names_what_is_wanted(
    titles: str, delimiter: str
) -> None:
    """Whatever stands above it."""
    lines = titles + "".join(f"{left}{delimiter}{right}\n" for left, right in ("vw", "12", "34"))

    with csv_text.rows_of(io.BytesIO(lines.encode()), [" V", "w"]) as (form, rows):
        found = [cells for _, cells in rows]

    assert form.delimiter == delimiter
    assert found[-3:] == [["v", "w"], ["1", "2"], ["3", "4"]]


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_header_without_rows_is_found_below_a_title(end: str) -> None:
    """Though it is the last line."""
    content = f"Vendas, novembro\nv;w{end}".encode()

    with csv_text.rows_of(io.BytesIO(content), ["v", "w"]) as (_, rows):
        assert [cells for _, cells in rows][-1] == ["v", "w"]


def test_a_quote_in_a_title_does_not_hide_the_header() -> None:
    """Read by one delimiter, it is left open; by another, it is a letter."""
    content = b'Vendas,"x\nv;w\n1;2\n'

    with csv_text.rows_of(io.BytesIO(content), ["v", "w"]) as (form, _):
        assert form.delimiter == ";"


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_excels_own_first_line_is_no_row(first: str, encoding: str) -> None:
    """It says the delimiter, and the rows keep their numbers."""
    content = f"{first}\r\na,b;c\r\n1,5;2\r\n".encode(encoding)

    with csv_text.rows_of(io.BytesIO(content)) as (form, rows):
        assert list(rows) == [(2, ["a,b", "c"]), (3, ["1,5", "2"])]
    assert form.delimiter == ";"


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"])
def test_encodings_that_are_not_read_are_named(encoding: str) -> None:
    """Spreadsheets show such files well, so people ask."""
    with pytest.raises(PermanentError, match="UTF-32, or UTF-16 without a mark") as caught:
        read("nome;preço\nConceição;1,5\n".encode(encoding))
    assert caught.value.reason == "FILE_TYPE"


def test_rows_have_the_numbers_that_people_see() -> None:
    """Blank lines are left out, and count."""
    with csv_text.rows_of(io.BytesIO(b"a,b\n\n1,2\n")) as (form, rows):
        found = list(rows)

    assert found == [(1, ["a", "b"]), (3, ["1", "2"])]
    assert form.lines >= 3


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "EMPTY_FILE"),
        (b" \n\r\n", "EMPTY_FILE"),
        (b"%PDF-1.7\n", "FILE_TYPE"),
        (b"PK\x03\x04", "FILE_TYPE"),
        (b"a,b\n1,\x002\n", "FILE_TYPE"),
        (b"\xef\xbb\xbfa\n\xff\n", "CORRUPT"),
        (b'a,b\n"' + b"x" * 200_000 + b"\n", "CORRUPT"),
    ],
)
def test_what_is_no_csv_is_refused(content: bytes, expected: str) -> None:
    """For good, with the reason."""
    assert reason(content) == expected


def test_a_csv_of_more_than_its_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted as it is read."""
    monkeypatch.setattr(csv_text, "LARGEST", 100_000)

    assert reason(b"a\n" * 60_000) == "FILE_TOO_LARGE"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_what_could_be_a_formula_is_quoted(start: str) -> None:
    """As OWASP lists them; row 56."""
    assert csv_text.guarded(f"{start}1+1") == f"'{start}1+1"
    assert csv_text.guarded(f"a{start}1") == f"a{start}1"
