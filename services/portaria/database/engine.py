"""The engine of a process, and transactions on it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError

from portaria.core.errors import ConfigurationError
from portaria.database.errors import translated
from portaria.jobs.sql import READS_ONLY, begin_immediately
from portaria.settings import Settings, load_settings

BUSY = 10.0
"""Seconds that a writer of SQLite waits for the others."""
_CONNECT = 10
_DEFAULT_FILE = "portaria.db"

# With the process: a forked child must never speak through a connection of its parent, nor close
# it, so what the parent made stays here untouched.
_engines: dict[tuple[int, URL], Engine] = {}
_lock = Lock()


def open_database(settings: Settings | None = None) -> Engine:
    """The engine of this process for the database that the settings name (by default: those of the
    environment). Connects at its first use; never make one before a fork."""
    return engine_of(database_url(settings or load_settings()))


def engine_of(url: URL) -> Engine:
    """One engine per process and URL."""
    with _lock:
        key = (os.getpid(), url)
        if key not in _engines:
            _engines[key] = _sqlite(url) if is_sqlite(url) else _postgresql(url)
        return _engines[key]


def database_url(settings: Settings) -> URL:
    """As SQLAlchemy takes it. Raises ConfigurationError, without the URL."""
    if not settings.database_url:
        return URL.create("sqlite", database=str(settings.data_dir.absolute() / _DEFAULT_FILE))
    try:
        url = make_url(settings.database_url)
    except ArgumentError:
        raise ConfigurationError("PORTARIA_DATABASE_URL: is not a URL") from None
    if is_sqlite(url):
        return url.set(database=os.path.abspath(url.database or ""))
    return url.set(drivername="postgresql+psycopg")


def absolute_url(settings: Settings) -> str:
    """As a setting again, good in every directory."""
    url = database_url(settings)
    return f"sqlite:///{url.database}" if is_sqlite(url) else settings.database_url


def is_sqlite(url: URL) -> bool:
    """Whether it is a file of ours, and no server."""
    return url.get_backend_name() == "sqlite"


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A connection whose changes commit together at the end, or not at all.

    Raises DatabaseUnavailable; what was committed just then may be there nevertheless.
    """
    with translated(), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that changes nothing, so that it neither waits for writers nor holds them up.

    Raises DatabaseUnavailable.
    """
    calm = engine.execution_options(**{READS_ONLY: True})
    with translated(), calm.begin() as connection:
        yield connection


def insert_into(engine: Engine, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT, in the words of the engine's database."""
    insert: Any = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert
    return insert(table)


def _sqlite(url: URL) -> Engine:
    engine = begin_immediately(
        create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY})
    )
    file = Path(url.database or "")

    @event.listens_for(engine, "do_connect")
    def prepare(*_: Any) -> None:
        _private(file)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        connection.execute("PRAGMA foreign_keys=ON")
        # Not even a power cut takes what was committed.
        connection.execute("PRAGMA synchronous=FULL")
        _wal(connection)

    return engine


def _private(file: Path) -> None:
    """Makes an empty file where there is none, readable by its owner only."""
    # What cannot be made is told by the driver.
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _wal(connection: Any) -> None:
    until = time.monotonic() + BUSY
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            # Changing the mode does not wait as writers do; another process may be at it.
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def _postgresql(url: URL) -> Engine:
    given = url.query
    ours = {"connect_timeout": _CONNECT, "application_name": "portaria"}
    return create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=2,
        max_overflow=8,
        pool_timeout=BUSY,
        connect_args={name: value for name, value in ours.items() if name not in given},
    )
