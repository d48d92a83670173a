"""A server that speaks the protocol of S3, for tests of what lies there."""

from __future__ import annotations

import itertools
import sys
import urllib.request
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self

from portaria.up.ports import free_port
from portaria.up.process import OwnedProcess
from stack.eventually import eventually

ACCESS_KEY = "of-a-test"
SECRET_KEY = "secret-of-a-test"


class S3Server:
    """moto's server on a port of its own; it forgets everything when it ends."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._numbers = itertools.count(1)
        self.secret_file = folder / "secret"
        self.secret_file.write_text(f"{SECRET_KEY}\n")
        self.process = OwnedProcess(
            "s3",
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            log=folder / "s3.log",
        )

    def create_bucket(self) -> str:
        """Makes an empty bucket; answers its name."""
        name = f"bucket-{next(self._numbers)}"
        request = urllib.request.Request(f"{self.url}/{name}", method="PUT")
        with urllib.request.urlopen(request, timeout=10):
            return name

    def settings(self, bucket: str, prefix: str = "") -> dict[str, str]:
        """The variables of a storage there."""
        return {
            "PORTARIA_STORAGE_URL": f"s3://{bucket}{prefix}",
            "PORTARIA_S3_ENDPOINT": self.url,
            "PORTARIA_S3_REGION": "us-east-1",
            "PORTARIA_S3_ACCESS_KEY_ID": ACCESS_KEY,
            "PORTARIA_S3_SECRET_KEY_FILE": str(self.secret_file),
        }

    def __enter__(self) -> Self:
        self.process.start()

        def answers() -> bool:
            if not self.process.running:
                raise RuntimeError(f"moto ended:\n{self.process.tail()}")
            with urllib.request.urlopen(self.url, timeout=5):
                return True

        eventually(answers, 30, ignoring=(OSError, HTTPException))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.stop()
