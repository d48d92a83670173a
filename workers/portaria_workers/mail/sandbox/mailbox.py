"""The directory in which the sandbox keeps mails."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path

_UNSAFE = re.compile(r"[^A-Za-z0-9.@+_-]")


class Mailbox:
    """Keeps each mail as an .eml file that any mail program opens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept = 0
        """How many mails this mailbox has kept since it was made."""
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, sender: str, recipient: str, content: bytes, received_at: datetime) -> Path:
        """Writes one mail; the file appears whole or not at all. Its name sorts by time."""
        self.kept += 1
        stamp = f"{received_at:%Y%m%dT%H%M%S.%f}-{self.kept:06}"
        path = self.folder / f"{stamp}-{_UNSAFE.sub('_', recipient)[:120]}.eml"
        unfinished = self.folder / f".{path.name}.part"
        envelope = f"Return-Path: <{sender}>\r\nDelivered-To: {recipient}\r\n"
        unfinished.write_bytes(envelope.encode("utf-8", "replace") + content)
        os.replace(unfinished, path)
        return path
