"""Each test runs over a real SQLite file and over a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from portaria.database import open_database
from portaria.settings import load_settings
from stack.postgres import PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def environ(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The variables of an empty database."""
    if request.param == "sqlite":
        return {"PORTARIA_DATABASE_URL": f"sqlite:///{tmp_path / 'a b' / 'portaria.db'}"}
    server: PostgresServer = request.getfixturevalue("postgres")
    return {"PORTARIA_DATABASE_URL": server.create_database_setting()}


@pytest.fixture
def engine(environ: dict[str, str]) -> Iterator[Engine]:
    """Of the empty database."""
    made = open_database(load_settings(environ))
    yield made
    made.dispose()
