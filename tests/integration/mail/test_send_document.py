"""Stored documents by mail: in it, or as links that work."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from portaria.jobs import PermanentError
from portaria.jobs.eager import EagerJob
from portaria.storage.document import Document
from portaria.storage.documents import open_documents
from portaria.storage.local import LocalStore
from portaria.storage.tables import DOCUMENTS
from portaria_workers.mail import sending_documents
from portaria_workers.mail.handlers import send_document
from portaria_workers.mail.v1.mail_pb2 import SendDocument

from .conftest import RunningSandbox

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(params=["sqlite"])
def database(database: Engine) -> Engine:
    """The registry is the platform's, which is tested over both."""
    return database


def stored(tmp_path: Path, name: str, content: bytes, **given: object) -> Document:
    source = tmp_path / "source.bin"
    source.write_bytes(content)
    return open_documents().put(source, namespace="default", filename=name, **given)  # type: ignore[arg-type]


def plain(sandbox: RunningSandbox) -> str:
    [mail] = sandbox.mails()
    part = mail.get_body(preferencelist=("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def send(job: EagerJob, *documents: Document, **given: object) -> SendDocument.Delivery.ValueType:
    mail = SendDocument(
        to="ana@example.com",
        document_ids=[each.id for each in documents],
        **given,  # type: ignore[arg-type]
    )
    return send_document(mail, job.context()).delivery


def test_small_documents_go_in_the_mail(
    sandbox: RunningSandbox, job: EagerJob, tmp_path: Path
) -> None:
    """Byte for byte, with their names and types; a second run sends nothing."""
    pdf = stored(tmp_path, "fatura nº 7.pdf", b"%PDF-1.7\n" + bytes(range(256)))
    csv = stored(tmp_path, "../../linhas.csv", b"a;b\r\n.\r\n")

    assert send(job, pdf, csv, name="Ana") == SendDocument.DELIVERY_ATTACHMENT
    assert send(job, pdf, csv, name="Ana") == SendDocument.DELIVERY_ATTACHMENT

    [mail] = sandbox.mails()
    files = list(mail.iter_attachments())
    assert [part.get_filename() for part in files] == ["fatura nº 7.pdf", "linhas.csv"]
    assert [part.get_content_type() for part in files] == ["application/pdf", "text/csv"]
    assert files[0].get_payload(decode=True) == b"%PDF-1.7\n" + bytes(range(256))
    assert files[1].get_payload(decode=True) == b"a;b\r\n.\r\n"
    assert mail["Subject"] == "Seus documentos estão prontos"
    assert "- fatura nº 7.pdf (265 bytes)\n" in plain(sandbox)


def test_row_52_a_name_is_made_safe_whatever_the_registry_holds(
    sandbox: RunningSandbox, job: EagerJob, tmp_path: Path, database: Engine
) -> None:
    """Rows may be older than the rules of today."""
    document = stored(tmp_path, "a.pdf", b"x")
    with database.begin() as connection:
        odd = "../../CON.pdf\r\nBcc: eve@example.com"
        connection.execute(update(DOCUMENTS).values(filename=odd))

    send(job, document)

    [mail] = sandbox.mails()
    [part] = mail.iter_attachments()
    assert mail["Bcc"] is None
    assert part.get_filename() == "_CON.pdf__Bcc_ eve@example.com"
    assert "../" not in plain(sandbox)


def test_documents_go_as_links_where_asked_for(
    sandbox: RunningSandbox, job: EagerJob, tmp_path: Path
) -> None:
    """The mail says for how long, which is no longer than the document is kept."""
    document = stored(tmp_path, "a.pdf", b"x", keep=timedelta(hours=2, minutes=1))

    delivery = send(
        job,
        document,
        delivery=SendDocument.DELIVERY_LINK,
        link_for={"seconds": 604_800},
        subject="O contrato",
        message="Um.\n\n{{7*7}}",
    )

    assert delivery == SendDocument.DELIVERY_LINK
    text = plain(sandbox)
    assert "http://127.0.0.1:50080/" in text
    assert "O link vale por 2 horas." in text
    assert "Um.\n\n{{7*7}}\n" in text
    assert not list(sandbox.mails()[0].iter_attachments())
    assert sandbox.mails()[0]["Subject"] == "O contrato"


def test_a_mail_says_no_more_of_its_links_than_the_storage_keeps(
    sandbox: RunningSandbox, job: EagerJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As S3 does that is opened by a machine's role."""
    monkeypatch.setattr(LocalStore, "longest_link", timedelta(hours=1))

    send(
        job,
        stored(tmp_path, "a.pdf", b"x"),
        delivery=SendDocument.DELIVERY_LINK,
        link_for={"seconds": 604_800},
    )

    assert "O link vale por 1 hora." in plain(sandbox)


def test_what_is_large_goes_as_a_link_or_fails(
    sandbox: RunningSandbox, job: EagerJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All attachments count together."""
    monkeypatch.setattr(sending_documents, "LARGEST_BY_CHOICE", 10)
    monkeypatch.setattr(sending_documents, "LARGEST", 20)
    eight, seven = stored(tmp_path, "a", b"x" * 8), stored(tmp_path, "b", b"x" * 7)

    assert send(EagerJob(), eight) == SendDocument.DELIVERY_ATTACHMENT
    assert send(EagerJob(), eight, seven) == SendDocument.DELIVERY_LINK
    attached = SendDocument.DELIVERY_ATTACHMENT
    assert send(EagerJob(), eight, seven, delivery=attached) == attached
    sixteen = stored(tmp_path, "c", b"x" * 16)
    with pytest.raises(PermanentError) as caught:
        send(job, eight, sixteen, delivery=attached)

    assert caught.value.reason == "ATTACHMENT_TOO_LARGE"
    assert len(sandbox.mails()) == 3


def test_what_is_not_there_is_not_sent(
    sandbox: RunningSandbox, job: EagerJob, tmp_path: Path
) -> None:
    """A document of nobody, of another namespace, or without content."""
    source = tmp_path / "x"
    source.write_bytes(b"x")
    documents = open_documents()
    others = documents.put(source, namespace="other", filename="x")
    unready = documents.reserve(
        namespace="default", kind="invoice", filename="x.pdf", content_type="application/pdf"
    )

    for document_id, reason in [
        ("0" * 32, "DOCUMENT_MISSING"),
        (others.id, "DOCUMENT_MISSING"),
        (unready.id, "DOCUMENT_NOT_READY"),
    ]:
        mail = SendDocument(to="ana@example.com", document_ids=[document_id])
        with pytest.raises(PermanentError) as caught:
            send_document(mail, job.context())
        assert caught.value.reason == reason
        # Of up to ten, this one.
        assert str(caught.value).endswith(f": {document_id}")
    assert sandbox.mails() == []


def test_documents_that_were_sent_may_go(
    sandbox: RunningSandbox, job: EagerJob, tmp_path: Path
) -> None:
    """A run after the effect says what the one before would have said."""
    document = stored(tmp_path, "a.pdf", b"x")
    mail = SendDocument(to="ana@Example.com", document_ids=[document.id])
    first = send_document(mail, job.context())
    open_documents().delete(document)

    second = send_document(mail, job.context())

    assert first == second
    assert first.delivery == SendDocument.DELIVERY_ATTACHMENT
    assert first.message_id == sandbox.mails()[0]["Message-ID"]
    assert len(sandbox.mails()) == 1


def test_documents_that_may_have_been_sent_may_go(job: EagerJob, tmp_path: Path) -> None:
    """Nobody can know, and the result says so."""
    document = stored(tmp_path, "a.pdf", b"x")
    mail = SendDocument(to="cut@a.example", document_ids=[document.id])
    first = send_document(mail, job.context())
    open_documents().delete(document)

    second = send_document(mail, job.context())

    assert (first.maybe_sent, first.delivery) == (True, SendDocument.DELIVERY_ATTACHMENT)
    assert (second.maybe_sent, second.message_id) == (True, first.message_id)
