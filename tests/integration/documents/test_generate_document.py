"""GenerateDocument: the PDF in the storage, the row in the registry, and what watchers see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.message import Message

from portaria.jobs import HoldLost, JobCancelled, PermanentError
from portaria.jobs.eager import EagerJob, EagerRun, Report, run_eagerly
from portaria.storage.document import Status
from portaria.storage.documents import Documents
from portaria_workers.documents import typesetting
from portaria_workers.documents.handlers import generate_document
from portaria_workers.documents.handlers import pdf as handlers
from portaria_workers.documents.typesetting import SUBSTITUTE
from portaria_workers.documents.v1.documents_pb2 import GenerateDocument
from stack import papers
from stack.reading_pdf import ReadPdf


def _order(**fields: object) -> GenerateDocument:
    if not fields.keys() & {"contract", "certificate", "report"}:
        fields.setdefault("invoice", papers.invoice())
    return GenerateDocument(**fields)  # type: ignore[arg-type]


def _read(documents: Documents, run: EagerRun) -> ReadPdf:
    document = documents.get(run.result.document.document_id, namespace="default")
    with documents.reading(document) as file:
        return ReadPdf(file.read())


def test_an_invoice_is_rendered_and_stored(documents: Documents, job: EagerJob) -> None:
    """With a link, and registered as the result says."""
    order = _order(owner="u-17", locale="pt-AO", keep=timedelta(days=30))

    run = run_eagerly(generate_document, order, job=job)

    stored = run.result.document
    document = documents.get(stored.document_id, namespace="default")
    assert document.status is Status.COMPLETED
    assert (document.kind, document.owner, document.job_id) == ("invoice", "u-17", job.job_id)
    assert (stored.filename, stored.content_type) == ("factura-ft-2026-117.pdf", "application/pdf")
    assert (stored.size, stored.sha256) == (document.size, document.sha256)
    assert stored.download_url
    left = stored.expire_time.ToDatetime(UTC) - datetime.now(UTC)
    assert timedelta(days=29) < left < timedelta(days=30)
    assert (run.result.pages, document.pages) == (1, 1)
    assert "FT 2026/117" in _read(documents, run).text


def test_progress_is_told_before_and_after_rendering(documents: Documents, job: EagerJob) -> None:
    """30 when rendering begins, with the row there; 70 when it is done, before it is stored."""
    seen: list[tuple[int, Status, str]] = []

    def told(report: Report) -> None:
        document = documents.get(job_document, namespace="default")
        seen.append((report.current, document.status, document.key))

    job_document = job.context().effect_id("document")
    job.told = told

    run = run_eagerly(generate_document, _order(), job=job)

    key = documents.get(job_document, namespace="default").key
    assert seen == [
        (30, Status.PROCESSING, ""),
        (70, Status.PROCESSING, ""),
        (100, Status.COMPLETED, key),
    ]
    assert {report.total for report in run.progress} == {100}


def test_a_repeated_run_makes_the_same_document(documents: Documents, job: EagerJob) -> None:
    """Its row, its bytes: nothing is there twice."""
    first = run_eagerly(generate_document, _order(), job=job).result.document

    second = run_eagerly(generate_document, _order(), job=job).result.document

    assert (second.document_id, second.sha256) == (first.document_id, first.sha256)
    assert len(list(documents.find(namespace="default"))) == 1


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (_order(invoice=papers.invoice(issue_date="2026-02-30")), "DATE"),
        (_order(contract=papers.contract(date="2026-06-31")), "DATE"),
        (_order(report=papers.report(sections=[{"table": {"columns": [{}], "rows": [{}]}}])),
         "TABLE_CELLS"),
    ],
)  # fmt: skip
def test_a_document_that_cannot_be_made_is_failed(
    documents: Documents, job: EagerJob, order: GenerateDocument, reason: str
) -> None:
    """In the registry with the reason, and for the job for good."""
    with pytest.raises(PermanentError) as failure:
        run_eagerly(generate_document, order, job=job)

    [document] = documents.find(namespace="default")
    assert failure.value.reason == reason
    assert (document.status, document.reason, document.key) == (Status.FAILED, reason, "")


def test_a_rendering_that_fails_is_failed_and_mended_by_the_next_run(
    documents: Documents, job: EagerJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever went wrong is told; the row is the same one."""
    with monkeypatch.context() as broken:
        broken.setattr(handlers, "typeset", _broken)
        with pytest.raises(MemoryError):
            run_eagerly(generate_document, _order(), job=job)
    [failed] = documents.find(namespace="default")

    run_eagerly(generate_document, _order(), job=job)

    [document] = documents.find(namespace="default")
    assert (failed.status, failed.reason) == (Status.FAILED, "MEMORY_ERROR")
    assert (document.id, document.status, document.reason) == (failed.id, Status.COMPLETED, "")


