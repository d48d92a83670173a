"""Each test runs over a real SQLite file and over a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine

from bank_jobs.handlers import METADATA
from portaria.jobs.sql import begin_immediately
from stack import Stack
from stack.lab import Lab
from stack.postgres import PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, as SQLAlchemy takes it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bank.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create_database()


@pytest.fixture
def connect(database: str) -> Iterator[Callable[..., Engine]]:
    """Makes further engines of the database, as a process each would."""
    engines: list[Engine] = []

    def make(**options: Any) -> Engine:
        made = create_engine(database, **options)
        engines.append(made)
        return begin_immediately(made) if made.dialect.name == "sqlite" else made

    yield make
    for each in engines:
        each.dispose()


@pytest.fixture
def engine(connect: Callable[..., Engine]) -> Engine:
    """With the tables of the package bank_jobs."""
    made = connect()
    METADATA.create_all(made)
    return made


@pytest.fixture
def lab(stack: Stack) -> Iterator[Lab]:
    """Hands in jobs."""
    made = Lab(stack)
    yield made
    made.close()
