"""What it costs to make PDFs our way, over typst alone."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from bench.figures import ratios, short, spread
from bench.pdf_side import Side, Spent, running
from bench.report import Check, Section

LARGE, SMALL = 1.5, 0.6
_WARM_UP = 3


def measure_large(*, rounds: int) -> Section:
    """A contract of 20 pages, from its message to its bytes."""
    section = Section(
        title=f"a PDF of 20 pages, {rounds} rounds",
        note="From the message to PDF/A bytes; typst alone has the data as JSON already.",
        columns=("", "wall ms", "CPU ms", "first one, wall ms", "MB"),
    )
    names = {"ours": "typeset", "typst alone": "bare typeset"}
    found = _rounds(section, names, rounds=rounds, count=1)
    for what in ("cpu", "wall"):
        ours, bare = ([getattr(each, what) for each in found[name]] for name in names)
        section.checks.append(
            Check(
                what=f"{what.upper() if what == 'cpu' else what} time over typst alone",
                figure=ratios(ours, bare),
                wanted=LARGE,
                at_most=True,
            )
        )
    return section


def measure_small(*, documents: int, rounds: int) -> Section:
    """Invoices of one page through the handler: rendered, stored and registered."""
    section = Section(
        title=f"{documents:,} small PDFs, {rounds} rounds",
        note=(
            "GenerateDocument with a local storage and SQLite, each synced to the disk; "
            "typst alone writes files. One process each."
        ),
        columns=("", "wall ms each", "CPU ms each", "first one, wall ms", "MB"),
    )
    names = {
        "ours": "handled",
        "typst alone": "bare written",
        "typst alone, files synced": "bare synced",
    }
    found = _rounds(section, names, rounds=rounds, count=documents // rounds)
    for bare, what in (
        ("typst alone", "cpu"),
        ("typst alone", "wall"),
        ("typst alone, files synced", "wall"),
    ):
        figure = ratios(
            [getattr(each, what) for each in found[bare]],
            [getattr(each, what) for each in found["ours"]],
        )
        section.figures[f"{what}, of {bare}"] = figure
        if (bare, what) != ("typst alone", "wall"):
            unit = "CPU second" if what == "cpu" else "second"
            section.checks.append(
                Check(what=f"documents a {unit}, of {bare}", figure=figure, wanted=SMALL)
            )
    return section


def _rounds(
    section: Section, names: dict[str, str], *, rounds: int, count: int
) -> dict[str, list[Spent]]:
    """Each side in a process of its own, in turns; all of them make the same documents."""
    found: dict[str, list[Spent]] = {name: [] for name in names}
    with ExitStack() as exits:
        sides = {name: _open(exits, kind) for name, kind in names.items()}
        first = {name: side.make(0, 1).wall for name, side in sides.items()}
        for side in sides.values():
            side.make(1, _WARM_UP)
        for turn in range(rounds):
            order = list(sides) if turn % 2 else list(sides)[::-1]
            for name in order:
                found[name].append(sides[name].make(_WARM_UP + 1 + turn * count, count))
        for name, side in sides.items():
            wall = spread([each.wall * 1000 / count for each in found[name]])
            cpu = spread([each.cpu * 1000 / count for each in found[name]])
            megabytes = side.megabytes()
            row = (str(wall), str(cpu), short(first[name] * 1000), short(megabytes))
            section.rows.append((name, *row))
            section.figures[name] = {
                "wall_ms": wall,
                "cpu_ms": cpu,
                "first_ms": first[name] * 1000,
                "megabytes": megabytes,
                "rounds": [asdict(each) for each in found[name]],
            }
    return found


def _open(exits: ExitStack, kind: str) -> Side:
    folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="portaria-bench-")))
    return exits.enter_context(running(kind, folder))
