"""The rivals that are no dependencies of ours, installed under build/ as their locks say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from stack.built import built, node, npm_ci

_HERE = Path(__file__).parent


def huey_venv() -> Path:
    """The bin folder of a venv that has huey."""
    return built("bench-huey", [_HERE / "requirements.lock"], _install_huey) / "bin"


def bullmq() -> Path:
    """BullMQ's worker.js beside its packages."""
    sources = [_HERE / "bullmq" / name for name in ("package.json", "package-lock.json")]
    folder = built("bench-bullmq", sources, npm_ci)
    # Node looks for packages where the program is.
    return Path(shutil.copy(_HERE / "bullmq" / "worker.js", folder))


def versions() -> dict[str, str]:
    """Of what is compared with."""
    lock = (_HERE / "requirements.lock").read_text()
    found = {"huey": lock.partition("huey==")[2].split()[0]}
    said = subprocess.run([node(), "--version"], capture_output=True, text=True, check=True)
    package = json.loads((_HERE / "bullmq" / "package.json").read_text())
    found |= {"node": said.stdout.strip(), "bullmq": package["dependencies"]["bullmq"]}
    return found


def _install_huey(folder: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    lock = folder / "requirements.lock"
    offline = ("--quiet", "--no-python-downloads", "--allow-existing")
    subprocess.run([uv, "venv", *offline, "--python", sys.executable, folder], check=True)
    sync = ("pip", "sync", "--quiet", "--require-hashes", "--python", folder / "bin" / "python")
    subprocess.run([uv, *sync, lock], check=True)
