"""Contents of documents, as a company would hand them in."""

from __future__ import annotations

from portaria_workers.documents.v1.content_pb2 import (
    Certificate,
    Contract,
    Invoice,
    Party,
    Report,
)

SELLER = Party(
    name="Construções Ribeiro & Irmãos, Lda.",
    tax_id="5417189403",
    address=["Rua Rainha Ginga, 87, 3.º andar", "Ingombota, Luanda"],
    email="financeiro@ribeiro.example",
)
BUYER = Party(name="Sociedade Mineira da Conceição, S.A.", tax_id="5000312457")
_CLAUSE = (
    "O prestador obriga-se a executar os serviços com a diligência de um profissional qualificado, "
    "cumprindo as especificações, os prazos e as condições acordados entre as partes."
)


def invoice(lines: int = 1, **fields: object) -> Invoice:
    """Each line is one of its number, at 1,000.00 with 14 % of tax."""
    content = Invoice(
        number="FT 2026/117",
        issue_date="2026-11-22",
        due_date="2026-12-22",
        seller=SELLER,
        buyer=BUYER,
        currency="AOA",
        notes="IBAN AO06 0040 0000 1234 5678 1012 3.\n\nObrigado pela preferência.",
    )
    for number in range(1, lines + 1):
        content.lines.add(
            description=f"Serviço n.º {number}",
            quantity="1",
            unit="un",
            unit_price="1000.00",
            tax_rate="14",
        )
    content.MergeFrom(Invoice(**fields))  # type: ignore[arg-type]
    return content


def contract(clauses: int = 3, parties: int = 2, **fields: object) -> Contract:
    """With two witnesses."""
    content = Contract(
        number="CT-2026/04",
        date="2026-11-22",
        place="Luanda",
        preamble="Considerando que a primeira parte necessita de serviços;",
        witnesses=[Party(name="Esperança Njinga"), Party(name="António Sebastião")],
    )
    for number in range(1, parties + 1):
        content.parties.add(name=f"Parte n.º {number}", tax_id=f"54171894{number:02}")
    for number in range(1, clauses + 1):
        content.clauses.add(title=f"Título {number}", text=f"{_CLAUSE}\n\n{_CLAUSE}")
    content.MergeFrom(Contract(**fields))  # type: ignore[arg-type]
    return content


def certificate(**fields: object) -> Certificate:
    """Of a course, with two signers."""
    content = Certificate(
        holder="Maria da Conceição Gonçalves de Araújo",
        subject="Gestão da Qualidade ISO 9001",
        issuer="Instituto Superior de Tecnologias",
        date="2026-11-22",
        place="Luanda",
        hours=120,
        code="ISTA-7F3K",
    )
    content.signers.add(name="João Baptista", role="Director Académico")
    content.signers.add(name="Luísa Mbala", role="Coordenadora")
    content.MergeFrom(Certificate(**fields))  # type: ignore[arg-type]
    return content


def report(rows: int = 3, columns: int = 4, **fields: object) -> Report:
    """With metrics, a text and a table."""
    content = Report(subtitle="Movimentos de novembro", author="Finanças", date="2026-11-22")
    content.metrics.add(label="Documentos", value="1.284")
    content.metrics.add(label="Valor facturado", value="12.345.678,90 Kz")
    content.sections.add(heading="Resumo", text="Um parágrafo.\n\nOutro parágrafo.")
    table = content.sections.add(heading="Documentos emitidos").table
    for number in range(columns):
        table.columns.add(title=f"Coluna {number}", numeric=number > 1)
    for row in range(rows):
        table.rows.add(cells=[f"célula {row}.{number}" for number in range(columns)])
    content.MergeFrom(Report(**fields))  # type: ignore[arg-type]
    return content
