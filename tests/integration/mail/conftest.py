"""The real sandbox on a real socket, and jobs whose ledger is in memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete

from portaria.database import open_database
from portaria.database.upgrading import upgrade
from portaria.jobs.eager import EagerJob
from portaria.storage.tables import DOCUMENTS
from portaria_workers.mail import smtp
from portaria_workers.mail.sandbox.server import Sandbox
from portaria_workers.mail.tables import SUPPRESSIONS
from stack.postgres import PostgresServer


class RunningSandbox:
    """A sandbox with a loop of its own in a thread."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.server = Sandbox(folder, **options)
        self.faults = self.server.faults
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listens; after a stop, where it did before."""
        self.port = self._run(self.server.start("127.0.0.1", self.port))

    def stop(self) -> None:
        """Cuts every connection and listens no more."""
        self._run(self.server.stop())

    def close(self) -> None:
        """Ends the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def mails(self) -> list[EmailMessage]:
        """What was delivered, oldest first."""
        files = sorted(self.server.mailbox.folder.glob("*.eml"))
        return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in files]

    def delivered_to(self) -> list[str]:
        """Whom, in the order of delivery; twice where two were delivered."""
        return [str(mail["Delivered-To"]) for mail in self.mails()]

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    """A running sandbox, to which PORTARIA_SMTP_URL leads."""
    running = RunningSandbox(tmp_path / "mails")
    running.start()
    monkeypatch.setenv("PORTARIA_SMTP_URL", running.url)
    monkeypatch.setenv("PORTARIA_DATA_DIR", str(tmp_path / "data"))
    yield running
    smtp.close_idle()
    running.stop()
    running.close()


@pytest.fixture
def job() -> EagerJob:
    """A job that has not run yet."""
    return EagerJob()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """An empty database with the tables of storage and mail, besides a sandbox."""
    if request.param == "postgresql":
        url = request.getfixturevalue("mail_on_postgres")
        monkeypatch.setenv("PORTARIA_DATABASE_URL", url)
    engine = open_database()
    upgrade(engine, ["portaria_workers"])
    with engine.begin() as connection:
        connection.execute(delete(SUPPRESSIONS))
        connection.execute(delete(DOCUMENTS))
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def mail_on_postgres(_session_postgres: PostgresServer) -> str:
    """One database for all tests, which each empties."""
    return _session_postgres.create_database_setting()
