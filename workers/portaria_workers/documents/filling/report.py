"""Reports."""

from __future__ import annotations

from datetime import date
from typing import Any

from portaria.jobs import PermanentError
from portaria_workers.documents import text
from portaria_workers.documents.filling.columns import Type, needed, widths
from portaria_workers.documents.filling.filled import Filled, sheet
from portaria_workers.documents.locales import Locale, day_of
from portaria_workers.documents.v1.content_pb2 import Report

MOST_CELLS = 20_000
"""In all tables: each takes some 10 kB while it is set in type."""
_UPRIGHT, _FLIPPED = 482.0, 728.0
"""Points between the margins."""
_MOST_UPRIGHT = 8
"""A table with more columns, or with words that need more room, lays the page on its side."""
_SAMPLED = 500
"""Rows that the widths of columns go by."""


def fill_report(report: Report, locale: Locale, title: str, made: date) -> Filled:
    """With metrics, sections and tables. Raises PermanentError DATE, TABLE_CELLS or
    TOO_MANY_CELLS.
    """
    day = day_of(report.date, "date") if report.date else made
    heading, author = text.line(title) or locale.words["report"], text.line(report.author)
    tables = [each.table for each in report.sections if each.HasField("table")]
    if sum(len(each.columns) * len(each.rows) for each in tables) > MOST_CELLS:
        raise PermanentError("TOO_MANY_CELLS", f"the tables have over {MOST_CELLS:,} cells")
    for number, each in enumerate(report.sections):
        _check(each.table, f"report.sections[{number}].table")
    landscape = any(map(_is_wide, tables))
    data = sheet(locale, title=heading, heading=heading, running=heading, author=author, day=day)
    data |= {
        "landscape": landscape,
        "subtitle": text.line(report.subtitle),
        "by": [each for each in (author, locale.long_day(day) if report.date else "") if each],
        "foot": text.short(author),
        "sections": [
            {
                "heading": text.line(each.heading),
                "text": text.paragraphs(each.text),
                "table": _table(each.table, _FLIPPED if landscape else _UPRIGHT)
                if each.HasField("table")
                else None,
            }
            for each in report.sections
        ],
    }
    data |= _metrics(report, landscape)
    return Filled("report", data)


def _metrics(report: Report, landscape: bool) -> dict[str, Any]:
    values = [text.line(each.value, 24) for each in report.metrics]
    longest = max(map(len, values), default=0)
    across = (6 if landscape else 4) if longest <= 9 else (5 if landscape else 3)
    if len(values) in (5, 6) and across == 4:
        across = 3
    return {
        "across": across,
        "metric_size": 20 if longest <= 13 else 16 if longest <= 16 else 11,
        "metrics": [
            {"label": text.line(each.label, 20), "value": value}
            for each, value in zip(report.metrics, values, strict=True)
        ],
    }


def _check(table: Report.Table, path: str) -> None:
    count = len(table.columns)
    for number, row in enumerate(table.rows):
        if len(row.cells) != count:
            raise PermanentError(
                "TABLE_CELLS",
                f"{path}.rows[{number}] has {len(row.cells)} cells, there are {count} columns",
            )


def _is_wide(table: Report.Table) -> bool:
    count = len(table.columns)
    return count > _MOST_UPRIGHT or needed(*_sample(table), _type(count)) > _UPRIGHT


def _type(columns: int) -> Type:
    return Type(9, 5) if columns <= 8 else Type(8, 3) if columns <= 12 else Type(6.5, 2.5)


def _sample(table: Report.Table) -> tuple[list[str], list[list[str]]]:
    """Titles, and the first cells of each column."""
    rows = table.rows[:_SAMPLED]
    cells = [[row.cells[place] for row in rows] for place in range(len(table.columns))]
    return [each.title for each in table.columns], cells


def _table(table: Report.Table, room: float) -> dict[str, Any]:
    count = len(table.columns)
    kind = _type(count)
    wide = widths(*_sample(table), room, kind)
    letters = [kind.letters(each) for each in wide]
    return {
        "size": kind.size,
        "inset": kind.inset,
        "widths": [round(each, 1) for each in wide],
        "columns": [
            {
                "title": text.line(each.title, letters[place]),
                "numeric": each.numeric,
                "width": round(wide[place] - 2 * kind.inset, 1),
            }
            for place, each in enumerate(table.columns)
        ],
        "rows": [
            [text.line(each, letters[place]) for place, each in enumerate(row.cells)]
            for row in table.rows
        ],
    }
