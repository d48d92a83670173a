"""ProcessDocument: what a stored file is, by its bytes; and what cleans up after all of them."""

from __future__ import annotations

import io
import os
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pypdf import PdfWriter

from portaria.jobs import JobError, PermanentError
from portaria.jobs.eager import run_eagerly
from portaria.storage.document import Document, Status
from portaria.storage.documents import Documents
from portaria.storage.objects import StorageUnavailable
from portaria_workers.documents.handlers import cleanup_documents, process_document
from portaria_workers.documents.v1.documents_pb2 import CleanupDocuments, ProcessDocument

from .workbooks import book_of

Store = Callable[..., Document]

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def pdf(pages: int, password: str = "") -> bytes:
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(200, 200)
    if password:
        writer.encrypt(password)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def look_at(document: Document) -> tuple[str, str, int, int]:
    result = run_eagerly(process_document, ProcessDocument(document_id=document.id)).result
    assert result.document_id == document.id
    return result.status, result.content_type, result.pages, result.rows


@pytest.mark.parametrize(
    ("content", "filename", "expected"),
    [
        (pdf(3), "contrato.pdf", ("completed", "application/pdf", 3, 0)),
        (pdf(2), "contrato", ("completed", "application/pdf", 2, 0)),
        (b"a;b\n1;2\n\n3;4\n", "dados.csv", ("completed", "text/csv", 0, 2)),
        (book_of([("a",), (1,), (2,)]), "dados.xlsx", ("completed", XLSX, 0, 2)),
        (b"\x89PNG\r\n\x1a\n", "logo.png", ("completed", "image/png", 0, 0)),
        (b"whatever", "nota.txt", ("completed", "text/plain", 0, 0)),
    ],
)
def test_a_good_document_is_registered_as_what_it_is(
    stored: Store,
    documents: Documents,
    content: bytes,
    filename: str,
    expected: tuple[str, str, int, int],
) -> None:
    """By its bytes; pages and rows are counted."""
    document = stored(content, filename)

    assert look_at(document) == expected

    now = documents.get(document.id, namespace="default")
    assert (now.status, now.content_type, now.pages, now.rows) == (
        Status.COMPLETED,
        *expected[1:],
    )


@pytest.mark.parametrize(
    ("content", "filename", "reason"),
    [
        (pdf(1, "segredo"), "a.pdf", "ENCRYPTED"),
        (pdf(1)[:-40], "a.pdf", "CORRUPT"),
        (pdf(1).rstrip().removesuffix(b"%%EOF"), "a.pdf", "CORRUPT"),
        (b"%PDF-1.7\nnonsense\n%%EOF", "a.pdf", "CORRUPT"),
        (b"<html>", "a.pdf", "FILE_TYPE"),
        (pdf(1), "a.csv", "FILE_TYPE"),
        (b"PK\x03\x04", "a.pdf", "FILE_TYPE"),
        (b"a,b\n", "a.xlsx", "FILE_TYPE"),
        (book_of([("a",)])[:-99], "a.xlsx", "CORRUPT"),
        (b"\x00\x01", "a.csv", "FILE_TYPE"),
        (b"", "a.txt", "EMPTY_FILE"),
    ],
)
def test_a_bad_document_is_registered_as_failed_with_the_reason(
    stored: Store, documents: Documents, content: bytes, filename: str, reason: str
) -> None:
    """And the job fails for good with the same one."""
    document = stored(content, filename)

    with pytest.raises(PermanentError) as caught:
        look_at(document)

    now = documents.get(document.id, namespace="default")
    assert (caught.value.reason, now.status, now.reason) == (reason, Status.FAILED, reason)


def crowded(levels: int, fan: int) -> bytes:
    """A PDF of a few hundred bytes whose tree names one page again and again; what the page shows
    takes a second to read."""
    bodies = [b"<</Type/Catalog/Pages 2 0 R>>"]
    for level in range(levels):
        kids = b"%d 0 R " % (level + 3) * fan
        bodies.append(b"<</Type/Pages/Count %d/Kids[%s]>>" % (fan ** (levels - level), kids))
    shown = zlib.compress(b"0 0 m 1 1 l S\n" * 400_000)
    bodies.append(b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents %d 0 R>>" % (levels + 3))
    bodies.append(b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(shown), shown))
    content = b"%PDF-1.7\n"
    for number, body in enumerate(bodies, start=1):
        content += b"%d 0 obj%s endobj\n" % (number, body)
    return content + b"trailer<</Size %d/Root 1 0 R>>\n%%%%EOF\n" % (len(bodies) + 1)


