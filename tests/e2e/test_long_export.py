"""E23: an export that takes long is acknowledged at once, and watched while it is made."""

from __future__ import annotations

import statistics
from datetime import timedelta

import pytest
from openpyxl import load_workbook  # type: ignore[import-untyped]

from portaria.settings import load_settings
from portaria.storage.documents import open_documents
from stack import Stack
from stack.exporting import start_exporting, submit_timed, watch_to_its_end

ROWS = 60_000
ACKNOWLEDGED = 0.02
"""Seconds."""


@pytest.mark.timeout(120)
def test_a_long_export_is_acknowledged_at_once_and_watched(stack: Stack) -> None:
    """Submits behind it wait no longer; its watcher sees it grow, and a workbook in the end."""
    start_exporting(stack)
    submit_timed(stack, 1)[0].wait(timedelta(seconds=30))  # connections are open by now

    long, first = submit_timed(stack, ROWS)
    behind = [submit_timed(stack, 1) for _ in range(20)]
    waited = statistics.median([first, *(seconds for _, seconds in behind)])
    watched = watch_to_its_end(long)

    result = long.result()
    assert waited < ACKNOWLEDGED
    assert watched.states[-2:] == ["RUNNING", "SUCCEEDED"]
    assert watched.rows == sorted(watched.rows)
    assert len({rows for rows in watched.rows if 0 < rows < ROWS}) >= 3
    assert waited < watched.seconds / 10
    assert result.rows == ROWS
    environ = {name: value for name, value in stack.env.items() if name.startswith("PORTARIA_")}
    documents = open_documents(load_settings(environ))
    document = documents.get(result.document.document_id, namespace="default")
    with documents.reading(document) as file:
        sheet = load_workbook(file, read_only=True).worksheets[0]
        last = list(sheet.iter_rows(min_row=ROWS + 1, values_only=True))
    assert [last[0][0], last[1][0]] == [ROWS, "Total"]
    for handle, _ in behind:
        handle.wait(timedelta(seconds=30))
