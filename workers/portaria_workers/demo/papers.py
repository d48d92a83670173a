"""An invoice and a workbook, made side by side, into one mail: a workflow."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import click
import pypdfium2
from python_calamine import CalamineWorkbook

from portaria.cli.workflow_watching import watch
from portaria.client import Client, chain, group, step
from portaria.v1.job_pb2 import JOB_STATE_SUCCEEDED
from portaria_workers.demo.mails import mail_to
from portaria_workers.documents.v1.content_pb2 import Invoice, Party
from portaria_workers.documents.v1.documents_pb2 import (
    CELL_TYPE_AMOUNT,
    CELL_TYPE_INTEGER,
    ExportSpreadsheet,
    GenerateDocument,
)
from portaria_workers.mail.v1.mail_pb2 import SendDocument

_TO = "financas@example.com"
_WITHIN = timedelta(seconds=60)
_SOLD = (
    ("Consultoria de processos", "12", "45000.00", "14"),
    ("Licença anual da plataforma", "1", "380000.00", "14"),
    ("Formação no local, dois dias", "2", "95000.50", "7"),
)


def show_papers(client: Client, mails: Path, kept: Path) -> bool:
    """Submits and follows the workflow; opens what was attached with readers that did not write it,
    and keeps it in a folder. Answers whether all went well."""
    made = client.submit_workflow(
        chain(
            group(step(_invoice(), node="pdf"), step(_workbook(), node="xlsx")),
            step(
                SendDocument(
                    to=_TO,
                    name="Teresa",
                    subject="Factura FT 2026/117",
                    delivery=SendDocument.DELIVERY_ATTACHMENT,
                    locale="pt-AO",
                ),
                node="mail",
                bind={"document_ids": ["pdf.document.document_id", "xlsx.document.document_id"]},
            ),
        )
    )
    click.echo(f"\na workflow, {made.workflow_id}: an invoice and a workbook into one mail:")
    ended = watch(client, made.workflow_id, timeout=_WITHIN, out=sys.stdout)
    if ended.state != JOB_STATE_SUCCEEDED:
        return False
    mail = mail_to(_TO, mails)
    if mail is None:
        click.echo(f"no mail to {_TO} was delivered", err=True)
        return False
    click.echo(f"the mail, {mail}, brings:")
    for path in _save(mail, kept):
        click.echo(f"  {path}: {path.stat().st_size / 1024:.0f} KiB, {_what(path)}")
    return True


def _invoice() -> GenerateDocument:
    invoice = Invoice(
        number="FT 2026/117",
        issue_date="2026-11-21",
        due_date="2026-12-21",
        seller=Party(
            name="Portaria, Lda.",
            tax_id="5417000000",
            address=["Rua da Missão, 42", "Luanda, Angola"],
            email="facturas@portaria.example",
        ),
        buyer=Party(name="Café Kwanza, SA", tax_id="5417999999", address=["Av. 4 de Fevereiro, 7"]),
        currency="AOA",
        notes="Pagamento por transferência bancária. Obrigado pela preferência.",
    )
    for description, quantity, price, tax in _SOLD:
        invoice.lines.add(
            description=description, quantity=quantity, unit_price=price, tax_rate=tax
        )
    return GenerateDocument(invoice=invoice, locale="pt-AO", owner="cafe-kwanza")


def _workbook() -> ExportSpreadsheet:
    export = ExportSpreadsheet(
        sheet="Linhas",
        title="Linhas da factura FT 2026/117",
        filename="linhas-2026-117.xlsx",
        locale="pt-AO",
        owner="cafe-kwanza",
    )
    export.rows.names.extend(["descricao", "quantidade", "preco"])
    for description, quantity, price, _ in _SOLD:
        export.rows.rows.add(cells=[description, quantity, price])
    column = export.columns.add
    column(name="descricao", title="Descrição")
    column(name="quantidade", title="Quantidade", type=CELL_TYPE_INTEGER)
    column(
        name="preco", title="Preço unitário", type=CELL_TYPE_AMOUNT, currency="AOA",
        total=ExportSpreadsheet.TOTAL_SUM,
    )  # fmt: skip
    return export


def _save(mail: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    message = message_from_bytes(mail.read_bytes(), policy=policy.default)
    for part in message.iter_attachments():
        path = folder / Path(part.get_filename() or "unnamed").name
        path.write_bytes(part.get_content())
        yield path


def _what(path: Path) -> str:
    """By readers that had no part in writing it."""
    if path.suffix == ".pdf":
        with pypdfium2.PdfDocument(path) as document:
            text = document[0].get_textpage().get_text_range()
            total = next((line for line in text.splitlines() if "Total" in line), "").strip()
            return f"a PDF with {len(document)} page(s); {total}"
    sheet = CalamineWorkbook.from_path(path).get_sheet_by_index(0)
    rows = sheet.to_python()
    return f"a workbook with {len(rows)} rows; the last one is {rows[-1]}"
