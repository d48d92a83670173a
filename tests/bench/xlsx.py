"""What a workbook of 100,000 rows and 8 columns costs: by the job, and by the bare library.

Each side runs in a process of its own, by turns: CPU seconds of the work alone, without start and
imports, and the most memory that the process ever had, with them.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

from bench.figures import Spread, percentile, ratios, short, spread
from bench.report import Check, Section
from bench.xlsx_sides import NAMES
from portaria.up.redis_server import RedisServer
from stack import Stack
from stack.exporting import start_exporting, submit_timed, watch_to_its_end
from stack.processes import base_env

RATIO, MEGABYTES = 1.5, 150.0
ACKNOWLEDGED_MS, LONG_S = 20.0, 30.0
_SIDES = Path(__file__).with_name("xlsx_sides.py")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one side in one round."""

    cpu: float
    """Seconds."""
    megabytes: float


def measure(*, rows: int, rounds: int) -> Section:
    """The job and the library by turns; then a file of as many rows judged cell by cell."""
    found: dict[str, list[Cost]] = {side: [] for side in ("export", "library", "file")}
    with tempfile.TemporaryDirectory(prefix="portaria-bench-") as name:
        folder = Path(name)
        _write(folder / "rows.csv", rows)
        for number in range(rounds):
            for side in found:
                found[side].append(_run(side, folder / f"{side}-{number}", folder / "rows.csv"))
    return _section(found, rows)


def measure_long(*, rows: int, submits: int) -> Section:
    """One long export; what further submits wait meanwhile, and what its watcher is told."""
    with (
        tempfile.TemporaryDirectory(prefix="portaria-bench-") as name,
        RedisServer(Path(name) / "redis") as server,
    ):
        stack = Stack(server, Path(name))
        try:
            start_exporting(stack)
            submit_timed(stack, 1)[0].wait()
            before = [submit_timed(stack, 1) for _ in range(submits)]
            before[-1][0].wait()
            long, first = submit_timed(stack, rows)
            waited = [first, *(submit_timed(stack, 1)[1] for _ in range(submits))]
            watched = watch_to_its_end(long)
        finally:
            stack.close()
    milliseconds = [seconds * 1e3 for seconds in waited]
    alone = [seconds * 1e3 for _, seconds in before]
    p99, told = percentile(milliseconds, 0.99), len(set(watched.rows))
    section = Section(
        title=f"an export of {rows:,} rows, acknowledged and watched",
        note=f"{submits} short ones are submitted before it and while it runs; appendfsync always.",
        columns=("", "ms to acknowledge, p50", "p99", "s to its end", "reports of progress"),
    )
    cells = (percentile(milliseconds, 0.5), p99, watched.seconds, told)
    before_it = (percentile(alone, 0.5), percentile(alone, 0.99))
    section.rows.append(("short ones before it", *map(short, before_it), "", ""))
    section.rows.append(("it, and while it runs", *map(short, cells)))
    section.figures = {
        "ack_ms": milliseconds,
        "ack_ms_before": alone,
        "seconds": watched.seconds,
        "told": told,
    }
    section.checks = [
        Check(
            what="acknowledged, p99", figure=p99, wanted=ACKNOWLEDGED_MS, unit="ms", at_most=True
        ),
        Check(what="it took long", figure=watched.seconds, wanted=LONG_S, unit="s"),
        Check(what="progress was seen", figure=told, wanted=10, unit="times"),
    ]
    return section


def _write(path: Path, rows: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(NAMES)
        for number in range(rows):
            day = date(2026, 1, 1) + timedelta(days=number % 300)
            amounts = (f"{number * 0.37:.2f}", f"{number * 1.17:.2f}", number % 100 / 2)
            active = "true" if number % 3 else "false"
            name = f"Cliente número {number}"
            writer.writerow((f"5000{number:06d}", name, day, number % 977, *amounts, active))


def _run(side: str, folder: Path, source: Path) -> Cost:
    folder.mkdir()
    env = base_env(PORTARIA_DATA_DIR=str(folder))
    command = [sys.executable, str(_SIDES), side, str(source), str(folder)]
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    return Cost(**json.loads(done.stdout))


def _section(found: dict[str, list[Cost]], rows: int) -> Section:
    section = Section(
        title=f"workbooks of {rows:,} rows and {len(NAMES)} columns",
        note="CPU seconds of the work; the most memory of its process, imports included.",
        columns=("", "CPU s", "MB"),
    )
    words = {
        "export": "ExportSpreadsheet of a stored CSV",
        "library": "xlsxwriter alone, the same cells",
        "file": "ProcessFile of the same CSV",
    }
    for side, costs in found.items():
        cpu, most = spread([each.cpu for each in costs]), _memory(costs)
        section.rows.append((words[side], str(cpu), str(most)))
        section.figures[side] = [asdict(each) for each in costs]
    ours, theirs = ([each.cpu for each in found[side]] for side in ("export", "library"))
    section.checks = [
        Check(what="CPU of the library's", figure=ratios(ours, theirs), wanted=RATIO, at_most=True),
        *(
            Check(
                what=f"memory of {words[side]}",
                figure=_memory(found[side]),
                wanted=MEGABYTES,
                unit="MB",
                at_most=True,
            )
            for side in ("export", "file")
        ),
    ]
    return section


def _memory(costs: list[Cost]) -> Spread:
    return spread([each.megabytes for each in costs])
