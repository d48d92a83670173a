"""Each test runs over real files and a real S3, over a real SQLite and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from portaria.database import open_database
from portaria.database.upgrading import upgrade
from portaria.settings import Settings, load_settings
from portaria.storage.documents import Documents, open_documents
from portaria.storage.objects import ObjectStore
from portaria.storage.opening import open_store
from portaria.storage.tables import DOCUMENTS
from stack.postgres import PostgresServer
from stack.s3 import S3Server


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file to put."""
    path = tmp_path / "source.txt"
    path.write_bytes(b"content")
    return path


@pytest.fixture(params=["local", "s3", "s3-prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty storage."""
    given = {"PORTARIA_DATA_DIR": str(tmp_path / "data")}
    if request.param != "local":
        server: S3Server = request.getfixturevalue("s3")
        prefix = "/of/portaria" if request.param == "s3-prefix" else ""
        given |= server.settings(server.create_bucket(), prefix)
    return open_store(load_settings(given))


@pytest.fixture(params=["local+sqlite", "s3+postgresql"])
def environ(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The variables of an empty storage, and of an empty database with the tables."""
    given = {"PORTARIA_DATA_DIR": str(tmp_path / "data")}
    if request.param == "s3+postgresql":
        server: S3Server = request.getfixturevalue("s3")
        given |= server.settings(server.create_bucket())
        given["PORTARIA_DATABASE_URL"] = request.getfixturevalue("registry_on_postgres")
    settings = load_settings(given)
    database = open_database(settings)
    upgrade(database, ["portaria"])
    with database.begin() as connection:
        connection.execute(delete(DOCUMENTS))
    return given


@pytest.fixture(scope="session")
def registry_on_postgres(_session_postgres: PostgresServer) -> str:
    """One database for all tests, which each empties: to make one takes longer than most tests."""
    return _session_postgres.create_database_setting()


@pytest.fixture
def settings(environ: dict[str, str]) -> Iterator[Settings]:
    """Those of the storage and the database."""
    made = load_settings(environ)
    yield made
    open_database(made).dispose()


@pytest.fixture
def documents(settings: Settings) -> Documents:
    """The documents of an empty system."""
    return open_documents(settings)


@pytest.fixture
def objects(settings: Settings) -> ObjectStore:
    """The storage below the documents."""
    return open_store(settings)
