"""once_in: an effect and its record, in one transaction of the handler's database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, insert, inspect, select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from bank_jobs.handlers import EFFECTS, PAYMENTS
from portaria.core.errors import ConfigurationError
from portaria.jobs import Effect, HoldLost, JobCancelled, JobContext
from portaria.jobs.eager import EagerJob
from portaria.jobs.effects import LARGEST_KEY, LARGEST_VALUE
from portaria.jobs.sql import create_effects_table, forget_effects, once_in, once_in_async
from stack.eventually import eventually

Connect = Callable[..., Engine]


def pay(connection: Connection, ctx: JobContext, value: Any = 7) -> Callable[[], Any]:
    """An effect in the database."""

    def effect() -> Any:
        connection.execute(insert(PAYMENTS).values(job_id=ctx.job_id, attempt=ctx.attempt))
        return value

    return effect


def pay_once(engine: Engine, ctx: JobContext, key: str = "charge", value: Any = 7) -> Effect[Any]:
    """A whole handler."""
    with engine.begin() as connection:
        return once_in(connection, ctx, key, pay(connection, ctx, value))


def paid(engine: Engine) -> list[int]:
    """The attempts that paid, as committed."""
    with engine.begin() as connection:
        return list(connection.scalars(select(PAYMENTS.c.attempt).order_by(PAYMENTS.c.id)))


def recorded(engine: Engine) -> list[tuple[str, int]]:
    """(key, attempt) of the records."""
    with engine.begin() as connection:
        rows = connection.execute(select(EFFECTS.c.key, EFFECTS.c.attempt).order_by(EFFECTS.c.key))
        return [(row.key, row.attempt) for row in rows]


@pytest.mark.parametrize("value", [None, True, 7, 1.5, "ação\n", [1, {"a": None}]])
def test_an_effect_that_was_committed_is_not_repeated(engine: Engine, value: Any) -> None:
    """The next run is told its value."""
    job = EagerJob()

    first = pay_once(engine, job.context(), value=value)
    second = pay_once(engine, job.context(), value=value)

    assert first == Effect(value, done=True)
    assert second == Effect(value, done=True, repeated=True)
    assert paid(engine) == [1]


def test_each_key_and_each_job_is_an_effect_of_its_own(engine: Engine) -> None:
    """Keys are taken literally."""
    keys = ["a", "A", "a ", "é", "a'; --", "x" * LARGEST_KEY]
    one, other = EagerJob().context(), EagerJob().context()

    for value, key in enumerate(keys):
        assert not pay_once(engine, one, key, value).repeated
        assert not pay_once(engine, other, key, -value).repeated

    assert [pay_once(engine, one, key).value for key in keys] == [0, 1, 2, 3, 4, 5]
    assert [pay_once(engine, other, key).value for key in keys] == [0, -1, -2, -3, -4, -5]
    assert len(paid(engine)) == 2 * len(keys)


def test_what_was_rolled_back_is_done_again(engine: Engine) -> None:
    """The record goes with the change."""
    job = EagerJob()
    with engine.connect() as connection:
        transaction, ctx = connection.begin(), job.context()
        once_in(connection, ctx, "charge", pay(connection, ctx))
        transaction.rollback()
    assert (paid(engine), recorded(engine)) == ([], [])

    assert pay_once(engine, job.context()) == Effect(7, done=True)

    assert (paid(engine), recorded(engine)) == ([2], [("charge", 2)])


def test_a_function_that_raises_leaves_nothing_in_a_transaction_that_goes_on(
    engine: Engine,
) -> None:
    """The caller may catch it, and commit what it did before and after."""
    ctx = EagerJob().context()

    with engine.begin() as connection:
        once_in(connection, ctx, "before", pay(connection, ctx))

        def declined() -> None:
            pay(connection, ctx)()
            raise LookupError("declined")

        with pytest.raises(LookupError, match="declined"):
            once_in(connection, ctx, "declined", declined)
        once_in(connection, ctx, "after", pay(connection, ctx))

    assert recorded(engine) == [("after", 1), ("before", 1)]
    assert len(paid(engine)) == 2


def test_an_error_of_the_database_leaves_the_transaction_usable(engine: Engine) -> None:
    """As above, where the database itself refused."""
    ctx = EagerJob().context()

    with engine.begin() as connection:
        with pytest.raises(DBAPIError):
            once_in(connection, ctx, "odd", lambda: connection.execute(text("SELECT nonsense")))
        once_in(connection, ctx, "after", pay(connection, ctx))

    assert recorded(engine) == [("after", 1)]


def test_within_a_savepoint_only_that_part_is_undone(engine: Engine) -> None:
    """The caller's own begin_nested."""
    job = EagerJob()
    ctx = job.context()

    with engine.begin() as connection:
        once_in(connection, ctx, "kept", pay(connection, ctx))
        savepoint = connection.begin_nested()
        once_in(connection, ctx, "undone", pay(connection, ctx))
        savepoint.rollback()

    assert recorded(engine) == [("kept", 1)]
    assert not pay_once(engine, job.context(), "undone").repeated


