"""`make chaos`: the long proof.

    python -m robustness.chaos --seed 7 --minutes 5 --jobs 20000 --kills 100

Prints a report with its seed and writes it to build/chaos-SEED.json. Ends with 1 where a claim does
not hold. `--against blpop` tries the oracle on workers that claim as stock RQ does: there it must
find lost jobs, and ends with 1 where it finds none.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from robustness.proof import Plan, prove
from robustness.report import Report
from robustness.schedule import Dose

BUILD = Path(__file__).resolve().parents[2] / "build"


def long_plan(seed: int, *, minutes: float, jobs: int, kills: int) -> Plan:
    """Of the kills 5 % are of Redis and 10 % of doors; a stop beyond the lease each 20 s."""
    seconds = minutes * 60
    dose = Dose(
        seconds=seconds,
        kills=kills,
        redis_kills=max(2, kills // 20),
        door_kills=max(2, kills // 10),
        stops=max(3, int(seconds / 20)),
        longest_stop=12.0,
        ambushes=max(3, kills // 5),
    )
    # A few are refused, as they should be.
    return Plan(
        seed=seed,
        jobs=int(jobs * 1.03),
        tiny=jobs // 2,
        workflows=jobs // 40,
        dose=dose,
        patience=60.0,
        tidy=30.0,
    )


def quick_plan(seed: int) -> Plan:
    """What fits into `make test`."""
    dose = Dose(
        seconds=16.0, kills=26, redis_kills=2, door_kills=3, stops=3, longest_stop=8.0, ambushes=9
    )
    return Plan(seed=seed, jobs=2_150, tiny=2_400, workflows=40, dose=dose)


def blpop_plan(seed: int) -> Plan:
    """A short run against workers that lose what they hold."""
    dose = Dose(seconds=4.0, kills=8, redis_kills=0, door_kills=0, stops=0, longest_stop=0.0)
    return Plan(
        seed=seed, jobs=200, dose=dose, parents=3, cut=0.0, patience=2.0, tidy=0.0, against="blpop"
    )


def lost_jobs(report: Report) -> int:
    """How many acknowledged jobs the oracle misses."""
    return next(check.number for check in report.checks if check.name.startswith("lost"))


def main() -> int:
    """Runs, prints, writes; answers the exit code."""
    options = _options()
    if options.against:
        return _against_blpop([options.seed] if options.seed is not None else range(1, 6))
    seed = options.seed if options.seed is not None else secrets.randbelow(10_000)
    plan = long_plan(seed, minutes=options.minutes, jobs=options.jobs, kills=options.kills)
    report = _prove(quick_plan(seed) if options.quick else plan)
    print(report)
    return int(bool(report.violations))


def _against_blpop(seeds: Iterable[int]) -> int:
    """The oracle must find lost jobs, whatever the seed."""
    missed = 0
    for seed in seeds:
        lost = lost_jobs(_prove(blpop_plan(seed)))
        missed += not lost
        print(f"seed {seed}: the oracle misses {lost} of 200 jobs that BLPOP claimed", flush=True)
    return int(missed > 0)


def _prove(plan: Plan) -> Report:
    with tempfile.TemporaryDirectory(prefix="portaria-chaos-") as folder:
        report = prove(plan, Path(folder), say=lambda text: print(text, flush=True))
    name = "-".join(["chaos", *filter(None, [plan.against]), str(plan.seed)])
    path = BUILD / f"{name}.json"
    report.write(path)
    print(f"written to {path.relative_to(BUILD.parent)}", flush=True)
    return report


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="replays a run; random by default")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="as large as in make test")
    parser.add_argument("--against", choices=["blpop"], default="", help="five seeds, or --seed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
