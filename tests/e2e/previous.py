"""The previous commit, built and installed as its users have it."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
_PREVIOUS = "HEAD~1"
_NO_HISTORY = (
    f"{_PREVIOUS} is needed, to run it beside this version, and git does not have it: "
    "clone with the history (git fetch --unshallow)"
)


def install_previous(folder: Path) -> dict[str, str]:
    """Installs the wheel of the previous commit; answers the settings under which it runs.

    Raises RuntimeError where git knows no such commit.
    """
    source, wheels, site = folder / "source", folder / "wheels", folder / "site"
    with tarfile.open(fileobj=io.BytesIO(_archive())) as archive:
        archive.extractall(source, filter="data")
    _python(source, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels)
    (wheel,) = wheels.glob("*.whl")
    target = ("--no-deps", "--offline", "--target", site, wheel)
    _python(folder, "-m", "uv", "pip", "install", "--quiet", *target)
    # Handlers of its own time: those of today may ask for more than it has.
    path = f"{site}:{source / 'tests/fixtures'}"
    used = _python(folder, "-c", "import portaria; print(portaria.__file__)", PYTHONPATH=path)
    if not used.startswith(str(site)):
        raise RuntimeError(f"{used.strip()} runs instead of the previous version")
    return {"PYTHONPATH": path}


def _archive() -> bytes:
    # Whoever else owns the checkout, as in containers, is no concern of ours.
    git = ("git", "-c", f"safe.directory={TOP}", "-C", str(TOP), "archive", _PREVIOUS)
    done = subprocess.run(git, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{_NO_HISTORY}\n{done.stderr.decode(errors='replace')}")
    return done.stdout


def _python(folder: Path, *arguments: str | Path, **env: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr}{done.stdout}")
    return done.stdout
