"""`make check`: everything that can be wrong without running the system.

Quiet when all is well: one line a step. A step that fails shows its tool's words; the others run
all the same. Ends with 0 only where every step passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import project

BIN = Path(sys.executable).parent
CODE = ("services", "workers", "tests", "proto")
TYPED = (
    "services/portaria",
    "workers/portaria_workers",
    "tests/typing",
    "tests/stack",
    "tests/bench",
    "tests/robustness",
    "tests/e2e",
    "tests/conftest.py",
    "tests/project.py",
    "tests/check.py",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step came to."""

    name: str
    seconds: float
    faults: str
    """What its tool said; empty where it passed."""


def tool(*command: str) -> str:
    """Runs a tool of the virtual environment in the top folder; answers its words if it failed."""
    done = subprocess.run(
        [BIN / command[0], *command[1:]],
        cwd=project.TOP,
        env={**os.environ, "MYPYPATH": "services:workers:tests:tests/fixtures", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout.strip() or f"exit {done.returncode}"


def types() -> str:
    """mypy --strict over the packages and over what tests build on."""
    return tool("mypy", "--no-error-summary", *TYPED)


def contract() -> str:
    """buf's lint over the image that protoc makes of proto/."""
    from portaria.codegen.generate import GenerateError, image

    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "image.binpb"
        try:
            target.write_bytes(image(project.TOP / "proto").SerializeToString())
        except GenerateError as error:
            return str(error)
        own = ("--path", "portaria", "--path", "portaria_workers")
        return tool("buf", "lint", str(target), "--config", "proto/buf.yaml", *own)


def files() -> str:
    """README, Makefile and packages are as agreed."""
    wrong = [*project.long_readme(), *project.hidden_targets(), *project.packages_without_init()]
    return "\n".join(wrong)


def compose() -> str:
    """docker-compose.yml keeps to the compose specification."""
    schema = ("--builtin-schema", "vendor.compose-spec")
    return tool("check-jsonschema", "--quiet", *schema, "docker-compose.yml")


# The longest first: two run at a time.
STEPS: dict[str, Callable[[], str]] = {
    "types": types,
    "stubs": lambda: "\n".join(project.stale_stubs()),
    "contract": contract,
    "format": lambda: tool("ruff", "format", "--check", *CODE),
    "lint": lambda: tool("ruff", "check", "--quiet", *CODE),
    "imports": lambda: tool("lint-imports", "--no-logo"),
    "compose": compose,
    "files": files,
}


def run(name: str) -> Outcome:
    """Runs one step; a step that cannot run has failed."""
    start = time.perf_counter()
    try:
        faults = STEPS[name]()
    except Exception as error:  # the other steps still have something to say
        faults = f"{type(error).__name__}: {error}"
    return Outcome(name, time.perf_counter() - start, faults)


def main() -> int:
    """Runs all steps, two at a time, and answers the exit code."""
    outcomes = []
    with ThreadPoolExecutor(2) as pool:
        for outcome in pool.map(run, STEPS):
            mark = "FAILED" if outcome.faults else "ok"
            print(f"{outcome.name:10} {outcome.seconds:5.1f} s  {mark}", flush=True)
            outcomes.append(outcome)
    for outcome in outcomes:
        if outcome.faults:
            print(f"\n--- {outcome.name}\n{outcome.faults}")
    return int(any(outcome.faults for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
