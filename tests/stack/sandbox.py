"""The SMTP sandbox of a stack: where its mails go."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

from stack.processes import Process


class Sandbox:
    """A running sandbox and what it received."""

    def __init__(self, process: Process, folder: Path, url: str) -> None:
        self.process = process
        self.folder = folder
        """Where it keeps the mails."""
        self.url = url

    def files(self) -> list[Path]:
        """The .eml files that it kept, by name."""
        return sorted(self.folder.rglob("*.eml"))

    def messages(self) -> list[EmailMessage]:
        """The mails that it took."""
        return [
            email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            for path in self.files()
        ]

    def addresses(self) -> list[str]:
        """Whom it took mails for, in the headers' words, sorted; twice where it took two."""
        return sorted(str(message["To"]) for message in self.messages())
