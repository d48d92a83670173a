"""Stored documents by mail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from portaria.jobs import JobContext, PermanentError, job
from portaria.storage.document import Document, DocumentNotReady
from portaria.storage.documents import Documents, open_documents, safe_filename
from portaria_workers.mail.delivery import Delivered, send_one, sent_before
from portaria_workers.mail.message import Attachment
from portaria_workers.mail.outbox import Outbox
from portaria_workers.mail.v1.mail_pb2 import SendDocument, SendDocumentResult
from portaria_workers.mail.wording import duration_in_words, size_in_words

MIB = 1024 * 1024
LARGEST_BY_CHOICE = 10 * MIB
"""In all: what is larger goes as links where nobody said otherwise."""
LARGEST = 20 * MIB
"""In all; in a mail it takes a third more, and many servers take no larger ones."""


@job
def send_document(mail: SendDocument, ctx: JobContext) -> SendDocumentResult:
    """Sends stored documents to one address, in the mail or as links to them.

    Fails for good with ATTACHMENT_TOO_LARGE, DOCUMENT_MISSING and DOCUMENT_NOT_READY, besides what
    `send_one` says.
    """
    outbox = Outbox.open("document", mail.locale, subject=mail.subject)
    try:
        return _send(mail, outbox, ctx)
    except PermanentError as error:
        # Documents may have gone after they were sent.
        return _result(sent_before(error, outbox, mail.to, ctx), mail.delivery)


def _send(mail: SendDocument, outbox: Outbox, ctx: JobContext) -> SendDocumentResult:
    documents = open_documents()
    found = [documents.get(each, namespace=ctx.namespace) for each in mail.document_ids]
    for document in found:
        if not document.key:
            raise DocumentNotReady(document.id)
    variables: dict[str, object] = {
        name: value for name, value in (("name", mail.name), ("message", mail.message)) if value
    }
    delivery = _delivery(mail, sum(document.size for document in found))
    attachments: list[Attachment] = []
    urls = [""] * len(found)
    if delivery == SendDocument.DELIVERY_ATTACHMENT:
        attachments = _attachments(documents, found)
    else:
        good_for = _good_for(mail, documents, found)
        urls = [documents.link(document, good_for) for document in found]
        variables["valid_for"] = duration_in_words(good_for, mail.locale)
    variables["documents"] = [
        _shown(document, url, mail.locale) for document, url in zip(found, urls, strict=True)
    ]
    remark = SendDocument.Delivery.Name(delivery)
    sent = send_one(outbox, mail.to, variables, ctx, attachments=attachments, remark=remark)
    return _result(sent, delivery)


def _result(sent: Delivered, delivery: SendDocument.Delivery.ValueType) -> SendDocumentResult:
    """With the way that the ledger remembers, or `delivery` where it does not."""
    if sent.remark:
        delivery = SendDocument.Delivery.Value(sent.remark)
    return SendDocumentResult(
        message_id=sent.message_id, maybe_sent=sent.maybe_sent, delivery=delivery
    )


def _delivery(mail: SendDocument, size: int) -> SendDocument.Delivery.ValueType:
    if mail.delivery == SendDocument.DELIVERY_LINK:
        return SendDocument.DELIVERY_LINK
    if mail.delivery == SendDocument.DELIVERY_ATTACHMENT:
        if size > LARGEST:
            raise PermanentError(
                "ATTACHMENT_TOO_LARGE", f"attachments have at most {LARGEST // MIB} MiB in all"
            )
        return SendDocument.DELIVERY_ATTACHMENT
    within = size <= LARGEST_BY_CHOICE
    return SendDocument.DELIVERY_ATTACHMENT if within else SendDocument.DELIVERY_LINK


def _attachments(documents: Documents, found: Sequence[Document]) -> list[Attachment]:
    made: list[Attachment] = []
    for document in found:
        with documents.reading(document) as file:
            content = file.read(LARGEST)
        made.append(Attachment(_name(document), document.content_type, content))
    return made


def _good_for(mail: SendDocument, documents: Documents, found: Sequence[Document]) -> timedelta:
    """As asked for, but no longer than each link works."""
    asked = mail.link_for.ToTimedelta() if mail.HasField("link_for") else None
    return min(documents.link_lasts(each, asked) for each in found)


def _shown(document: Document, url: str, locale: str) -> dict[str, str]:
    size = size_in_words(document.size, locale)
    return {"filename": _name(document), "size": size, "url": url}


def _name(document: Document) -> str:
    return safe_filename(document.filename, "documento")
