"""The handlers that read stored files, and that clean up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path, PurePosixPath

from portaria.jobs import JobContext, PermanentError, job
from portaria.storage.document import Document
from portaria.storage.documents import Documents, open_documents
from portaria_workers.documents.checking import Checking
from portaria_workers.documents.looking import CSV, check_unchanged, look_into
from portaria_workers.documents.scratch import scratch
from portaria_workers.documents.storing import drafting, failing, keep_of, stored
from portaria_workers.documents.tables import Table, table_of
from portaria_workers.documents.v1.documents_pb2 import (
    MODE_LENIENT,
    CleanupDocuments,
    CleanupDocumentsResult,
    ProcessDocument,
    ProcessDocumentResult,
    ProcessFile,
    ProcessFileResult,
)

KEPT = timedelta(days=30)
"""How long reports and accepted rows are, where the payload does not say."""


@job
def process_file(order: ProcessFile, ctx: JobContext) -> ProcessFileResult:
    """Checks every cell of a stored CSV or workbook, and stores what is wrong by row and column.

    Fails for good with FILE_INVALID where a strict file has a fault; with COLUMN_MISSING,
    SHEET_MISSING, DOCUMENT_MISSING and what is wrong with the file (csv_text.py, workbook.py).
    """
    documents = open_documents()
    document = documents.get(order.document_id, namespace=ctx.namespace)
    with (
        documents.reading(document) as file,
        scratch() as folder,
        table_of(file, order.sheet, (each.name for each in order.columns)) as table,
        Checking(folder, order.columns, table.header, even=table.even) as checking,
    ):
        checking.take(table.rows, partial(_tell, ctx, table))
        checking.close()
        return _outcome(order, ctx, documents, document, checking)


@job
def process_document(order: ProcessDocument, ctx: JobContext) -> ProcessDocumentResult:
    """Looks into a stored document and registers what it is, COMPLETED or FAILED with the reason.

    Fails for good with that reason: HASH_MISMATCH, FILE_TYPE, ENCRYPTED, CORRUPT, EMPTY_FILE…
    """
    documents = open_documents()
    document = documents.get(order.document_id, namespace=ctx.namespace)
    with documents.reading(document) as file, failing(documents, document, only_for_good=True):
        check_unchanged(file, document)
        found = look_into(file, document.filename)
    content_type = found.content_type or document.content_type
    documents.note(document, content_type=content_type, pages=found.pages, rows=found.rows)
    return ProcessDocumentResult(
        document_id=document.id,
        status="completed",
        content_type=content_type,
        pages=found.pages,
        rows=found.rows,
    )


@job
def cleanup_documents(_: CleanupDocuments, ctx: JobContext) -> CleanupDocumentsResult:
    """Deletes what has expired, and ends what broken-off runs left.

    Warns where another registry has documents in the storage, so that contents without a row stay.
    """
    documents, now = open_documents(), datetime.now(UTC)
    expired = documents.delete_expired(now)
    abandoned = documents.fail_unfinished(now)
    ctx.progress(1, 2, "expired documents are deleted")
    if others := documents.other_registries():
        ctx.warn(
            f"{len(others)} other registries have documents in this storage (_registries/"
            f"{others[0]}): contents without a row are kept, since they may be theirs"
        )
    left_behind = documents.delete_left_behind(now)
    ctx.progress(2, 2)
    return CleanupDocumentsResult(expired=expired, left_behind=left_behind, abandoned=abandoned)


def _outcome(
    order: ProcessFile, ctx: JobContext, documents: Documents, document: Document, found: Checking
) -> ProcessFileResult:
    result = ProcessFileResult(
        rows=found.rows,
        accepted=found.accepted,
        rejected=found.rows - found.accepted,
        faults=found.faults.first,
        columns=[rule.summary.to_proto() for rule in found.rules],
    )
    keep = partial(_keep, order, ctx, documents, document)
    ctx.progress(found.rows, found.rows, "storing")
    if found.faults.count:
        report = keep("report", found.report, found.faults.count)
        if order.mode != MODE_LENIENT:
            rows = f"{result.rejected:,} of {found.rows:,} rows"
            words = (
                f"{rows} are at fault: {found.faults.in_words()}. All of them: document {report.id}"
            )
            raise PermanentError("FILE_INVALID", words)
        result.report.CopyFrom(stored(documents, report))
    if order.mode == MODE_LENIENT:
        accepted = keep("accepted", found.accepted_rows, found.accepted)
        result.accepted_rows.CopyFrom(stored(documents, accepted))
    return result


def _keep(
    order: ProcessFile,
    ctx: JobContext,
    documents: Documents,
    source: Document,
    what: str,
    path: Path,
    rows: int,
) -> Document:
    """Stores a file that was written beside the source."""
    with drafting(
        documents,
        ctx,
        effect=what,
        kind=f"file.{what}",
        filename=f"{PurePosixPath(source.filename).stem[:100]}-{what}.csv",
        content_type=CSV,
        owner=order.owner,
        keep=keep_of(order, KEPT),
    ) as draft:
        path.rename(draft.path)
        draft.rows = rows
    return draft.document


def _tell(ctx: JobContext, table: Table, rows: int) -> None:
    ctx.progress(rows, max(rows, table.total) if table.total else 0, "checking rows")
