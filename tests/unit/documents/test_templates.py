"""Templates: what they show, read back by readers that did not write it."""

from __future__ import annotations

import copy
import re
from datetime import date

import pytest
from google.protobuf.message import Message

from portaria.jobs import PermanentError
from portaria_workers.documents.filling import fill
from portaria_workers.documents.locales import locale
from portaria_workers.documents.typesetting import Typeset, typeset
from portaria_workers.documents.v1.content_pb2 import (
    Certificate,
    Contract,
    Invoice,
    Party,
    Report,
)
from stack import papers
from stack.reading_pdf import ReadPdf

Content = Invoice | Contract | Certificate | Report

LOCALES = ("pt-BR", "pt-AO", "en")
PAPERS = {
    "invoice": papers.invoice(),
    "contract": papers.contract(),
    "certificate": papers.certificate(),
    "report": papers.report(),
}
MARKUP = (
    """{{7*7}} #import "x" #7 $x^2$ *bold* _it_ <label> @ref `raw` \\n = H /* c */ ~ "q" -- ..."""
)
DAY = date(2026, 11, 22)


def _made(content: Content, name: str = "pt-AO", title: str = "") -> Typeset:
    filled = fill(content, locale(name), title=title, made=DAY)
    return typeset(filled.template, filled.data)


def _read(content: Content, name: str = "pt-AO", title: str = "") -> ReadPdf:
    return ReadPdf(_made(content, name, title).pdf)


@pytest.mark.parametrize("name", LOCALES)
@pytest.mark.parametrize("template", PAPERS)
def test_every_template_is_an_archivable_pdf_in_every_language(template: str, name: str) -> None:
    """PDF/A-2b, its fonts inside, its language and title told, as many pages as it says."""
    made = _made(PAPERS[template], name)

    read = ReadPdf(made.pdf)

    assert re.search(r"<pdfaid:part>2</pdfaid:part>", read.xmp)
    assert re.search(r"<pdfaid:conformance>B</pdfaid:conformance>", read.xmp)
    fonts = list(read.fonts())
    assert fonts
    assert all(embedded for _, embedded in fonts)
    assert read.language == {"pt-BR": "pt-BR", "pt-AO": "pt-AO", "en": "en"}[name]
    assert str(read.about["/Title"]).startswith(locale(name).words[template])
    assert len(read.pages) == made.pages
    assert read.overhang() == 0


@pytest.mark.parametrize("template", PAPERS)
def test_the_same_content_gives_the_same_bytes(template: str) -> None:
    """So that a repeated run stores what is there already."""
    assert _made(PAPERS[template]).pdf == _made(PAPERS[template]).pdf


@pytest.mark.parametrize("template", PAPERS)
def test_nothing_in_the_data_is_markup(template: str) -> None:
    """In no field, neither ours nor that of other template languages."""
    content = copy.deepcopy(PAPERS[template])
    texts = [f"{number}{MARKUP}" for number in range(_written(content, MARKUP))]

    shown = "".join(_read(content, title=f"T{MARKUP}").text.split())

    assert len(texts) > 6
    for text in [*texts, f"T{MARKUP}"]:
        assert "".join(text.split()) in shown.replace("\xad", "")


_NO_TEXTS = {
    "issue_date",
    "due_date",
    "date",
    "currency",
    "quantity",
    "unit",
    "unit_price",
    "tax_rate",
}


def _written(message: Message, text: str, done: int = 0) -> int:
    """Writes the text, with a number before it, over every text of a message; answers how many."""
    for field, value in message.ListFields():
        if field.name in _NO_TEXTS:
            continue
        if field.message_type:
            for each in value if field.is_repeated else [value]:
                done = _written(each, text, done)
        elif field.type == field.TYPE_STRING:
            places = range(len(value)) if field.is_repeated else [None]
            for place in places:
                if place is None:
                    setattr(message, field.name, f"{done}{text}")
                else:
                    value[place] = f"{done}{text}"
                done += 1
    return done


def test_the_metadata_tell_what_it_is_whose_and_of_when() -> None:
    """A title of the reader's own wins, and is text."""
    read = _read(papers.invoice(issue_date="2019-03-01"), title="Factura-recibo #1 *nova*")

    assert read.about["/Title"] == "Factura-recibo #1 *nova* FT 2026/117"
    assert read.about["/Author"] == papers.SELLER.name
    assert str(read.about["/CreationDate"]).startswith("D:20190301")
    assert "Factura-recibo #1 *nova*" in read.text


