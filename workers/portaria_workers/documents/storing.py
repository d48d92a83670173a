"""Documents that a job makes: registered while it works, kept at its end, FAILED where it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from google.protobuf.message import Message

from portaria.jobs import JobContext
from portaria.jobs.errors import HoldLost, Interruption, JobError, PermanentError, reason_of
from portaria.storage.document import Document
from portaria.storage.documents import Documents
from portaria_workers.documents.scratch import scratch
from portaria_workers.documents.v1.stored_pb2 import StoredDocument


@dataclass(slots=True)
class Draft:
    """A document that is being made."""

    document: Document
    path: Path
    """Where its content is to be written; other files may lie beside it."""
    rows: int = 0
    pages: int = 0


@contextmanager
def drafting(
    documents: Documents,
    ctx: JobContext,
    *,
    effect: str = "document",
    kind: str,
    filename: str,
    content_type: str,
    owner: str = "",
    keep: timedelta | None = None,
) -> Iterator[Draft]:
    """Registers a document under the effect's id; the content that the body wrote is kept after it.

    Where the body raises, the document is FAILED with the reason.
    """
    document = documents.reserve(
        namespace=ctx.namespace,
        kind=kind,
        filename=filename,
        content_type=content_type,
        owner=owner,
        document_id=ctx.effect_id(effect),
        job_id=ctx.job_id,
        keep=keep,
    )
    with failing(documents, document), scratch() as folder:
        draft = Draft(document, folder / "content")
        yield draft
        ctx.check()
        # Once more after the upload, which may be slow: another run may have the job by then.
        draft.document = documents.complete(
            document, draft.path, pages=draft.pages, rows=draft.rows, check=ctx.check
        )


@contextmanager
def failing(
    documents: Documents, document: Document, *, only_for_good: bool = False
) -> Iterator[None]:
    """Registers the document as FAILED where the body raises, but for a run that lost its job.

    `only_for_good`: but where a later attempt may end otherwise, too.
    """
    try:
        yield
    except HoldLost:
        # Another run makes it now.
        raise
    except (Exception, Interruption) as error:
        if only_for_good and not isinstance(error, PermanentError):
            raise
        reason = error.reason if isinstance(error, JobError) else reason_of(type(error))
        with suppress(JobError):
            documents.fail(document, reason)
        raise


def keep_of(message: Message, default: timedelta | None = None) -> timedelta | None:
    """How long a payload's field `keep` says that documents are kept."""
    if not message.HasField("keep"):
        return default
    kept: timedelta = message.keep.ToTimedelta()  # type: ignore[attr-defined]
    return kept


def stored(documents: Documents, document: Document) -> StoredDocument:
    """The document as results name it, with a link."""
    message = StoredDocument(
        document_id=document.id,
        filename=document.filename,
        content_type=document.content_type,
        size=document.size,
        sha256=document.sha256,
        download_url=documents.link(document),
    )
    if document.expires:
        message.expire_time.FromDatetime(document.expires)
    return message