def test_a_savepoint_that_comes_first_commits_nothing(engine: Engine) -> None:
    """Where the transaction around it is rolled back."""
    ctx = EagerJob().context()

    with engine.connect() as connection:
        outer = connection.begin()
        with connection.begin_nested():
            once_in(connection, ctx, "charge", pay(connection, ctx))
        outer.rollback()

    assert (paid(engine), recorded(engine)) == ([], [])


def test_the_same_key_twice_in_one_transaction_is_one_effect(engine: Engine) -> None:
    """Its own record counts before it is committed."""
    ctx = EagerJob().context()

    with engine.begin() as connection:
        once_in(connection, ctx, "charge", pay(connection, ctx))
        again = once_in(connection, ctx, "charge", pay(connection, ctx))

    assert again == Effect(7, done=True, repeated=True)
    assert len(paid(engine)) == 1


def test_effects_may_nest(engine: Engine) -> None:
    """One within another, undone with it."""
    ctx = EagerJob().context()

    with engine.begin() as connection:

        def outer() -> None:
            once_in(connection, ctx, "inner", pay(connection, ctx))
            raise LookupError

        with pytest.raises(LookupError):
            once_in(connection, ctx, "outer", outer)

    assert (paid(engine), recorded(engine)) == ([], [])


@pytest.mark.parametrize(("fault", "error"), [("lost", HoldLost), ("cancelled", JobCancelled)])
def test_who_may_not_go_on_begins_nothing(
    engine: Engine, fault: str, error: type[BaseException]
) -> None:
    """The fence in front of every effect; what was done is still known to a cancelled run."""
    job = EagerJob()
    pay_once(engine, job.context(), "old")
    ctx = job.context()
    assert job.hold is not None
    setattr(job.hold, fault, True)

    with pytest.raises(error):
        pay_once(engine, ctx, "new")

    assert recorded(engine) == [("old", 1)]
    assert paid(engine) == [1]
    assert pay_once(engine, ctx, "old").repeated


@pytest.mark.parametrize("value", [object(), "x" * LARGEST_VALUE])
def test_a_value_that_cannot_be_kept_undoes_the_effect(engine: Engine, value: object) -> None:
    """No doubt arises, unlike with ctx.once."""
    job = EagerJob()

    with pytest.raises(ValueError, match="value of an effect"):
        pay_once(engine, job.context(), value=value)

    assert (paid(engine), recorded(engine)) == ([], [])
    assert not pay_once(engine, job.context()).repeated


@pytest.mark.parametrize("key", ["", "x" * (LARGEST_KEY + 1)])
def test_a_key_that_cannot_be_kept_is_refused(engine: Engine, key: str) -> None:
    """As by ctx.once."""
    with pytest.raises(ValueError, match="1 to 256"):
        pay_once(engine, EagerJob().context(), key)

    assert paid(engine) == []


