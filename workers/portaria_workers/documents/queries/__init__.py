"""Queries that ExportSpreadsheet names: NAME.sql here, or in PORTARIA_QUERIES_DIR.

Each is one SELECT. It is bound to `:namespace`, that of the job, which it must name, so that nobody
forgets whose rows those of our tables are; and to the parameters that the payload gives, which are
text: CAST(:since AS date). It runs in a transaction that cannot write.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, NullPool, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from portaria.database.engine import BUSY, database_url, is_sqlite
from portaria.database.errors import is_unavailable, translated
from portaria.jobs.errors import PermanentError
from portaria.settings import Settings

_SHIPPED = Path(__file__).parent
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_NO_STATEMENT = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$", re.DOTALL
)
_READS = re.compile(r"\s*(SELECT|WITH|VALUES)\b", re.IGNORECASE)
_NAMESPACE = "namespace"
_AT_ONCE = 1_000


def load_query(name: str, settings: Settings) -> str:
    """Its SQL. Raises PermanentError QUERY_UNKNOWN, or QUERY_INVALID where it is no single read, or
    not bound to the namespace."""
    folders = [settings.queries_dir, _SHIPPED] if settings.queries_dir else [_SHIPPED]
    for folder in folders:
        path = folder / f"{name}.sql"
        if _NAME.match(name) and path.is_file():
            return _one_read(name, path.read_text(encoding="utf-8"))
    raise PermanentError("QUERY_UNKNOWN", f'the workers have no query "{name}"')


def bind(sql: str, parameters: Mapping[str, str], namespace: str) -> dict[str, str]:
    """What the query is bound to. Raises PermanentError QUERY_PARAMETER with the names."""
    asked = set(text(sql).compile().params) - {_NAMESPACE}
    missing, unknown = asked - parameters.keys(), parameters.keys() - asked
    faults = [
        f"{what}: {', '.join(sorted(names))}"
        for what, names in (("missing", missing), ("unknown", unknown))
        if names
    ]
    if faults:
        raise PermanentError("QUERY_PARAMETER", f"parameters {'; '.join(faults)}")
    return {**parameters, _NAMESPACE: namespace}


@contextmanager
def rows_of(
    sql: str, bound: Mapping[str, str], settings: Settings
) -> Iterator[tuple[list[str], Iterator[Sequence[object]]]]:
    """The names of the columns and the rows, which come as they are taken.

    Raises DatabaseUnavailable, and PermanentError QUERY_FAILED with the database's code.
    """
    statement = text(sql)
    values = {name: bound[name] for name in statement.compile().params}
    with (
        _told(),
        _reading(settings) as connection,
        connection.execute(statement, values) as found,
    ):
        yield list(found.keys()), iter(found)


@contextmanager
def _reading(settings: Settings) -> Iterator[Connection]:
    """A connection of its own that cannot write, and that does not keep writers waiting."""
    url = database_url(settings)
    options = {"stream_results": True, "yield_per": _AT_ONCE}
    if is_sqlite(url):
        engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY})

        @event.listens_for(engine, "connect")
        def only_read(connection: object, _: object) -> None:
            connection.execute("PRAGMA query_only=ON")  # type: ignore[attr-defined]
    else:
        engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
        options["postgresql_readonly"] = True
    with engine.connect() as connection:
        yield connection.execution_options(**options)


@contextmanager
def _told() -> Iterator[None]:
    with translated():
        try:
            yield
        except DBAPIError as error:
            if not _is_its_fault(error):
                raise
            # Its text may hold values of rows and parameters.
            code = getattr(error.orig, "sqlstate", None) or type(error.orig).__name__
            raise PermanentError(
                "QUERY_FAILED", f"the database refuses the query: {code}"
            ) from None


def _is_its_fault(error: DBAPIError) -> bool:
    """Whether no later attempt can end otherwise."""
    if isinstance(error.orig, sqlite3.Error):
        # SQLite has one class for what is wrong with the words and with the disk.
        wrong = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_MISMATCH)
        return getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in wrong
    return not is_unavailable(error)


def _one_read(name: str, sql: str) -> str:
    bare = _NO_STATEMENT.sub(" ", sql).rstrip().removesuffix(";")
    if ";" in bare or not _READS.match(bare):
        raise PermanentError("QUERY_INVALID", f'the query "{name}" is not one SELECT')
    if _NAMESPACE not in text(bare).compile().params:
        raise PermanentError("QUERY_INVALID", f'the query "{name}" does not name :namespace')
    return sql.rstrip().removesuffix(";")
