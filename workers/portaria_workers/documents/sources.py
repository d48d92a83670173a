"""Where the rows of an export come from: a stored CSV, a query, or the payload."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from portaria.jobs.errors import PermanentError
from portaria.settings import load_settings
from portaria.storage.documents import Documents
from portaria_workers.documents import queries
from portaria_workers.documents.cells import text_of
from portaria_workers.documents.tables import csv_table_of
from portaria_workers.documents.v1.documents_pb2 import MODE_LENIENT, ExportSpreadsheet

MOST_COLUMNS = 200


@dataclass(slots=True)
class Source:
    """Names of cells, and rows of as many."""

    names: Sequence[str]
    rows: Iterator[tuple[int, Sequence[object]]]
    """With their numbers in the source."""
    total: int = 0
    """About how many there are; 0 where nobody knows."""
    uneven: int = 0
    """Rows so far that had more cells or fewer, and were cut or filled."""


@contextmanager
def source_of(
    export: ExportSpreadsheet, documents: Documents, *, namespace: str
) -> Iterator[Source]:
    """Raises PermanentError TABLE_CELLS while rows are taken, unless the export is lenient, and
    what csv_text and queries raise."""
    lenient = export.mode == MODE_LENIENT
    match export.WhichOneof("source"):
        case "document_id":
            document = documents.get(export.document_id, namespace=namespace)
            wanted = [each.name for each in export.columns]
            with documents.reading(document) as file, csv_table_of(file, wanted) as table:
                source = Source(list(map(text_of, table.header)), iter(()), table.total)
                source.rows = _even(source, table.rows, lenient)
                yield source
        case "query":
            settings = load_settings()
            sql = queries.load_query(export.query.name, settings)
            bound = queries.bind(sql, export.query.parameters, namespace)
            with queries.rows_of(sql, bound, settings) as (names, found):
                yield _checked(Source(names, enumerate(found, start=1)))
        case _:
            cells = (row.cells for row in export.rows.rows)
            source = Source(list(export.rows.names), iter(()), len(export.rows.rows))
            source.rows = _even(source, enumerate(cells, start=1), lenient)
            yield source


def _checked(source: Source) -> Source:
    if len(source.names) > MOST_COLUMNS:
        raise PermanentError("TOO_MANY_COLUMNS", f"an export has at most {MOST_COLUMNS} columns")
    return source


def _even(
    source: Source, rows: Iterable[tuple[int, Sequence[object]]], lenient: bool
) -> Iterator[tuple[int, Sequence[object]]]:
    width = len(source.names)
    for number, cells in rows:
        if len(cells) != width:
            if not lenient:
                what = f"has {len(cells)} cells, where {width} are named"
                raise PermanentError("TABLE_CELLS", f"row {number} {what}")
            source.uneven += 1
            cells = [*cells[:width], *[""] * (width - len(cells))]
        yield number, cells