@pytest.mark.parametrize("lines", range(26, 34))
def test_the_total_of_an_invoice_is_never_alone_on_its_page(lines: int) -> None:
    """Wherever the page ends, the last lines and the head of the table go with it."""
    pages = _read(papers.invoice(lines)).pages

    page = next(page for page in pages if "Total a pagar" in page)
    assert f"Serviço n.º {lines} " in page
    assert f"Serviço n.º {lines - 1} " in page
    assert "Descrição" in page


def test_each_page_of_an_invoice_carries_its_sum_over() -> None:
    """At the foot of one and at the head of the next: the sum of the lines so far."""
    pages = _read(papers.invoice(120)).pages

    carried = [re.search(r"Transporte ([\d ]+),00 Kz", page) for page in pages]
    carries = [re.search(r"A transportar ([\d ]+),00 Kz", page) for page in pages]

    assert len(pages) > 3
    assert carried[0] is None
    assert carries[-1] is None
    done = 0
    for page, to, at in zip(pages, carries, carried[1:], strict=False):
        done += len(re.findall(r"Serviço n\.º \d+", page))
        assert to is not None
        assert at is not None
        assert to[1] == at[1] == f"{done * 1000:,}".replace(",", " ")
    for number, page in enumerate(pages, start=1):
        assert f"Página {number} / {len(pages)}" in page
        assert "Preço unit." in page


def test_an_invoice_shows_what_it_comes_to() -> None:
    """By line, by rate, and in all."""
    text = _read(papers.invoice(3, currency="BRL"), "pt-BR").text

    for shown in ("1.000,00", "14 % 3.000,00 420,00", "Subtotal R$ 3.000,00", "R$ 3.420,00"):
        assert shown in text


def test_columns_that_no_line_fills_are_left_out() -> None:
    """An invoice of somebody who charges no tax has no column for it."""
    content = papers.invoice()
    content.lines[0].tax_rate = content.lines[0].unit = ""

    text = _read(content).text

    assert "Imposto" not in text
    assert "Un." not in text
    assert "1 000,00 Kz" in text


def _at_its_limits(letter: str) -> Invoice:
    content = papers.invoice(0, currency="BRL", number=letter * 64, notes=letter * 4000)
    for party in (content.seller, content.buyer):
        party.name, party.tax_id = letter * 200, letter * 32
        party.address[:] = [letter * 200] * 5
    for number in range(10):
        content.lines.add(
            description=letter * 500,
            quantity="999999999.999",
            unit=letter * 16,
            unit_price="999999999999.99",
            tax_rate=f"{number + 10}.25",
        )
    return content


@pytest.mark.parametrize("name", LOCALES)
@pytest.mark.parametrize("letter", ["M", "Maria "])
def test_an_invoice_at_its_limits_prints_nothing_over_another(letter: str, name: str) -> None:
    """Neither in its columns and totals nor at head and foot of a page."""
    read = _read(
        _at_its_limits(letter), name, title=("T" * 200 if letter == "M" else "Título " * 28)
    )

    assert read.overhang() == 0
    assert read.overprinted() == 0
    for number, page in enumerate(read.pages, start=1):
        assert f"{locale(name).words['page']} {number} / {len(read.pages)}" in page


def test_a_thousand_rates_of_tax_go_on_on_further_pages() -> None:
    """None is lost below the end of the page."""
    content = papers.invoice(400)
    for number, line in enumerate(content.lines):
        line.tax_rate = f"{number // 100}.{number % 100:02}"

    read = _read(content)

    assert read.overhang() == 0
    assert read.overprinted() == 0
    assert len(re.findall(r"\d,\d\d % 1 000,00", read.text)) >= 400


def test_a_long_title_of_an_invoice_has_the_width_of_the_page() -> None:
    """Eighty letters are two lines; a short title stands beside the seller."""
    title = "Factura-recibo de prestação de serviços de manutenção de equipamentos industriais"

    long, short = (_read(papers.invoice(), title=each).pages[0] for each in (title, "Factura"))

    lines = long[: long.index(papers.SELLER.name)].strip().split("\n")
    assert len(lines) == 2
    assert " ".join(line.strip() for line in lines) == title
    assert short.startswith(papers.SELLER.name)


@pytest.mark.parametrize("clauses", range(6, 14))
def test_signatures_stand_on_one_page(clauses: int) -> None:
    """With the words that they are under, wherever the text ends."""
    content = papers.contract(clauses, parties=6)
    content.witnesses.clear()

    pages = _read(content).pages

    page = next(page for page in pages if "as partes assinam" in page)
    for number in range(1, 7):
        assert f"NIF: 54171894{number:02}" in page
    assert "Luanda, 22 de Novembro de 2026" in page


