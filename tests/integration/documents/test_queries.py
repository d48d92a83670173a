"""Exports of queries, over SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from openpyxl import load_workbook
from sqlalchemy import text

from portaria.database import open_database
from portaria.database.upgrading import upgrade
from portaria.jobs import PermanentError
from portaria.jobs.eager import run_eagerly
from portaria.settings import load_settings
from portaria.storage.documents import Documents, open_documents
from portaria_workers.documents import queries
from portaria_workers.documents.handlers import export_spreadsheet
from portaria_workers.documents.v1.documents_pb2 import (
    CELL_TYPE_AMOUNT,
    CELL_TYPE_BOOLEAN,
    CELL_TYPE_DATE,
    CELL_TYPE_DATE_TIME,
    CELL_TYPE_INTEGER,
    ExportSpreadsheet,
)

Column = ExportSpreadsheet.Column


@pytest.fixture(params=["sqlite", "postgresql"])
def documents(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Documents]:
    """A storage whose registry is in either, and a folder of queries of our own."""
    if request.param == "postgresql":
        address = request.getfixturevalue("postgres").create_database()
        # Its socket stands in the query; settings want a host, which gives way to it.
        address = address.replace("postgresql+psycopg://postgres@/", "postgresql://postgres@local/")
        monkeypatch.setenv("PORTARIA_DATABASE_URL", address)
    (tmp_path / "queries").mkdir()
    monkeypatch.setenv("PORTARIA_QUERIES_DIR", str(tmp_path / "queries"))
    monkeypatch.setenv("PORTARIA_DATA_DIR", str(tmp_path / "data"))
    engine = open_database()
    upgrade(engine, ())
    yield open_documents()
    engine.dispose()


def query(tmp_path: Path, sql: str, name: str = "ours") -> str:
    """Writes a query of ours; answers its name."""
    (tmp_path / "queries" / f"{name}.sql").write_text(sql)
    return name


def order(name: str, *columns: Column, **parameters: str) -> ExportSpreadsheet:
    return ExportSpreadsheet(
        query=ExportSpreadsheet.Query(name=name, parameters=parameters), columns=columns
    )


def exported(documents: Documents, export: ExportSpreadsheet) -> list[tuple[object, ...]]:
    """The rows below the heading."""
    result = run_eagerly(export_spreadsheet, export).result
    document = documents.get(result.document.document_id, namespace="default")
    with documents.reading(document) as file:
        return list(load_workbook(file).active.iter_rows(min_row=2, values_only=True))


def refused(export: ExportSpreadsheet) -> PermanentError:
    with pytest.raises(PermanentError) as caught:
        run_eagerly(export_spreadsheet, export)
    return caught.value


def test_the_shipped_query_lists_the_documents_of_the_jobs_namespace(
    documents: Documents, tmp_path: Path
) -> None:
    """An owner's, or everybody's; never another namespace's."""
    for owner, namespace in (("ana", "default"), ("rui", "default"), ("ana", "other")):
        path = tmp_path / f"{owner}-{namespace}.csv"
        path.write_text("a\n")
        documents.put(path, namespace=namespace, owner=owner)
    columns = (
        Column(name="filename"),
        Column(name="size", type=CELL_TYPE_INTEGER),
        Column(name="created", type=CELL_TYPE_DATE_TIME),
        Column(name="expires", type=CELL_TYPE_DATE_TIME),
    )

    hers = exported(documents, order("documents", *columns, owner="ana"))
    all_rows = exported(documents, order("documents", columns[0], owner=""))

    assert [row[:2] for row in hers] == [("ana-default.csv", 2)]
    created = next(documents.find(namespace="default", owner="ana")).created
    assert abs((hers[0][2] - created.replace(tzinfo=None)).total_seconds()) < 1
    assert hers[0][3] is None
    files = [name for (name,) in all_rows]
    # The export itself is registered by then, too.
    assert files[:2] == ["ana-default.csv", "rui-default.csv"]
    assert not any("other" in name for name in files)


def test_values_of_the_database_have_their_types(documents: Documents, tmp_path: Path) -> None:
    """As it gives them, or as text where it has no such type."""
    name = query(
        tmp_path,
        """SELECT CAST(1234.5 AS DECIMAL(10, 2)) AS amount, 7 AS number, '2026-11-21' AS day,
                  1 = 1 AS flag, NULL AS empty, 'it''s; 100%' AS word -- a remark; of two
           WHERE :namespace = 'default';""",
    )
    columns = (
        Column(name="amount", type=CELL_TYPE_AMOUNT),
        Column(name="number", type=CELL_TYPE_INTEGER),
        Column(name="day", type=CELL_TYPE_DATE),
        Column(name="flag", type=CELL_TYPE_BOOLEAN),
        Column(name="empty"),
        Column(name="word"),
    )

    rows = exported(documents, order(name, *columns))

    assert len(rows) == 1
    assert (*rows[0][:2], *rows[0][3:]) == (1234.5, 7, True, None, "it's; 100%")
    assert str(rows[0][2]) == "2026-11-21 00:00:00"


