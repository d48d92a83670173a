"""The previous version, built and installed as its users have it.

Of the last 50 commits it is the newest whose Lua differs from that of HEAD: what two versions of
the system meet in is what their scripts write to Redis, and beside a commit that changed only tests
or words a rolling restart would prove nothing. Where none differs, it is the previous commit.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
_SCRIPTS = "services/portaria/store/lua"
_LOOK_BACK = 50
_NO_HISTORY = (
    "a previous commit is needed, to run it beside this version, and git does not have it: "
    "clone with the history (git fetch --unshallow)"
)


def install_previous(folder: Path) -> dict[str, str]:
    """Installs the wheel of the previous version; answers the settings under which it runs.

    Raises RuntimeError where git knows no previous commit.
    """
    source, wheels, site = folder / "source", folder / "wheels", folder / "site"
    with tarfile.open(fileobj=io.BytesIO(_git("archive", _previous()))) as archive:
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


def _previous() -> str:
    # Newest first, along what was HEAD itself: a commit of a merged branch was never released.
    words = ("rev-list", "--first-parent", f"--max-count={_LOOK_BACK + 1}", "HEAD")
    _, *earlier = _git(*words).decode().split()
    if not earlier:
        raise RuntimeError(_NO_HISTORY)
    present = _scripts("HEAD")
    return next((commit for commit in earlier if _scripts(commit) != present), earlier[0])


def _scripts(commit: str) -> bytes:
    return _git("ls-tree", commit, _SCRIPTS)


def _git(*words: str) -> bytes:
    # Whoever else owns the checkout, as in containers, is no concern of ours.
    git = ("git", "-c", f"safe.directory={TOP}", "-C", str(TOP), *words)
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
