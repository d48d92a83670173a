"""The handler that makes workbooks."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from portaria.jobs import JobContext, job
from portaria.storage.documents import open_documents, safe_filename
from portaria_workers.documents.columns import columns_of
from portaria_workers.documents.sources import Source, source_of
from portaria_workers.documents.spreadsheet import Layout, SpreadsheetWriter, Written
from portaria_workers.documents.storing import drafting, keep_of, stored
from portaria_workers.documents.v1.documents_pb2 import (
    MODE_LENIENT,
    ExportSpreadsheet,
    ExportSpreadsheetResult,
)
from portaria_workers.documents.workbook import CONTENT_TYPE


@job
def export_spreadsheet(export: ExportSpreadsheet, ctx: JobContext) -> ExportSpreadsheetResult:
    """Writes rows to a workbook and stores it.

    Fails for good with DOCUMENT_MISSING, QUERY_UNKNOWN, QUERY_PARAMETER, COLUMN_MISSING,
    TOTAL_TYPE, TABLE_CELLS, CELL_TYPE, CELL_LENGTH, TOO_MANY_ROWS, or what is wrong with a CSV
    (csv_text.py).
    """
    documents = open_documents()
    with (
        drafting(
            documents,
            ctx,
            kind="export",
            filename=_filename(export),
            content_type=CONTENT_TYPE,
            owner=export.owner,
            keep=keep_of(export),
        ) as draft,
        source_of(export, documents, namespace=ctx.namespace) as source,
        SpreadsheetWriter(draft.path, _layout(export, source, draft.document.created)) as writer,
    ):
        written = writer.write(source.rows, partial(_tell, ctx, source))
        draft.rows = written.rows
        ctx.progress(written.rows, written.rows, "packing")
        writer.close()
    _warn(ctx, source, written)
    return ExportSpreadsheetResult(
        document=stored(documents, draft.document),
        rows=written.rows,
        cells_as_text=written.cells_as_text,
    )


def _filename(export: ExportSpreadsheet) -> str:
    name = safe_filename(export.filename, f"export-{datetime.now(UTC).date()}.xlsx")
    return name if name.lower().endswith(".xlsx") else f"{name[:110]}.xlsx"


def _layout(export: ExportSpreadsheet, source: Source, created: datetime) -> Layout:
    return Layout(
        columns=columns_of(export, source.names),
        sheet=export.sheet or "Dados",
        title=export.title,
        locale=export.locale or "pt-BR",
        autofilter=not export.no_autofilter,
        lenient=export.mode == MODE_LENIENT,
        # The same in every run of the job, so that the bytes are.
        created=created,
    )


def _tell(ctx: JobContext, source: Source, rows: int) -> None:
    ctx.progress(rows, max(rows, source.total) if source.total else 0, "writing rows")


def _warn(ctx: JobContext, source: Source, written: Written) -> None:
    remarks = {
        "rows had more or fewer cells than the header": source.uneven,
        "cells are not what their column holds, and are text": written.cells_as_text,
        "cells that are text are not in their column's total": written.not_in_totals,
        "texts were longer than a cell may be, and were cut": written.cut,
    }
    for words, count in remarks.items():
        if count:
            ctx.warn(f"{count:,} {words}")
