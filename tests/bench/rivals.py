"""The rivals that are no dependencies of ours, installed under build/ as their locks say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_HERE = Path(__file__).parent
_BUILD = _HERE.parents[1] / "build"


def huey_venv() -> Path:
    """The bin folder of a venv that has huey."""
    _install(_BUILD / "bench-huey", [_HERE / "requirements.lock"], _install_huey)
    return _BUILD / "bench-huey" / "bin"


def bullmq() -> Path | None:
    """BullMQ's worker.js beside its packages; None where this machine has no Node."""
    if not (shutil.which("node") and shutil.which("npm")):
        return None
    sources = [_HERE / "bullmq" / name for name in ("package.json", "package-lock.json")]
    folder = _BUILD / "bench-bullmq"
    _install(folder, sources, _install_bullmq)
    # Node looks for packages where the program is.
    return Path(shutil.copy(_HERE / "bullmq" / "worker.js", folder))


def versions() -> dict[str, str]:
    """Of what is compared with, as far as it is here."""
    lock = (_HERE / "requirements.lock").read_text()
    found = {"huey": lock.partition("huey==")[2].split()[0]}
    if shutil.which("node"):
        said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
        package = json.loads((_HERE / "bullmq" / "package.json").read_text())
        found |= {"node": said.stdout.strip(), "bullmq": package["dependencies"]["bullmq"]}
    return found


def _install(folder: Path, sources: list[Path], install: Callable[[Path], None]) -> None:
    """Anew where a source differs from its copy; the copies come last, so half is never whole."""
    copies = [folder / "installed" / source.name for source in sources]
    pairs = zip(copies, sources, strict=True)
    if all(copy.exists() and copy.read_bytes() == source.read_bytes() for copy, source in pairs):
        return
    print(f"installing into {folder.relative_to(_BUILD.parent)}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for source in sources:
        shutil.copy(source, folder)
    install(folder)
    (folder / "installed").mkdir()
    for source in sources:
        shutil.copy(source, folder / "installed")


def _install_huey(folder: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    lock = folder / "requirements.lock"
    offline = ("--quiet", "--no-python-downloads", "--allow-existing")
    subprocess.run([uv, "venv", *offline, "--python", sys.executable, folder], check=True)
    sync = ("pip", "sync", "--quiet", "--require-hashes", "--python", folder / "bin" / "python")
    subprocess.run([uv, *sync, lock], check=True)


def _install_bullmq(folder: Path) -> None:
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    subprocess.run(["npm", "ci", *quiet], cwd=folder, check=True)
