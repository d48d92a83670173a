"""How far the schema of a database is, without alembic: workers ask at their start."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import Column, Engine, MetaData, String, Table, inspect, select

from portaria.core.errors import ConfigurationError
from portaria.database.engine import reading

VERSIONS = "portaria_migrations"
"""The table that says which migrations ran: a row for each branch."""

_VERSIONS = Table(VERSIONS, MetaData(), Column("version_num", String(32)))
_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.py")


def require_schema(engine: Engine, migrations: Path) -> None:
    """Checks that a folder's migrations ran on the database; it may be ahead.

    Raises ConfigurationError that says what to do, and DatabaseUnavailable.
    """
    branch, needed = migrations.parent.name, newest(migrations)
    found = installed(engine).get(branch, 0)
    if found < needed:
        raise ConfigurationError(
            f"the database lacks tables of {branch}: run `portaria db upgrade`"
            if found == 0
            else f"the database is behind in {branch}: run `portaria db upgrade`"
        )


def installed(engine: Engine) -> dict[str, int]:
    """The number of the last migration that ran, by branch."""
    with reading(engine) as connection:
        if not inspect(connection).has_table(VERSIONS):
            return {}
        return dict(map(split, connection.scalars(select(_VERSIONS.c.version_num))))


def newest(migrations: Path) -> int:
    """The number of the last migration in a folder; 0 for none."""
    return max(numbered(migrations), default=0)


def numbered(migrations: Path) -> dict[int, str]:
    """The migrations of a folder: their files by number."""
    found = {}
    for file in sorted(migrations.glob("*.py")):
        if match := _FILE.fullmatch(file.name):
            found[int(match[1])] = file.name
    return found


def split(revision: str) -> tuple[str, int]:
    """("mail", 12) for "mail_0012"."""
    branch, _, number = revision.rpartition("_")
    return branch, int(number) if number.isdecimal() else 0
