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

from bench import depth, drain, idle, latency, recovery, report, submit
from bench.machine import this_machine
from bench.report import Section
from portaria.up.redis_server import Durability

PARTS = ("drain", "submit", "latency", "recovery", "depth", "idle")
MODES = (Durability.OFF, Durability.ALWAYS)
RESULT = Path(__file__).resolve().parents[2] / "build" / "bench.json"
SAVED = Path(__file__).resolve().parent / "results" / "latest.json"


def main() -> int:
    """Measures, prints, writes; answers the exit code."""
    options = _options()
    machine = this_machine()
    sections = []
    for section in _measured(options.only or PARTS, quick=options.quick):
        report.show(section)
        sections.append(section)
    report.show_machine(machine)
    RESULT.unlink(missing_ok=True)
    for path in (RESULT, SAVED) if options.save else (RESULT,):
        report.write(path, machine, sections)
    return int(not all(check.passed for section in sections for check in section.checks))


def _measured(parts: list[str] | tuple[str, ...], *, quick: bool) -> Iterator[Section]:
    for mode in MODES:
        if "drain" in parts:
            yield drain.measure(mode, rounds=1 if quick else 5, quick=quick)
        if "submit" in parts:
            for kind in (submit.SINGLE, submit.BATCHES):
                yield submit.measure(mode, rounds=1 if quick else 5, quick=quick, kind=kind)
        if "latency" in parts:
            yield latency.measure(mode, jobs=50 if quick else 300)
    if "recovery" in parts:
        yield recovery.measure(kills=5 if quick else 40, child_kills=10 if quick else 20)
    if "depth" in parts:
        yield depth.measure(rounds=15 if quick else 25, quick=quick)
    if "idle" in parts:
        yield idle.measure(seconds=10 if quick else 60)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; repeatable")
    parser.add_argument("--quick", action="store_true", help="one short round: to try it out")
    parser.add_argument("--save", action="store_true", help="keep the results in tests/bench")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