def test_without_a_transaction_it_refuses(engine: Engine) -> None:
    """Nobody would commit it."""
    with engine.connect() as connection:
        ctx = EagerJob().context()
        with pytest.raises(ConfigurationError, match=r"engine\.begin"):
            once_in(connection, ctx, "charge", pay(connection, ctx))

    assert paid(engine) == []


@pytest.mark.parametrize("where", ["engine", "connection"])
def test_in_autocommit_mode_it_refuses(engine: Engine, database: str, where: str) -> None:
    """Where the change would be committed before its record."""
    made = create_engine(database, **{"isolation_level": "AUTOCOMMIT"} if where == "engine" else {})
    with ExitStack() as closing:
        closing.callback(made.dispose)
        connection = closing.enter_context(made.connect())
        if where == "connection":
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        ctx = EagerJob().context()
        with connection.begin(), pytest.raises(ConfigurationError, match="transaction"):
            once_in(connection, ctx, "charge", pay(connection, ctx))

    assert (paid(engine), recorded(engine)) == ([], [])


def test_with_the_driver_as_it_comes_the_effect_is_one_with_its_transaction(
    engine: Engine, database: str
) -> None:
    """SQLite's begins late; the record still waits for the caller's commit."""
    plain = create_engine(database)
    job = EagerJob()
    with plain.connect() as connection:
        connection.execute(select(PAYMENTS)).all()
        ctx = job.context()
        once_in(connection, ctx, "charge", pay(connection, ctx))
        connection.rollback()
    assert (paid(engine), recorded(engine)) == ([], [])

    assert not pay_once(plain, job.context()).repeated
    assert pay_once(plain, job.context()).repeated

    plain.dispose()
    assert paid(engine) == [2]


class Rival(threading.Thread):
    """A run of a job in a process of its own, as far as the database can tell."""

    def __init__(self, engine: Engine, ctx: JobContext) -> None:
        super().__init__(daemon=True)
        self.engine = engine
        self.ctx = ctx
        self.effect: Effect[Any] | None = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Pays."""
        try:
            self.effect = pay_once(self.engine, self.ctx, value="rival")
        except BaseException as error:
            self.error = error

    def outcome(self) -> Effect[Any] | BaseException | None:
        """Once it has one."""
        self.join(20)
        assert not self.is_alive()
        return self.error or self.effect


def waits(engine: Engine, rival: Rival) -> None:
    """Until the rival stands at the lock of another transaction."""
    if engine.dialect.name == "postgresql":
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

        def blocked() -> bool:
            with engine.begin() as connection:
                return bool(connection.scalar(text(query)) == 1)

        eventually(blocked, 10)
    # SQLite tells nobody who waits; that it does not get past is seen by what it does later.
    assert rival.is_alive()


@pytest.mark.parametrize("commits", [True, False])
def test_two_runs_of_one_job_at_once_have_one_effect(
    engine: Engine, connect: Connect, commits: bool
) -> None:
    """The later one waits; it learns of the effect that was committed, or has it itself."""
    job = EagerJob()
    first, second = job.context(), job.context()
    assert job.hold is not None
    first_still_believes(first)

    with engine.connect() as connection:
        transaction = connection.begin()
        once_in(connection, first, "charge", pay(connection, first, "first"))
        rival = Rival(connect(), second)
        waits(engine if engine.dialect.name == "sqlite" else connect(), rival)
        transaction.commit() if commits else transaction.rollback()

    expected = Effect("first", done=True, repeated=True) if commits else Effect("rival", done=True)
    assert rival.outcome() == expected
    assert paid(engine) == [1 if commits else 2]


def first_still_believes(ctx: JobContext) -> None:
    """As a run that has not heard yet that its lease lapsed."""
    ctx._hold.lost = False  # type: ignore[attr-defined]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_stricter_isolation_fails_and_the_retry_finds_the_record(
    engine: Engine, connect: Connect, level: str
) -> None:
    """A serialization error, which the job's retry policy treats as any other."""
    job = EagerJob()
    first, second = job.context(), job.context()
    first_still_believes(first)
    strict = connect(isolation_level=level)

    with engine.connect() as connection:
        transaction = connection.begin()
        once_in(connection, first, "charge", pay(connection, first))
        rival = Rival(strict, second)
        waits(connect(), rival)
        transaction.commit()

    error = rival.outcome()
    assert isinstance(error, OperationalError)
    assert "could not serialize access" in str(error)
    assert pay_once(strict, job.context()).repeated
    assert paid(engine) == [1]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_busy_sqlite_is_waited_for_as_long_as_the_driver_was_told(
    engine: Engine, connect: Connect
) -> None:
    """Then the run fails, to be retried; nothing is half done."""
    job = EagerJob()
    with engine.begin():
        rival = Rival(connect(connect_args={"timeout": 0.05}), job.context())
        error = rival.outcome()

    assert isinstance(error, OperationalError)
    assert "database is locked" in str(error)
    assert not pay_once(engine, job.context()).repeated


