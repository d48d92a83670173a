"""Effects that are changes in the handler's own database: recorded in the same transaction.

    from portaria.jobs.sql import once_in

    with engine.begin() as connection:
        once_in(connection, ctx, "charge", lambda: insert_payment(connection, order))

The change and its record commit together, or neither does, so the effect happens exactly once,
whatever is killed; unlike with `ctx.once` there is no unknown outcome. Effects outside of the
database stay with `ctx.once`. For PostgreSQL and SQLite; needs portaria[sql].

PostgreSQL: where two runs of one job live at the same time, the later one waits until the earlier
one committed or rolled back. Let the server end transactions that a lost machine left open
(idle_in_transaction_session_timeout). Meant for READ COMMITTED, the default; under REPEATABLE READ
and SERIALIZABLE the later one fails with a serialization error instead, and the job's retry finds
the record.

SQLite: the first effect takes the database's write lock; others wait as long as the driver's
`timeout` says (5 s unless you set it), then fail with "database is locked" and are retried. Use
`begin_immediately(engine)`: without it the driver begins transactions late, so that what was read
before the effect may be out of date, and a SAVEPOINT that comes first commits by itself.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import (
    BLANK_SCHEMA,
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    event,
    func,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from portaria.core.errors import ConfigurationError
from portaria.jobs.context import JobContext
from portaria.jobs.effects import LARGEST_KEY, Effect, Value, check_key, encode_value

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_INSERT: dict[str, Callable[[Table], Any]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}


def effects_table(metadata: MetaData) -> Table:
    """Adds the table `portaria_effects` to a domain's metadata, for its migrations.

    It has no schema of its own: the connection's (search_path) is taken.
    """
    return Table(
        "portaria_effects",
        metadata,
        Column("job_id", String(64), primary_key=True),
        Column("key", String(LARGEST_KEY), primary_key=True),
        Column("attempt", Integer, nullable=False),
        Column("value", Text, nullable=False),
        Column("created", DateTime(timezone=True), server_default=func.now(), nullable=False),
        schema=BLANK_SCHEMA,
    )


_EFFECTS = effects_table(MetaData())


def create_effects_table(engine: Engine) -> None:
    """Creates the table where it is missing; any number of processes may do so at once."""
    try:
        _EFFECTS.create(engine, checkfirst=True)
    except DBAPIError:
        if not inspect(engine).has_table(_EFFECTS.name):
            raise


READS_ONLY = "portaria_reads_only"
"""The execution option of a connection whose transactions change nothing."""


def begin_immediately(engine: Engine) -> Engine:
    """Makes transactions of an SQLite engine begin at once, as writers; answers the engine.

    So they wait for each other instead of failing half-way. Call it right after create_engine. One
    on a connection with the execution option READS_ONLY waits for nobody.
    """

    @event.listens_for(engine, "connect")
    def leave_transactions_to_us(connection: Any, _: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(READS_ONLY, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def once_in(
    connection: Connection, ctx: JobContext, key: str, fn: Callable[[], Value]
) -> Effect[Value]:
    """Calls `fn`, which changes things through `connection`, unless a run of this job already did.

    Within the transaction that the caller opened, and done when the caller commits it. `fn` neither
    commits nor rolls back, and returns what `ctx.once` takes. If it raises, what it changed is
    undone, the exception passes, and the transaction can go on.

    Raises JobCancelled or HoldLost before `fn` is called; ValueError for a key or value that cannot
    be kept, with nothing done; ConfigurationError where no transaction is open.
    """
    _prepare(connection, key)
    with connection.begin_nested():
        known = _begin(connection, ctx, key)
        if known is not None:
            return cast("Effect[Value]", known)
        value = fn()
        _end(connection, ctx, key, value)
    return Effect(value, done=True)


async def once_in_async(
    connection: AsyncConnection, ctx: JobContext, key: str, fn: Callable[[], Awaitable[Value]]
) -> Effect[Value]:
    """As `once_in`, for an AsyncConnection and a coroutine function."""
    await connection.run_sync(_prepare, key)
    async with connection.begin_nested():
        known = await connection.run_sync(_begin, ctx, key)
        if known is not None:
            return cast("Effect[Value]", known)
        value = await fn()
        await connection.run_sync(_end, ctx, key, value)
    return Effect(value, done=True)


def forget_effects(connection: Connection, older_than: timedelta) -> int:
    """Deletes the records of effects that are older, by the database's clock; answers how many.

    A record must outlive every run of its job: take the longest time that one may live (delays and
    retries included) and a good margin, such as 30 days. Run it in a transaction of its own.
    """
    now = connection.scalar(select(func.now()))
    assert now is not None
    return connection.execute(
        delete(_EFFECTS).where(_EFFECTS.c.created < now - older_than)
    ).rowcount


def _prepare(connection: Connection, key: str) -> None:
    check_key(key)
    if connection.dialect.name not in _INSERT:
        raise ConfigurationError(f"once_in knows no {connection.dialect.name}")
    if not connection.in_transaction() or _commits_by_itself(connection):
        raise ConfigurationError("once_in needs a transaction: with engine.begin() as connection")
    if connection.dialect.name == "sqlite" and not _driver(connection).in_transaction:
        # The driver begins with the first change, and our SAVEPOINT would come before it.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _commits_by_itself(connection: Connection) -> bool:
    """Whether the driver is in autocommit mode, where a transaction is one in name only."""
    driver = connection.connection.dbapi_connection
    if connection.dialect.name != "sqlite":
        return bool(getattr(driver, "autocommit", False))
    if getattr(driver, "autocommit", None) is True:
        return True
    return getattr(driver, "isolation_level", "") is None and not _driver(connection).in_transaction


def _driver(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def _begin(connection: Connection, ctx: JobContext, key: str) -> Effect[object] | None:
    """Claims the key; answers the effect where it is there already."""
    # Insert first: a run of the same job that holds the key is waited for here.
    claim = _INSERT[connection.dialect.name](_EFFECTS).on_conflict_do_nothing()
    row = {"job_id": ctx.job_id, "key": key, "attempt": ctx.attempt, "value": "null"}
    kept = select(_EFFECTS.c.value).where(_is(ctx, key))
    while connection.scalar(claim.values(row).returning(_EFFECTS.c.attempt)) is None:
        value = connection.scalar(kept)
        # None: forgotten in between.
        if value is not None:
            return Effect(json.loads(value), done=True, repeated=True)
    # After the wait, so that it is true now.
    ctx.check()
    return None


def _end(connection: Connection, ctx: JobContext, key: str, value: object) -> None:
    text = encode_value(value)
    if value is not None:
        connection.execute(update(_EFFECTS).where(_is(ctx, key)).values(value=text))


def _is(ctx: JobContext, key: str) -> Any:
    return (_EFFECTS.c.job_id == ctx.job_id) & (_EFFECTS.c.key == key)