@pytest.mark.parametrize("clauses", range(6, 14))
def test_nobody_signs_a_page_without_a_word_of_the_contract(clauses: int) -> None:
    """Where few sign, the last paragraph stands above them."""
    pages = _read(papers.contract(clauses)).pages

    page = next(page for page in pages if "as partes assinam" in page)
    assert "entre as partes.\nPor estarem de acordo" in page


def test_signatures_that_fit_on_no_page_run_on() -> None:
    """None of them is lost below the end of the page."""
    content = papers.contract(1, parties=10)
    for number, party in enumerate(content.parties):
        party.name = f"{number}" + "W" * 199

    read = _read(content)

    assert read.overhang() == 0
    assert read.text.count("NIF: 5417") == 10


@pytest.mark.parametrize("lines", range(6))
def test_a_clause_is_not_parted_from_its_title(lines: int) -> None:
    """No title is the last line of its page."""
    pages = _read(papers.contract(14, preamble="\nlinha" * lines)).pages

    assert len(pages) > 1
    for page in pages:
        assert not re.search(r"Título \d+\s+Contrato CT", page)


def test_a_contract_numbers_its_clauses() -> None:
    """In the way of the language."""
    assert "Cláusula 40.ª Título 40" in _read(papers.contract(40), "pt-AO").text
    assert "Cláusula 40ª Título 40" in _read(papers.contract(40), "pt-BR").text
    assert "Clause 40 Título 40" in _read(papers.contract(40), "en").text


@pytest.mark.parametrize("letter", ["M", "Maria "])
def test_a_certificate_has_one_page(letter: str) -> None:
    """With everything as long as the contract lets it be."""

    def long(length: int) -> str:
        return (letter * length)[:length]

    content = Certificate(
        holder=long(200),
        subject=long(300),
        issuer=long(200),
        date="2026-11-22",
        place=long(200),
        hours=100_000,
        code=long(64),
        signers=[Certificate.Signer(name=long(200), role=long(200))] * 3,
    )

    read = _read(content, title=long(200))

    assert len(read.pages) == 1
    assert read.overhang() == 0


def test_the_head_of_a_long_table_is_on_each_of_its_pages() -> None:
    """Whoever turns the page knows what the columns are."""
    pages = _read(papers.report(rows=200)).pages

    assert len(pages) > 3
    assert all("Coluna 3" in page for page in pages)


def test_a_row_with_too_few_cells_fails_for_good() -> None:
    """So does one with too many: nobody guesses which column is meant."""
    content = papers.report()
    content.sections[1].table.rows[1].cells.append("mais")

    with pytest.raises(PermanentError) as failure:
        _made(content)

    assert failure.value.reason == "TABLE_CELLS"
    assert "report.sections[1].table.rows[1] has 5 cells" in str(failure.value)


def test_more_cells_than_a_page_is_for_fail_for_good() -> None:
    """Long before they fill the memory of a worker."""
    content = Report()
    for _ in range(2):
        table = content.sections.add().table
        table.columns.extend([Report.Column(title="c")] * 20)
        table.rows.extend([Report.Row(cells=["x"] * 20)] * 501)

    with pytest.raises(PermanentError) as failure:
        _made(content)

    assert failure.value.reason == "TOO_MANY_CELLS"


@pytest.mark.parametrize(
    "content",
    [
        papers.invoice(due_date="2026-02-30"),
        papers.invoice(issue_date="2026-02-30"),
        papers.contract(date="2026-06-31"),
        papers.certificate(date="2025-02-29"),
        papers.report(date="2026-09-31"),
    ],
)
def test_a_day_that_no_calendar_has_fails_for_good(content: Content) -> None:
    """Before anything is set in type."""
    with pytest.raises(PermanentError) as failure:
        _made(content)

    assert failure.value.reason == "DATE"


def test_hyphenation_is_portuguese() -> None:
    """Words part between their syllables, as English ones would not."""
    words = {"carregadíssimo": "car-re-ga-dís-si-mo", "responsabilidade": "res-pon-sa-bi-li-da-de"}
    syllables = {
        "".join(parts[:number])
        for parts in (word.split("-") for word in words.values())
        for number in range(1, len(parts))
    }

    [page] = _read(_clause(" ".join([*words] * 60))).pages

    parted = set(re.findall(r"(\w+)\xad", page))
    assert parted
    assert parted <= syllables


def _clause(text: str) -> Contract:
    parties = [Party(name="A"), Party(name="B")]
    clauses = [Contract.Clause(title="T", text=text)]
    return Contract(date="2026-11-22", parties=parties, clauses=clauses)