def test_parameters_are_bound_and_never_part_of_the_sql(
    documents: Documents, tmp_path: Path
) -> None:
    """Whatever they hold."""
    name = query(tmp_path, "SELECT CAST(:word AS VARCHAR) AS word, :namespace AS namespace")
    evil = "x'; DROP TABLE portaria_documents; --"

    rows = exported(documents, order(name, word=evil))

    assert rows == [(evil, "default")]
    assert list(documents.find(namespace="default"))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "parameters missing: a, b"),
        ({"a": "1"}, "parameters missing: b"),
        ({"a": "1", "b": "2", "z": "3", "c": "4"}, "parameters unknown: c, z"),
        ({"a": "1", "b": "2", "namespace": "other"}, "parameters unknown: namespace"),
        ({"a": "1", "namespace": "other"}, "parameters missing: b; unknown: namespace"),
    ],
)
def test_missing_and_unknown_parameters_are_named(
    documents: Documents, tmp_path: Path, parameters: dict[str, str], words: str
) -> None:
    """All together; the namespace is never the caller's to say."""
    name = query(tmp_path, "SELECT :a AS x, :b AS y, :namespace AS n, '12:30' AS t")

    failure = refused(order(name, **parameters))

    assert (failure.reason, str(failure)) == ("QUERY_PARAMETER", words)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT :namespace; DELETE FROM portaria_documents",
        "DELETE FROM portaria_documents",
        "PRAGMA writable_schema=1",
        "SELECT 1; COMMIT; SELECT :namespace",
        "",
        "-- SELECT\n",
    ],
)
def test_more_than_one_select_is_refused(documents: Documents, tmp_path: Path, sql: str) -> None:
    """Before the database sees it."""
    assert refused(order(query(tmp_path, sql))).reason == "QUERY_INVALID"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM portaria_documents",
        "SELECT id FROM portaria_documents -- WHERE namespace = :namespace",
        "SELECT id, ':namespace' AS x FROM portaria_documents /* :namespace */",
        "SELECT id FROM portaria_documents WHERE owner = :namespaces",
    ],
)
def test_a_query_that_does_not_ask_whose_rows_they_are_is_refused(
    documents: Documents, tmp_path: Path, sql: str
) -> None:
    """It would show those of other namespaces."""
    assert refused(order(query(tmp_path, sql))).reason == "QUERY_INVALID"


def test_a_query_cannot_write(documents: Documents, tmp_path: Path) -> None:
    """Also where it looks like a read."""
    writing = "WITH x AS (SELECT 1) DELETE FROM portaria_documents WHERE namespace = :namespace"
    if open_database().dialect.name == "postgresql":
        with open_database().begin() as connection:
            connection.execute(text("CREATE SEQUENCE numbers"))
        writing = "SELECT nextval('numbers'), CAST(:namespace AS VARCHAR)"
    name = query(tmp_path, writing)

    assert refused(order(name)).reason == "QUERY_FAILED"
    assert list(documents.find(namespace="default"))


def test_a_query_that_the_database_refuses_fails_for_good(
    documents: Documents, tmp_path: Path
) -> None:
    """Without what the database says, which may hold values."""
    failure = refused(order(query(tmp_path, "SELECT secret_word, :namespace FROM nowhere")))

    assert failure.reason == "QUERY_FAILED"
    assert "secret" not in str(failure)


def test_an_unknown_query_fails_for_good(documents: Documents, tmp_path: Path) -> None:
    """A name is no path."""
    (tmp_path / "evil.sql").write_text("SELECT 1")

    assert refused(order("nope")).reason == "QUERY_UNKNOWN"
    assert refused(order("../evil")).reason == "QUERY_UNKNOWN"


def test_ours_stands_before_the_shipped_one(documents: Documents, tmp_path: Path) -> None:
    """By the same name."""
    sql = "SELECT 'ours' AS word WHERE :namespace = 'default'"
    name = query(tmp_path, sql, "documents")

    assert exported(documents, order(name)) == [("ours",)]


def test_a_running_export_keeps_no_writer_waiting(documents: Documents, tmp_path: Path) -> None:
    """Rows come as they are taken, and others write meanwhile."""
    with open_database().begin() as connection:
        connection.execute(text("CREATE TABLE numbers AS SELECT 1 AS n"))
    name = query(tmp_path, "SELECT n FROM numbers WHERE :namespace = 'default'")
    settings = load_settings()
    sql = queries.load_query(name, settings)

    with queries.rows_of(sql, {"namespace": "default"}, settings) as (names, rows):
        first = next(rows)
        path = tmp_path / "other.csv"
        path.write_text("a\n")
        documents.put(path, namespace="default")

    assert (names, tuple(first)) == (["n"], (1,))
