"""The engine: what it promises of each database, and what it says where there is none."""

from __future__ import annotations

import stat
import traceback
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, MetaData, String, Table, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from portaria.database import MOMENT, DatabaseUnavailable, open_database, reading, transaction
from portaria.settings import load_settings
from stack.postgres import PostgresServer

SECRET = "s3cret-w0rd"
MOMENTS = Table("moments", MetaData(), Column("name", String(9), primary_key=True),
                Column("at", MOMENT))  # fmt: skip


def test_a_moment_comes_back_in_utc(engine: Engine) -> None:
    """To the microsecond, from any zone; and is compared as one."""
    moment = datetime(2026, 11, 22, 1, 30, 0, 123456, timezone(timedelta(hours=2)))
    with transaction(engine) as connection:
        MOMENTS.create(connection)
        connection.execute(
            insert(MOMENTS), [{"name": "a", "at": moment}, {"name": "b", "at": None}]
        )
        found = {row.name: row.at for row in connection.execute(select(MOMENTS))}
        earlier = select(MOMENTS.c.name).where(MOMENTS.c.at < moment + timedelta(microseconds=1))
        assert connection.scalars(earlier).all() == ["a"]

    assert found == {"a": moment, "b": None}
    assert found["a"].tzinfo is UTC


def test_a_moment_without_a_zone_is_refused(engine: Engine) -> None:
    """Nobody knows when that is."""
    with transaction(engine) as connection:
        MOMENTS.create(connection)

    def write() -> None:
        with transaction(engine) as connection:
            connection.execute(insert(MOMENTS), {"name": "a", "at": datetime(2026, 1, 1)})  # noqa: DTZ001

    with pytest.raises(StatementError, match="expected a moment with its zone"):
        write()


def test_a_transaction_commits_as_a_whole_or_not_at_all(engine: Engine) -> None:
    """What is raised inside passes."""
    with transaction(engine) as connection:
        MOMENTS.create(connection)

    def write() -> None:
        with transaction(engine) as connection:
            connection.execute(insert(MOMENTS), {"name": "a"})
            raise KeyError

    with pytest.raises(KeyError):
        write()

    with transaction(engine) as connection:
        assert connection.scalars(select(MOMENTS.c.name)).all() == []


def test_who_reads_waits_for_no_writer(engine: Engine) -> None:
    """And sees what was committed before."""
    with transaction(engine) as connection:
        MOMENTS.create(connection)

    with transaction(engine) as writer:
        writer.execute(insert(MOMENTS), {"name": "a", "at": None})
        with reading(engine) as reader:
            during = reader.scalars(select(MOMENTS.c.name)).all()

    with reading(engine) as reader:
        assert (during, reader.scalars(select(MOMENTS.c.name)).all()) == ([], ["a"])


def test_a_mistake_of_ours_is_not_retried(engine: Engine) -> None:
    """A table that there is not will not be there next time."""
    with pytest.raises(DBAPIError), transaction(engine) as connection:
        connection.execute(select(MOMENTS))


def test_rows_are_in_no_error(engine: Engine) -> None:
    """What they hold is nobody's business; that it was a duplicate, the caller's."""
    with transaction(engine) as connection:
        MOMENTS.create(connection)
        connection.execute(insert(MOMENTS), {"name": "a"})

    with pytest.raises(IntegrityError) as error, transaction(engine) as connection:
        connection.execute(insert(MOMENTS), {"name": "a", "at": datetime(2031, 1, 1, tzinfo=UTC)})

    assert "2031" not in str(error.value)


def test_sqlite_is_private_durable_and_waits(tmp_path: Path) -> None:
    """Its file, its directory, and the files beside it."""
    file = tmp_path / "data" / "portaria.db"
    engine = open_database(load_settings({"PORTARIA_DATA_DIR": str(file.parent)}))
    pragmas = {}

    with transaction(engine) as connection:
        MOMENTS.create(connection)
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout"):
            pragmas[name] = connection.scalar(text(f"PRAGMA {name}"))

    assert pragmas == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000,
    }  # fmt: skip
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    assert modes["portaria.db"] == 0o600
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    engine.dispose()


def test_one_engine_serves_a_process() -> None:
    """By what the URL means, not by how it is written."""
    one, two = (
        open_database(load_settings({"PORTARIA_DATABASE_URL": f"sqlite:///{name}"}))
        for name in ("x/../here.db", "here.db")
    )

    assert one is two
    assert Path(str(one.url.database)).is_absolute()


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ana:{SECRET}@127.0.0.1:9/db",
        f"postgresql://ana:{SECRET}@unheard.invalid/db",
        f"postgresql://ana:{SECRET}@/db?host=/nowhere",
        f"sqlite:////proc/{SECRET}/x.db",
    ],
)
def test_a_database_that_is_not_there_is_said_without_its_secrets(url: str) -> None:
    """Neither in the words nor in the trace that a job's record keeps."""
    engine = open_database(load_settings({"PORTARIA_DATABASE_URL": url}))

    with pytest.raises(DatabaseUnavailable) as error, transaction(engine):
        pass

    said = "".join(traceback.format_exception(error.value))
    assert error.value.reason == "DATABASE_UNAVAILABLE"
    for secret in (SECRET, "ana", "unheard", "127.0.0.1", "/proc"):
        assert secret not in said


def test_a_lock_that_is_not_given_up_is_not_now(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade waits for another, but not for ever."""
    from portaria.database import upgrading

    monkeypatch.setattr(upgrading, "_PATIENCE", 0.2)
    url = postgres.create_database_setting()
    engine = open_database(load_settings({"PORTARIA_DATABASE_URL": url}))
    with transaction(engine) as other:
        other.execute(text(f"SELECT pg_advisory_xact_lock({upgrading._ADVISORY})"))

        with pytest.raises(DatabaseUnavailable, match="LockNotAvailable"):
            upgrading.upgrade(engine, [])

    assert upgrading.upgrade(engine, [])
    engine.dispose()
