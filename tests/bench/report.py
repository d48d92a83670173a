"""What a run found: readable on the terminal, and whole as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.figures import Spread, short
from bench.machine import Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A pass line: the median must reach what was promised, or must not exceed it."""

    what: str
    figure: Spread | float
    wanted: float
    unit: str = "×"
    at_most: bool = False

    @property
    def passed(self) -> bool:
        """Whether it did."""
        found = self.figure.median if isinstance(self.figure, Spread) else self.figure
        return found <= self.wanted if self.at_most else found >= self.wanted

    def __str__(self) -> str:
        found = self.figure if isinstance(self.figure, Spread) else short(self.figure)
        sign = "≤" if self.at_most else "≥"
        return f"{self.what}: {found} {self.unit}, wanted {sign} {self.wanted:g} {self.unit}"


@dataclass(slots=True, kw_only=True)
class Section:
    """One measurement."""

    title: str
    note: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    """For the JSON: everything that the rows show, and each round."""


# Wide enough for its tables, wherever it is printed.
_CONSOLE = Console(width=110, highlight=False)


def show(section: Section) -> None:
    """Prints one measurement and its pass lines."""
    table = Table(title=section.title, title_justify="left", title_style="bold")
    table.caption, table.caption_justify = section.note, "left"
    for number, column in enumerate(section.columns):
        table.add_column(column, justify="right" if number else "left")
    for row in section.rows:
        table.add_row(*row)
    _CONSOLE.print(table)
    for check in section.checks:
        word = "[green]pass[/]" if check.passed else "[red]FAIL[/]"
        _CONSOLE.print(f"  {word}  {check}")
    _CONSOLE.print()


def show_machine(machine: Machine) -> None:
    """Prints what the figures depend on."""
    _CONSOLE.print(f"{machine.commit}, {machine.date}, {machine.cores} cores of {machine.cpu}")
    _CONSOLE.print(", ".join(f"{name} {version}" for name, version in machine.versions.items()))


def write(path: Path, machine: Machine, sections: Sequence[Section]) -> None:
    """Writes it all as JSON; what was not measured this time stays, with its own commit."""
    kept = json.loads(path.read_text())["sections"] if path.exists() else {}
    kept |= {section.title: _section(section, machine) for section in sections}
    passed = all(check["passed"] for section in kept.values() for check in section["checks"])
    document = {"passed": passed, "sections": kept}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False, default=asdict) + "\n")


def _section(section: Section, machine: Machine) -> dict[str, Any]:
    checks = [{**asdict(check), "passed": check.passed} for check in section.checks]
    return {"measured": asdict(machine), "checks": checks, "figures": section.figures}
