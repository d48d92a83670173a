"""Documents and migrations as tables that fit a terminal of a hundred columns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rich.table import Table
from rich.text import Text

from portaria.cli.rows import one_line
from portaria.cli.screens import bare_table, brief
from portaria.cli.wording import local_time
from portaria.database.upgrading import Branch
from portaria.storage.document import Document, Status

_STYLES = {Status.PROCESSING: "cyan", Status.COMPLETED: "green", Status.FAILED: "red"}
_UNITS = ("B", "kB", "MB", "GB", "TB")


def branches_table(branches: Iterable[Branch]) -> Table:
    """One line a folder of migrations."""
    table = bare_table()
    table.add_column("migrations of", no_wrap=True)
    table.add_column("ran", no_wrap=True, justify="right")
    table.add_column("newest", no_wrap=True, justify="right")
    table.add_column("")
    for each in branches:
        if each.is_behind:
            note = Text("behind: portaria db upgrade", style="red")
        else:
            note = Text("of a newer release" if each.found > each.newest else "", style="dim")
        ran = f"{each.found:04}" if each.found else "none"
        table.add_row(each.name, ran, f"{each.newest:04}", note)
    return table


def documents_table(documents: Iterable[Document], now: datetime) -> Table:
    """One line a document; its id is never cut, so that it can be copied."""
    table = bare_table()
    table.add_column("document", no_wrap=True, min_width=32)
    table.add_column("status", no_wrap=True, min_width=10)
    table.add_column("size", no_wrap=True, justify="right", min_width=6)
    table.add_column("age", no_wrap=True, justify="right", min_width=3)
    table.add_column("kind")
    table.add_column("name")
    for each in documents:
        table.add_row(
            each.id,
            Text(each.status, style=_STYLES[each.status]),
            bytes_words(each.size) if each.key else "",
            brief(now - each.created),
            _cut(each.kind),
            _cut(each.filename),
        )
    return table


def document_lines(document: Document) -> list[str]:
    """All about one document; what is not known is left out."""
    fields = {
        "document": document.id,
        "name": document.filename,
        "type": document.content_type,
        "kind": document.kind,
        "owner": document.owner,
        "status": " ".join(filter(None, [document.status, document.reason])),
        "size": f"{document.size:,} bytes" if document.key else "",
        "sha256": document.sha256,
        "pages": str(document.pages or ""),
        "rows": f"{document.rows:,}" if document.rows else "",
        "job": document.job_id,
        "created": local_time(document.created),
        "updated": local_time(document.updated),
        "expires": local_time(document.expires) or "never",
    }
    return [f"{name:<9} {one_line(text)}" for name, text in fields.items() if text]


def bytes_words(size: int) -> str:
    """ "731 B", "1.4 MB"."""
    value, unit = float(size), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return (
        f"{value:.0f} {_UNITS[unit]}"
        if unit == 0 or value >= 99.5
        else f"{value:.1f} {_UNITS[unit]}"
    )


def _cut(text: str) -> Text:
    """What gives way where a line is too long."""
    return Text(one_line(text), no_wrap=True, overflow="ellipsis")