def _broken(*_: object) -> None:
    raise MemoryError


@pytest.mark.parametrize(
    ("interruption", "status", "reason"),
    [
        (JobCancelled, Status.FAILED, "JOB_CANCELLED"),
        (HoldLost, Status.PROCESSING, ""),
    ],
)
def test_an_interrupted_run_leaves_no_half_document(
    documents: Documents,
    job: EagerJob,
    interruption: type[BaseException],
    status: Status,
    reason: str,
) -> None:
    """A cancelled one is told; where another run has the job, the row is that one's."""

    def told(report: Report) -> None:
        if report.current == 70:
            raise interruption

    job.told = told

    with pytest.raises(interruption):
        run_eagerly(generate_document, _order(), job=job)

    [document] = documents.find(namespace="default")
    assert (document.status, document.reason, document.key) == (status, reason, "")


def test_a_run_whose_job_is_taken_while_it_uploads_changes_no_row(
    documents: Documents, job: EagerJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other run completes the document."""
    put = documents._put

    def slow(*args: Any) -> None:
        put(*args)
        assert job.hold
        job.hold.lost = True

    monkeypatch.setattr(documents, "_put", slow)

    with pytest.raises(HoldLost):
        run_eagerly(generate_document, _order(), job=job)

    [document] = documents.find(namespace="default")
    assert (document.status, document.key) == (Status.PROCESSING, "")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"contract": papers.contract()}, "contrato-ct-2026-04.pdf"),
        ({"certificate": papers.certificate()}, "certificado-ista-7f3k.pdf"),
        ({"report": papers.report()}, "relatório-2026-11-22.pdf"),
        ({"invoice": papers.invoice(number="../../etc/passwd")}, "fatura-etc-passwd.pdf"),
        ({"locale": "en"}, "invoice-ft-2026-117.pdf"),
        ({"filename": "../../x"}, "x.pdf"),
        ({"filename": "a\0b\r\n.PDF"}, "a_b__.PDF"),
        ({"filename": "CON.pdf"}, "_CON.pdf"),
        ({"filename": "/"}, "fatura-ft-2026-117.pdf"),
        ({"filename": "ã" * 200}, "ã" * 110 + ".pdf"),
    ],
)
def test_the_file_has_a_name_that_every_system_takes(
    documents: Documents, fields: dict[str, object], name: str
) -> None:
    """After the template and its number, or as asked for; a PDF in any case."""
    run = run_eagerly(generate_document, _order(**fields))

    assert run.result.document.filename == name


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Fatura 😀", f"Fatura {SUBSTITUTE}"),
        ("فاتورة", None),
        ("Z\u0338\u0321\u0327a\u0337\u0356l\u20ddgo", None),
        ("\u202eoãçiutitser\u202c", "oãçiutitser"),
        ("请求 \ue000", f"{SUBSTITUTE * 2} {SUBSTITUTE}"),
    ],
)
def test_any_title_gives_a_pdf_that_opens(
    documents: Documents, title: str, shown: str | None
) -> None:
    """Emoji, right to left, marks over marks, what no font has: the reader is told of a gap."""
    run = run_eagerly(generate_document, _order(title=title))

    read = _read(documents, run)
    assert len(read.pages) == 1
    assert read.overhang() == 0
    if shown is not None:
        assert shown in read.text
    assert bool(run.warnings) == (SUBSTITUTE in read.text)


def test_a_font_that_lacks_a_sign_is_no_failure(documents: Documents) -> None:
    """The job succeeds, with a remark that says how much is missing."""
    typesetting._known_to_miss.cache_clear()

    run = run_eagerly(generate_document, _order(title="😀 张 😀"))

    assert run.warnings == [f"no font has 2 of the characters; {SUBSTITUTE} stands for them"]


def test_another_namespace_does_not_see_it(documents: Documents) -> None:
    """Its documents do not exist there."""
    run = run_eagerly(generate_document, _order())

    with pytest.raises(PermanentError) as failure:
        documents.get(run.result.document.document_id, namespace="other")

    assert failure.value.reason == "DOCUMENT_MISSING"


def test_every_content_of_the_contract_has_a_template(documents: Documents) -> None:
    """None can be handed in that no worker fills."""
    contents: dict[str, Message] = {
        "invoice": papers.invoice(),
        "contract": papers.contract(),
        "certificate": papers.certificate(),
        "report": papers.report(),
    }
    known = {each.name for each in GenerateDocument.DESCRIPTOR.oneofs_by_name["content"].fields}

    pages = {
        name: run_eagerly(generate_document, _order(**{name: content})).result.pages
        for name, content in contents.items()
    }

    assert pages.keys() == known
    assert all(pages.values())
