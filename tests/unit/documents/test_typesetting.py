"""What no page can show is substituted and said; nothing that is written breaks a page."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from itertools import pairwise

import pytest

from portaria.jobs import PermanentError
from portaria_workers.documents import typesetting
from portaria_workers.documents.filling import fill
from portaria_workers.documents.locales import locale
from portaria_workers.documents.typesetting import SUBSTITUTE, Typeset, typeset
from portaria_workers.documents.v1.content_pb2 import Report
from stack import papers
from stack.reading_pdf import ReadPdf

DAY = date(2026, 11, 22)


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    """Each test begins with a process that has seen nothing."""
    typesetting._known_to_miss.cache_clear()
    yield
    typesetting._known_to_miss.cache_clear()


def _set(text: str) -> tuple[Typeset, ReadPdf]:
    content = Report(sections=[Report.Section(heading="Texto", text=text)])
    filled = fill(content, locale("pt-BR"), made=DAY)
    made = typeset(filled.template, filled.data)
    return made, ReadPdf(made.pdf)


@pytest.mark.parametrize(
    ("given", "shown", "unshown"),
    [
        ("São Tomé e Príncipe: ½ № € ‰ “aspas” – 25 °C", None, 0),
        ("Ελληνικά и кириллица", None, 0),
        ("\u05e9\u05dc\u05d5\u05dd", None, 0),
        ("uma cara 😀 e outra 😀", f"uma cara {SUBSTITUTE} e outra {SUBSTITUTE}", 1),
        ("família 👩‍👩‍👧 e bandeira 🇦🇴", f"família {SUBSTITUTE} e bandeira {SUBSTITUTE * 2}", 3),
        ("nome 张伟", f"nome {SUBSTITUTE * 2}", 2),
        ("privado \ue000 \ue004", f"privado {SUBSTITUTE} {SUBSTITUTE}", 2),
        ("Ção com a\u20dd marca", f"Ção com a{SUBSTITUTE} marca", 1),
        ("e\u0301 composto", "é composto", 0),
    ],
)
def test_what_no_font_has_is_substituted(given: str, shown: str | None, unshown: int) -> None:
    """By a mark that everybody sees; letters beside it stay, and so do other scripts."""
    made, read = _set(given)

    if given == "\u05e9\u05dc\u05d5\u05dd":
        assert set(given) <= set(read.text)
    else:
        assert (shown or given) in read.text
    assert made.unshown == unshown


def test_what_is_missing_is_tried_once() -> None:
    """The second document with it is set at once, and substitutes the same."""
    _set("😀")
    known = typesetting._known_to_miss()
    before = set(known._characters)

    made, read = _set("outra 😀 e 中")

    assert before == {"😀"}
    assert made.unshown == 2
    assert f"outra {SUBSTITUTE} e {SUBSTITUTE}" in read.text


def test_hundreds_of_unknown_signs_are_no_harm() -> None:
    """All are missing at once, and none is shown."""
    made, read = _set(" ".join(chr(0x4E00 + each) for each in range(500)))

    assert made.unshown == 500
    assert read.text.count(SUBSTITUTE) == 500


@pytest.mark.parametrize(
    "text",
    [
        "m" * 2_000,
        "W" * 2_000,
        "1" * 2_000,
        "1\u00a0" * 1_000,
        "https://example.com/" + "a/b?c=d&" * 240,
    ],
)
def test_a_word_without_end_stays_on_the_page(text: str) -> None:
    """It is broken where it must be, and none of it is lost."""
    _, read = _set(text)

    assert read.overhang() == 0
    assert "".join(text.split()) in "".join(read.text.split())


@pytest.mark.parametrize(
    "word",
    [
        "35260812345678901234567890123456789012345678",
        "AO06004000001234567810123BR1500000000000010932840814P2",
        "contabilidade.fornecedores@construcoes-ribeiro-irmaos.example.com",
        "https://portal.example.com/consulta/documentos/2026/11/22?chave=35260812345678",
    ],
)
@pytest.mark.parametrize("before", ["", "Uma linha que é quase tão longa como a página é larga: "])
def test_a_code_that_fits_into_a_line_is_found_whole(word: str, before: str) -> None:
    """Without a character that nobody wrote, so that a search finds it and a copy is the code."""
    _, read = _set(f"{before}Código {word} fim.")

    assert word in read.pages[0]
    assert "\N{ZERO WIDTH SPACE}" not in read.pages[0]


def test_a_code_that_is_too_wide_has_no_more_characters_than_were_written() -> None:
    """Only ends of lines stand within it; it is broken after its signs, where it has some."""
    key, name = "35260812345678901234567890123456789012345678", "relatorio_mensal-2026-11.final.pdf"
    content = papers.report(columns=20)
    content.sections[1].table.rows[0].cells[:] = [key, name] * 10
    filled = fill(content, locale("pt-BR"), made=DAY)

    read = ReadPdf(typeset(filled.template, filled.data).pdf)

    assert read.overprinted() == 0
    assert "\N{ZERO WIDTH SPACE}" not in read.pages[0]
    assert read.pages[0].replace("\n", "").count(key) == 10
    assert sum(line.endswith("mensal-") for line in read.pages[0].split("\n")) == 10


def test_a_megabyte_without_a_blank_fails_for_good() -> None:
    """Long before it fills the memory of a worker."""
    with pytest.raises(PermanentError) as failure:
        _set("x" * 50_000 + " " + "y" * 100_001)

    assert failure.value.reason == "LONG_WORDS"


def test_cells_of_long_words_stay_in_their_columns() -> None:
    """In twenty columns, too."""
    content = papers.report(rows=3, columns=20)
    for cell in range(20):
        content.sections[1].table.rows[0].cells[cell] = "0123456789" * (1 + cell)
    filled = fill(content, locale("en"), made=DAY)

    read = ReadPdf(typeset(filled.template, filled.data).pdf)

    assert read.overhang() == 0


def test_a_cell_does_not_run_into_the_next() -> None:
    """However wide its letters are, and though no word is a long one."""
    letters = "BDGHJKMOQUVWXZ"
    cells = [letter * 24 for letter in letters]
    table = Report.Table(columns=[Report.Column()] * len(cells), rows=[Report.Row(cells=cells)])
    filled = fill(Report(sections=[Report.Section(table=table)]), locale("en"), made=DAY)

    read = ReadPdf(typeset(filled.template, filled.data).pdf)

    for left, right in pairwise(letters):
        assert max(read.ends(left)) < min(read.places(right))


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_days_at_the_ends_of_the_calendar(day: str) -> None:
    """Are days like others."""
    filled = fill(papers.invoice(issue_date=day), locale("pt-BR"), made=DAY)

    assert typeset(filled.template, filled.data).pages == 1


def test_data_that_does_not_fit_the_template_fails_for_good() -> None:
    """With what the compiler says."""
    with pytest.raises(PermanentError, match="invoice: ") as failure:
        typeset("invoice", {"locale": "en"})

    assert failure.value.reason == "TYPESETTING"


def test_right_to_left_is_set_right_to_left() -> None:
    """The first letter of a Hebrew word stands at its right end."""
    _, read = _set("\u05d0\u05d1\u05d2")

    places = read.places("\u05d0"), read.places("\u05d2")

    assert places[0][0] > places[1][0]


def test_a_worker_starts_without_the_libraries_of_pdfs() -> None:
    """They are loaded at the first PDF."""
    code = (
        "import sys; from portaria.jobs.discovery import load_handlers;"
        "load_handlers(['portaria_workers'], {'documents'});"
        "print('portaria_workers.documents.typesetting' in sys.modules,"
        "{'pypdfium2', 'typst'} & sys.modules.keys())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert printed.stdout.strip() == "True set()"
