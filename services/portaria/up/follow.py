"""Shows what the parts write, as they write it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue")


class Follower:
    """Reads the logs of a directory from where it read last; whole lines only."""

    def __init__(self, folder: Path | None, say: Callable[[str], None]) -> None:
        """With no folder it shows nothing."""
        self._folder = folder
        self._say = say
        self._read: dict[Path, int] = {}

    def show(self) -> None:
        """Shows the lines that came since the last call."""
        if self._folder is None:
            return
        for path in sorted(self._folder.glob("*.log")):
            start = self._read.setdefault(path, 0)
            with path.open("rb") as file:
                file.seek(start)
                whole = file.read().rpartition(b"\n")[0]
            if whole:
                self._read[path] = start + len(whole) + 1
                self._show(path, whole.decode(errors="replace"))

    def _show(self, path: Path, text: str) -> None:
        colour = _COLOURS[list(self._read).index(path) % len(_COLOURS)]
        name = click.style(f"{path.stem:12}", fg=colour)
        for line in text.splitlines():
            self._say(f"{name} {line}")