def test_records_are_forgotten_by_age(engine: Engine) -> None:
    """And only those that are older."""
    for key in ("old", "young"):
        pay_once(engine, EagerJob().context(), key)
    with engine.begin() as connection:
        created = connection.execute(select(EFFECTS.c.created)).scalars().first()
        assert created is not None
        old = update(EFFECTS).where(EFFECTS.c.key == "old")
        connection.execute(old.values(created=created - timedelta(days=31)))

    with engine.begin() as connection:
        assert forget_effects(connection, timedelta(days=32)) == 0
        assert forget_effects(connection, timedelta(days=30)) == 1

    assert recorded(engine) == [("young", 1)]


def test_the_table_may_be_created_by_many_at_once(connect: Connect) -> None:
    """Workers that start together."""
    engines = [connect() for _ in range(6)]
    together = threading.Barrier(len(engines))
    errors: list[BaseException] = []

    def create(engine: Engine) -> None:
        together.wait(10)
        try:
            create_effects_table(engine)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=create, args=(each,)) for each in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert errors == []
    assert inspect(engines[0]).has_table("portaria_effects")


def test_a_database_that_cannot_be_reached_is_not_mistaken_for_one_that_has_the_table() -> None:
    """The error of creating passes."""
    with pytest.raises(OperationalError):
        create_effects_table(create_engine("sqlite:////no/such/folder/bank.db"))


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_the_schema_is_the_connections(engine: Engine, database: str) -> None:
    """By search_path, as a domain with a schema of its own has it."""
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA erp"))
    own = create_engine(database, connect_args={"options": "-c search_path=erp"})

    create_effects_table(own)
    with own.begin() as connection:
        once_in(connection, EagerJob().context(), "charge", lambda: 7)

    with own.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM erp.portaria_effects")) == 1
    own.dispose()
    assert recorded(engine) == []


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_coroutine_function_has_its_effect_once(engine: Engine, database: str) -> None:
    """once_in_async: the same ledger, the same rules."""
    job = EagerJob()
    made = create_async_engine(database)

    async def run(*, declined: bool = False) -> Effect[int] | None:
        ctx = job.context()
        async with made.begin() as connection:

            async def effect() -> int:
                row = {"job_id": ctx.job_id, "attempt": ctx.attempt}
                await connection.execute(insert(PAYMENTS).values(row))
                if declined:
                    raise LookupError
                return ctx.attempt

            # Within the transaction, which goes on and is committed.
            with suppress(LookupError):
                return await once_in_async(connection, ctx, "charge", effect)
        return None

    effects = [await run(declined=True), await run(), await run()]
    async with made.connect() as connection:
        with pytest.raises(ConfigurationError, match=r"engine\.begin"):
            await once_in_async(connection, job.context(), "charge", run)
    await made.dispose()

    assert effects == [None, Effect(2, done=True), Effect(2, done=True, repeated=True)]
    assert paid(engine) == [2]
