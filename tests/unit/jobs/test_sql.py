"""The table of effects, and where once_in refuses before anything happens."""

from __future__ import annotations

import pytest
from sqlalchemy import MetaData, create_engine
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateTable

from portaria.core.errors import ConfigurationError
from portaria.jobs import HoldLost, JobCancelled, JobContext
from portaria.jobs.sql import effects_table, once_in
from unit.jobs.ledger import InMemoryHold, Ledger


@pytest.mark.parametrize("dialect", [postgresql.dialect(), sqlite.dialect()])
def test_the_table_takes_one_row_a_key_of_a_job(dialect: Dialect) -> None:
    """What everything else rests on."""
    ddl = str(CreateTable(effects_table(MetaData())).compile(dialect=dialect))

    assert "PRIMARY KEY (job_id, key)" in ddl.replace('"', "")


def test_the_table_joins_a_metadata_without_its_schema() -> None:
    """once_in names no schema: the connection's is taken."""
    metadata = MetaData(schema="erp")

    assert effects_table(metadata).schema is None
    assert list(metadata.tables) == ["portaria_effects"]


def test_another_kind_of_database_is_refused() -> None:
    """Rather than guarded in a way that nobody proved."""
    engine = create_engine("sqlite://")
    engine.dialect.name = "mysql"
    with engine.begin() as connection, pytest.raises(ConfigurationError, match="no mysql"):
        once_in(connection, JobContext(InMemoryHold(Ledger())), "charge", lambda: None)


@pytest.mark.parametrize(("fault", "error"), [("lost", HoldLost), ("cancelled", JobCancelled)])
def test_a_check_raises_where_the_run_may_do_no_more(
    fault: str, error: type[BaseException]
) -> None:
    """And says nothing where it may go on."""
    hold = InMemoryHold(Ledger())
    ctx = JobContext(hold)
    ctx.check()

    setattr(hold, fault, True)

    with pytest.raises(error):
        ctx.check()
