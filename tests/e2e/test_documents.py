"""Documents through the whole system: the door, workers that fork, the storage, the registry."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from portaria.client import InvalidRequest
from portaria.database import engine_of
from portaria.database.engine import database_url
from portaria.database.upgrading import upgrade
from portaria.settings import Settings, load_settings
from portaria.storage.documents import open_documents
from portaria_workers.documents.v1.documents_pb2 import (
    GenerateDailyReports,
    GenerateDailyReportsResult,
    GenerateDocument,
    GenerateDocumentResult,
    GenerateReportResult,
)
from stack import Stack, papers
from stack.reading_pdf import ReadPdf

PATIENCE = timedelta(seconds=40)

Read = Callable[[str], ReadPdf]


@pytest.fixture
def settings(stack: Stack) -> Settings:
    """Those of the stack, with the tables that its workers need."""
    environ = {name: value for name, value in stack.env.items() if name.startswith("PORTARIA_")}
    settings = load_settings(environ)
    upgrade(engine_of(database_url(settings)), ())
    return settings


@pytest.fixture
def read(settings: Settings) -> Read:
    """Reads a document of the storage."""

    def reading(document_id: str) -> ReadPdf:
        documents = open_documents(settings)
        document = documents.get(document_id, namespace="default")
        with documents.reading(document) as file:
            return ReadPdf(file.read())

    return reading


def test_documents_are_made_one_after_the_other_and_at_once(stack: Stack, read: Read) -> None:
    """Two children, a dozen of documents of all templates: each child sets many in type."""
    stack.door()
    stack.worker("documents", concurrency=2)
    orders = [
        order
        for number in range(3)
        for order in (
            GenerateDocument(invoice=papers.invoice(20, notes=f"nota {number}")),
            GenerateDocument(contract=papers.contract(9, preamble=f"nota {number}")),
            GenerateDocument(certificate=papers.certificate(place=f" nota {number}")),
            GenerateDocument(report=papers.report(author=f" nota {number}")),
        )
    ]

    handles = [stack.client.submit(order) for order in orders]

    for number, handle in enumerate(handles):
        result = handle.result(PATIENCE)
        assert isinstance(result, GenerateDocumentResult)
        assert result.pages
        assert f"nota {number // 4}" in read(result.document.document_id).text
        assert result.document.download_url


@pytest.mark.usefixtures("settings")
def test_a_watcher_sees_where_the_document_is(stack: Stack) -> None:
    """The page is not there for as long as it says 30."""
    stack.door()
    handle = stack.client.submit(GenerateDocument(invoice=papers.invoice(600)))
    seen: list[int] = []
    watching = handle.watch(timeout=PATIENCE, progress_interval=timedelta(milliseconds=10))
    next(watching)
    stack.worker("documents")

    for event in watching:
        if event.HasField("progress"):
            seen.append(event.progress.current)

    assert seen == sorted(seen)
    assert 30 in seen


def test_the_reports_of_a_day_are_made(stack: Stack, read: Read) -> None:
    """One for each user and one of all, each a job of its own."""
    stack.door()
    stack.worker("documents")
    for owner in ("u-1", "u-2"):
        stack.client.submit(GenerateDocument(certificate=papers.certificate(), owner=owner)).result(
            PATIENCE
        )
    today = datetime.now(UTC).date().isoformat()

    daily = stack.client.submit(GenerateDailyReports(day=today, time_zone="UTC")).result(PATIENCE)

    assert isinstance(daily, GenerateDailyReportsResult)
    assert daily.reports == 3
    for job_id, owner in zip(daily.job_ids, ("", "u-1", "u-2"), strict=True):
        report = stack.client.handle(job_id).result(PATIENCE)
        assert isinstance(report, GenerateReportResult)
        assert report.user_id == owner
        text = read(report.document.document_id).text
        assert (owner or "Todos os usuários") in text


@pytest.mark.parametrize("length", [201, 10_000_000])
def test_a_title_without_end_is_refused_at_the_door(stack: Stack, length: int) -> None:
    """Nobody's worker ever sees it."""
    stack.door()
    order = GenerateDocument(invoice=papers.invoice(), title="x" * length)

    with pytest.raises(InvalidRequest) as refusal:
        stack.client.submit(order)

    [violation] = refusal.value.violations
    assert violation.field in ("spec.payload.title", "spec.payload")
    assert violation.reason in ("TOO_LONG", "TOO_LARGE")
