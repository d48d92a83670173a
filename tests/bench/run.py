"""`make bench`: how fast, as ratios against the committed baselines, measured in the same run.

Ends with 1 where a pass line is not reached. Writes build/bench.json, and with --save also
tests/bench/results/latest.json.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fixtures"))

from bench import (
    acknowledged,
    batchwatch,
    depth,
    drain,
    due,
    idle,
    latency,
    listing,
    mail,
    pdf,
    progress,
    recovery,
    report,
    submit,
    watchers,
    workflows,
    xlsx,
)
from bench.machine import this_machine
from bench.report import Section
from portaria.up.redis_server import Durability

MODES = (Durability.OFF, Durability.ALWAYS)
RESULT = Path(__file__).resolve().parents[2] / "build" / "bench.json"
SAVED = Path(__file__).resolve().parent / "results" / "latest.json"


def main() -> int:
    """Measures, prints, writes; answers the exit code."""
    options = _options()
    machine = this_machine()
    sections = []
    for part in options.only or PARTS:
        for section in PARTS[part](quick=options.quick):
            report.show(section)
            sections.append(section)
    report.show_machine(machine)
    RESULT.unlink(missing_ok=True)
    for path in (RESULT, SAVED) if options.save else (RESULT,):
        report.write(path, machine, sections)
    return int(not all(check.passed for section in sections for check in section.checks))


def _drain(*, quick: bool) -> Iterator[Section]:
    for mode in MODES:
        yield drain.measure(mode, rounds=1 if quick else 5, quick=quick)


def _submit(*, quick: bool) -> Iterator[Section]:
    for mode in MODES:
        for kind in (submit.SINGLE, submit.BATCHES):
            yield submit.measure(mode, rounds=1 if quick else 5, quick=quick, kind=kind)


def _latency(*, quick: bool) -> Iterator[Section]:
    for mode in MODES:
        yield latency.measure(mode, jobs=50 if quick else 300)


def _recovery(*, quick: bool) -> Iterator[Section]:
    yield recovery.measure(kills=5 if quick else 40, child_kills=10 if quick else 20)


def _depth(*, quick: bool) -> Iterator[Section]:
    yield depth.measure(rounds=15 if quick else 25, quick=quick)


def _idle(*, quick: bool) -> Iterator[Section]:
    yield idle.measure(seconds=10 if quick else 60)


def _due(*, quick: bool) -> Iterator[Section]:
    yield due.measure_lateness(jobs=300 if quick else 5_000, seconds=5 if quick else 30)
    yield due.measure_promote(rounds=5 if quick else 25, quick=quick)
    yield due.measure_idle(seconds=10 if quick else 60)


def _listing(*, quick: bool) -> Iterator[Section]:
    yield listing.measure(rounds=5 if quick else 25, many=20_000 if quick else listing.MANY)


def _watchers(*, quick: bool) -> Iterator[Section]:
    yield watchers.measure(watchers=5_000, per_second=2_000, seconds=5 if quick else 15)


def _batchwatch(*, quick: bool) -> Iterator[Section]:
    yield batchwatch.measure(jobs=10_000, rounds=1 if quick else 5)


def _progress(*, quick: bool) -> Iterator[Section]:
    yield progress.measure(calls=1_000_000, rounds=1 if quick else 5)


def _workflows(*, quick: bool) -> Iterator[Section]:
    yield workflows.measure(members=10_000, rounds=1 if quick else 5)
    yield workflows.measure_cancel(rounds=1 if quick else 5)


def _mail(*, quick: bool) -> Iterator[Section]:
    for mode in MODES:
        yield mail.measure(mode, recipients=1_000, rounds=1 if quick else 7)
    yield acknowledged.measure(submits=100 if quick else 500)


def _pdf(*, quick: bool) -> Iterator[Section]:
    yield pdf.measure_large(rounds=3 if quick else 15)
    yield pdf.measure_small(documents=100 if quick else 1_000, rounds=2 if quick else 10)


def _xlsx(*, quick: bool) -> Iterator[Section]:
    yield xlsx.measure(rows=100_000, rounds=1 if quick else 5)
    yield xlsx.measure_long(rows=1_600_000, submits=200)


PARTS = {
    "drain": _drain,
    "submit": _submit,
    "latency": _latency,
    "recovery": _recovery,
    "depth": _depth,
    "idle": _idle,
    "due": _due,
    "listing": _listing,
    "watchers": _watchers,
    "batchwatch": _batchwatch,
    "progress": _progress,
    "workflows": _workflows,
    "mail": _mail,
    "pdf": _pdf,
    "xlsx": _xlsx,
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--only", choices=list(PARTS), action="append", help="this part; repeatable"
    )
    parser.add_argument("--quick", action="store_true", help="one short round: to try it out")
    parser.add_argument("--save", action="store_true", help="keep the results in tests/bench")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
