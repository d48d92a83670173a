"""One side of the comparison in xlsx.py: a program that does it once and prints what it cost."""

from __future__ import annotations

import csv
import json
import resource
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

NAMES = ("nif", "name", "day", "quantity", "weight", "amount", "share", "active")


def main() -> None:
    """SIDE SOURCE FOLDER"""
    side, source, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    work = {"export": _export, "library": _library, "file": _file}[side](source, folder)
    began = time.process_time()
    work()
    cpu = time.process_time() - began
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"cpu": cpu, "megabytes": most}))


def _export(source: Path, _: Path) -> Callable[[], object]:
    from portaria.jobs.eager import run_eagerly
    from portaria_workers.documents.handlers import export_spreadsheet
    from portaria_workers.documents.v1 import documents_pb2 as pb

    column = pb.ExportSpreadsheet.Column
    order = pb.ExportSpreadsheet(
        document_id=_stored(source),
        columns=[column(name=name, type=kind) for name, kind in _types().items()],
    )
    order.columns[5].currency = "AOA"
    order.columns[5].total = pb.ExportSpreadsheet.TOTAL_SUM
    return lambda: run_eagerly(export_spreadsheet, order)


def _file(source: Path, _: Path) -> Callable[[], object]:
    from portaria.jobs.eager import run_eagerly
    from portaria_workers.documents.handlers import process_file
    from portaria_workers.documents.v1 import documents_pb2 as pb

    order = pb.ProcessFile(document_id=_stored(source), mode=pb.MODE_LENIENT)
    for name, kind in _types().items():
        order.columns.add(name=name, type=kind, required=True)
    order.columns[0].unique = True
    return lambda: run_eagerly(process_file, order)


def _library(source: Path, folder: Path) -> Callable[[], object]:
    with source.open(newline="", encoding="utf-8") as file:
        rows = [_typed(row) for row in list(csv.reader(file))[1:]]
    return lambda: _write(rows, folder / "bare.xlsx")


def _write(rows: list[tuple[Any, ...]], path: Path) -> None:
    import xlsxwriter

    book = xlsxwriter.Workbook(str(path), {"constant_memory": True})
    sheet = book.add_worksheet()
    codes = ("@", "@", "dd/mm/yyyy", "#,##0", "#,##0.00", "#,##0.00 [$Kz]", "0.00%", "General")
    formats = [book.add_format({"num_format": code}) for code in codes]
    text, number = sheet.write_string, sheet.write_number
    writers = (text, text, sheet.write_datetime, number, number, number, number)
    plan = [*zip((*writers, sheet.write_boolean), range(len(codes)), formats, strict=True)]
    for place, name in enumerate(NAMES):
        text(0, place, name)
    for row, cells in enumerate(rows, start=1):
        for (write, place, shown), cell in zip(plan, cells, strict=True):
            write(row, place, cell, shown)
    book.close()


def _typed(row: list[str]) -> tuple[Any, ...]:
    nif, name, day, quantity, weight, amount, share, active = row
    numbers = (int(quantity), float(weight), float(amount), float(share) / 100)
    return (nif, name, date.fromisoformat(day), *numbers, active == "true")


def _stored(source: Path) -> str:
    from portaria.database import open_database
    from portaria.database.upgrading import upgrade
    from portaria.storage.documents import open_documents

    upgrade(open_database(), ())
    return open_documents().put(source, namespace="default").id


def _types() -> dict[str, Any]:
    from portaria_workers.documents.v1 import documents_pb2 as pb

    kinds = ("TEXT", "TEXT", "DATE", "INTEGER", "DECIMAL", "AMOUNT", "PERCENT", "BOOLEAN")
    return {
        name: pb.CellType.Value(f"CELL_TYPE_{kind}")
        for name, kind in zip(NAMES, kinds, strict=True)
    }


if __name__ == "__main__":
    main()
