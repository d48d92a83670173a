"""What must be true of the project's files; `make check` and tests/unit/project ask here.

Each function answers with what is wrong, one line a fault, nothing where all is well.
"""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import tempfile
from pathlib import Path

from portaria.codegen.facade import is_facade

TOP = Path(__file__).resolve().parents[1]
README_LINES = 150
_PROTOS_IN = ("proto", "tests/fixtures")
_STUBS_IN = ("services", "workers", "tests/fixtures")
_STUB = re.compile(r"_pb2(_grpc)?\.pyi?$")


def stale_stubs(top: Path = TOP) -> list[str]:
    """Generated files that are not what `make proto` would write."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        for name in _STUBS_IN:
            (copy / name).mkdir(parents=True)
        for proto in _protos(top):
            if not is_facade(proto.name, proto.read_text()):
                target = copy / proto.relative_to(top)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(proto, target)
        shutil.copy(top / "proto/generate.py", copy / "proto")
        runpy.run_path(str(copy / "proto/generate.py"))["main"](copy)
        made, there = _generated(copy), _generated(top)
    wrong = [f"{path}: make proto would write it" for path in sorted(made.keys() - there.keys())]
    wrong += [f"{path}: nothing makes it any more" for path in sorted(there.keys() - made.keys())]
    both = sorted(made.keys() & there.keys())
    return wrong + [f"{path}: out of date" for path in both if made[path] != there[path]]


def hidden_targets(top: Path = TOP) -> list[str]:
    """Targets of the Makefile that `make help` does not show, or that are not phony."""
    text = (top / "Makefile").read_text()
    declared = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    phony = set(declared[1].split()) if declared else set()
    defined = set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))
    said = subprocess.run(
        ["make", "help"], cwd=top, capture_output=True, text=True, check=True
    ).stdout
    shown = set(re.findall(r"^\s+(?:\x1b\[\d+m)?([a-z][a-z-]*)", said, re.MULTILINE))
    wrong = [
        f"Makefile: {name} is not in make help"
        for name in sorted(phony | defined - shown)
        if name not in shown
    ]
    wrong += [f"Makefile: {name} is not .PHONY" for name in sorted(defined - phony)]
    return wrong + [f"Makefile: {name} is .PHONY and undefined" for name in sorted(phony - defined)]


def long_readme(top: Path = TOP) -> list[str]:
    """A README that nobody reads to its end."""
    lines = len((top / "README.md").read_text().splitlines())
    return [f"README.md: {lines} lines, at most {README_LINES}"] if lines > README_LINES else []


def packages_without_init(top: Path = TOP) -> list[str]:
    """Folders of Python code that are no package: the import contracts would not see them."""
    folders = {
        path.parent
        for root in ("services", "workers")
        for path in (top / root).glob("*/**/*.py")
        if path.parts[len(top.parts) + 1] != "buf"
    }
    return [
        f"{folder.relative_to(top)}: no __init__.py"
        for folder in sorted(folders)
        if not (folder / "__init__.py").exists()
    ]


def _generated(top: Path) -> dict[Path, bytes]:
    found = [
        path
        for root in _STUBS_IN
        for path in (top / root).rglob("*_pb2*")
        if _STUB.search(path.name)
    ]
    return {path.relative_to(top): path.read_bytes() for path in [*found, *_protos(top)]}


def _protos(top: Path) -> list[Path]:
    return [path for root in _PROTOS_IN for path in (top / root).rglob("*.proto")]
