"""A stack whose workers make long exports, and what callers and watchers of one see."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import cast

from portaria.client import Handle
from portaria.database import engine_of
from portaria.database.engine import database_url
from portaria.database.upgrading import upgrade
from portaria.settings import load_settings
from portaria.v1.job_pb2 import JobState
from portaria_workers.documents.v1.documents_pb2 import (
    CELL_TYPE_AMOUNT,
    CELL_TYPE_DATE,
    CELL_TYPE_INTEGER,
    ExportSpreadsheet,
    ExportSpreadsheetResult,
)
from stack.stack import Stack

_SQL = """WITH RECURSIVE numbers(n) AS
  (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < CAST(:rows AS INTEGER))
SELECT n AS number, 'Cliente ' || n AS customer, '2026-11-21' AS day,
       CAST(n * 1.5 AS TEXT) AS amount FROM numbers WHERE :namespace <> ''"""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a watcher of one job was told."""

    states: list[str]
    """In order, without repeats."""
    rows: list[int]
    """The progress."""
    seconds: float
    """From the submit to the end."""


def start_exporting(stack: Stack) -> None:
    """A door and a worker of the pool "documents", with a query as long as it is told to be."""
    queries = stack.folder / "queries"
    queries.mkdir()
    (queries / "numbers.sql").write_text(_SQL)
    upgrade(engine_of(database_url(load_settings(_settings(stack)))), ())
    stack.door()
    stack.worker("documents", PORTARIA_QUERIES_DIR=str(queries))


def numbers_of(rows: int) -> ExportSpreadsheet:
    """An export of so many rows."""
    return ExportSpreadsheet(
        query=ExportSpreadsheet.Query(name="numbers", parameters={"rows": str(rows)}),
        columns=[
            ExportSpreadsheet.Column(name="number", type=CELL_TYPE_INTEGER),
            ExportSpreadsheet.Column(name="customer"),
            ExportSpreadsheet.Column(name="day", type=CELL_TYPE_DATE),
            ExportSpreadsheet.Column(
                name="amount", type=CELL_TYPE_AMOUNT, total=ExportSpreadsheet.TOTAL_SUM
            ),
        ],
    )


def submit_timed(stack: Stack, rows: int) -> tuple[Handle[ExportSpreadsheetResult], float]:
    """A handle, and the seconds until the door had acknowledged it."""
    order, began = numbers_of(rows), time.perf_counter()
    handle = stack.client.submit(order)
    return cast("Handle[ExportSpreadsheetResult]", handle), time.perf_counter() - began


def watch_to_its_end(handle: Handle[ExportSpreadsheetResult]) -> Watched:
    """Watches a job that was just submitted."""
    began, states, rows = time.perf_counter(), list[str](), list[int]()
    for event in handle.watch():
        state = JobState.Name(event.state).removeprefix("JOB_STATE_")
        if states[-1:] != [state]:
            states.append(state)
        if event.HasField("progress"):
            rows.append(event.progress.current)
    return Watched(states, rows, time.perf_counter() - began)


def _settings(stack: Stack) -> dict[str, str]:
    return {name: value for name, value in stack.env.items() if name.startswith("PORTARIA_")}
