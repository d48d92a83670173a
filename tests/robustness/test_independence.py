"""The oracle judges from outside: it shares no code with what writes to Redis."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parent
MAY_IMPORT = ("portaria.client", "portaria.v1", "portaria.up")
MUST_NOT_LOAD = ("portaria.store", "portaria.runtime", "portaria.frontdoor", "portaria.internal")


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name}: imports are absolute, so that they can be seen"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_oracle_names_nothing_of_the_store() -> None:
    """Of the system its files import the client, the contract, and what starts processes."""
    files = sorted(HERE.rglob("*.py"))
    named = {(path.name, name) for path in files for name in _imports(path)}

    ours = {(file, name) for file, name in named if name.split(".")[0].startswith("portaria")}
    allowed = tuple(f"{name}." for name in MAY_IMPORT)

    assert len(files) > 10
    assert {pair for pair in ours if not pair[1].startswith(allowed)} == set()


def test_the_oracle_loads_nothing_of_the_store() -> None:
    """Nor does what it imports."""
    code = "import sys, robustness.chaos; print(*sys.modules)"
    env = {**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS / 'fixtures'}"}

    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )

    loaded = done.stdout.split()
    assert "portaria.client" in loaded
    assert [name for name in loaded if name.startswith(MUST_NOT_LOAD)] == []