@pytest.mark.timeout(60)
def test_row_60_a_crowd_of_pages_costs_little_time(stored: Store) -> None:
    """However often a page comes and whatever it shows; a million of them are refused."""
    began = time.process_time()
    found = look_at(stored(crowded(4, 10), "a.pdf"))
    with pytest.raises(PermanentError) as caught:
        look_at(stored(crowded(6, 10), "a.pdf"))
    seconds = time.process_time() - began

    assert found[2] == 10_000
    assert caught.value.reason == "TOO_MANY_PAGES"
    assert seconds < 2


def test_bytes_that_changed_are_found(stored: Store, documents: Documents, tmp_path: Path) -> None:
    """By the hash that was registered."""
    document = stored(b"a,b\n1,2\n")
    (path,) = (tmp_path / "data").rglob(f"{document.id}-*")
    path.write_bytes(b"a,b\n1,3\n")

    with pytest.raises(PermanentError) as caught:
        look_at(document)

    assert caught.value.reason == "HASH_MISMATCH"
    assert documents.get(document.id, namespace="default").status is Status.FAILED


def test_a_storage_that_is_away_says_nothing_of_the_document(
    stored: Store, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again."""
    document = stored(b"a\n")

    def away(*_: object) -> None:
        raise StorageUnavailable("away")

    monkeypatch.setattr("portaria_workers.documents.handlers.files.check_unchanged", away)
    with pytest.raises(JobError) as caught:
        look_at(document)

    assert not isinstance(caught.value, PermanentError)
    assert documents.get(document.id, namespace="default").status is Status.COMPLETED


def test_a_failed_document_may_be_mended(stored: Store, documents: Documents) -> None:
    """What is looked at again, and is good, is COMPLETED."""
    document = stored(b"a,b\n1,2\n")
    documents.fail(document, "CORRUPT")

    look_at(document)

    now = documents.get(document.id, namespace="default")
    assert (now.status, now.reason, now.rows) == (Status.COMPLETED, "", 1)


def test_documents_of_others_are_not_looked_at(stored: Store) -> None:
    """They do not exist."""
    with pytest.raises(PermanentError) as caught:
        look_at(stored(b"a\n", namespace="other"))

    assert caught.value.reason == "DOCUMENT_MISSING"


def test_what_has_expired_and_what_was_left_behind_is_deleted(
    stored: Store, documents: Documents, tmp_path: Path
) -> None:
    """And nothing else; the second run finds nothing."""
    kept = stored(b"a\n", "kept.csv")
    expired = stored(b"b\n", "expired.csv", keep=timedelta(microseconds=1))
    orphan = stored(b"c\n", "orphan.csv")
    (path,) = (tmp_path / "data").rglob(f"{orphan.id}-*")
    content = path.read_bytes()
    documents.delete(orphan)
    path.write_bytes(content)
    old = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    os.utime(path, (old, old))

    first = run_eagerly(cleanup_documents, CleanupDocuments()).result
    second = run_eagerly(cleanup_documents, CleanupDocuments()).result

    assert (first.expired, first.left_behind) == (1, 1)
    assert (second.expired, second.left_behind) == (0, 0)
    files = {each.name[:32] for each in (tmp_path / "data").rglob("*.csv")}
    assert files == {kept.id}
    assert expired.id not in files


def test_what_may_be_another_registrys_is_kept_and_said(
    stored: Store, documents: Documents, tmp_path: Path
) -> None:
    """Where another has left its marker; what has expired here is deleted nevertheless."""
    stored(b"b\n", "expired.csv", keep=timedelta(microseconds=1))
    objects = tmp_path / "data" / "objects"
    orphan = next(objects.rglob("*.csv"))
    left = orphan.with_name("cd" * 16 + orphan.name[32:])
    left.write_bytes(b"c\n")
    old = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    os.utime(left, (old, old))
    (objects / "_registries" / ("ef" * 16)).touch()

    run = run_eagerly(cleanup_documents, CleanupDocuments())

    assert (run.result.expired, run.result.left_behind) == (1, 0)
    assert left.exists()
    [warning] = run.warnings
    assert f"_registries/{'ef' * 16}" in warning
