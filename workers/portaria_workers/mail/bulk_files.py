"""The files of a bulk mail, stored as documents that are kept for 30 days."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from portaria.jobs import JobContext

KEPT = timedelta(days=30)


def store_report(file: Path, ctx: JobContext) -> str:
    """The id of the report on those who were refused or maybe sent to."""
    return _store(file, ctx, "report")


def store_rest(file: Path, ctx: JobContext) -> str:
    """The id of the list of those who are left."""
    return _store(file, ctx, "rest")


def _store(file: Path, ctx: JobContext, what: str) -> str:
    # Mail needs no SQL but for this.
    from portaria.storage.documents import open_documents

    documents = open_documents()
    document = documents.reserve(
        namespace=ctx.namespace,
        kind=f"mail.{what}",
        filename=f"bulk-mail-{what}.csv",
        content_type="text/csv",
        document_id=ctx.effect_id(what),
        job_id=ctx.job_id,
        keep=KEPT,
    )
    return documents.complete(document, file).id
