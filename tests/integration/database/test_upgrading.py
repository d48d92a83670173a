"""Migrations: complete, once, whoever else runs them, and without those of others in the way."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, MetaData, inspect, text
from sqlalchemy.exc import DBAPIError

from portaria.core.errors import ConfigurationError
from portaria.database import require_schema, transaction
from portaria.database.schema import VERSIONS
from portaria.database.upgrading import Branch, folders, state, upgrade
from portaria.jobs.sql import create_effects_table, effects_table
from stack import Processes

OURS = ["portaria_workers"]
STORAGE = Path(importlib.import_module("portaria.storage").__path__[0]) / "migrations"

Team = Callable[..., str]


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    """Makes packages with a domain `depot` and migrations, from the bodies of their `upgrade`."""
    made: list[str] = []

    def make(*bodies: str, name: str = "depot_jobs", revision: str = "depot") -> str:
        folder = tmp_path / f"site-{len(made)}" / name / "depot" / "migrations"
        folder.mkdir(parents=True)
        for package in (folder, folder.parent, folder.parent.parent):
            (package / "__init__.py").touch()
        for number, body in enumerate(bodies, 1):
            below = repr(f"{revision}_{number - 1:04}") if number > 1 else None
            (folder / f"{number:04}_step.py").write_text(
                f"from alembic import op\n"
                f"revision = '{revision}_{number:04}'\ndown_revision = {below}\n"
                f"branch_labels = {('depot',) if number == 1 else None}\n"
                f"def upgrade():\n    {body}\n"
            )
        for each in made:
            sys.modules.pop(each, None)
        monkeypatch.syspath_prepend(str(folder.parents[2]))
        made.append(name)
        return name

    yield make
    for each in made:
        sys.modules.pop(each, None)


def table(name: str) -> str:
    """The body of a migration that makes one."""
    return f"op.execute('CREATE TABLE {name} (id INTEGER)')"


def tables(engine: Engine) -> set[str]:
    """Those that there are."""
    with engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def test_an_empty_database_gets_all_tables_once(engine: Engine) -> None:
    """The second upgrade finds nothing to do."""
    before = state(engine, OURS)
    ran = upgrade(engine, OURS)

    assert all(each.is_behind and each.found == 0 for each in before)
    assert {"database_0001", "storage_0001"} <= set(ran)
    assert {"portaria_documents", "portaria_effects", VERSIONS} <= tables(engine)
    assert upgrade(engine, OURS) == []
    assert not any(each.is_behind for each in state(engine, OURS))


def test_the_tables_are_as_the_code_says(engine: Engine) -> None:
    """Of the platform and of every domain: columns, types and indexes."""
    upgrade(engine, OURS)
    described = MetaData()
    effects_table(described)
    for folder in folders(OURS):
        package = _package(folder.parent)
        if (folder.parent / "tables.py").exists():
            for each in importlib.import_module(f"{package}.tables").METADATA.tables.values():
                each.to_metadata(described)

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSIONS})
        differences = compare_metadata(context, described)

    assert {"portaria_documents", "portaria_effects"} <= set(described.tables)
    assert differences == []


def test_a_table_of_effects_that_is_there_stays(engine: Engine) -> None:
    """As portaria.jobs.sql may have made it before."""
    create_effects_table(engine)
    with engine.begin() as connection:
        row = "('job', 'key', 1, 'null')"
        insert = f"INSERT INTO portaria_effects (job_id, key, attempt, value) VALUES {row}"
        connection.execute(text(insert))

    upgrade(engine, OURS)

    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM portaria_effects")) == 1


def test_four_processes_at_once_run_each_migration_once(
    engine: Engine, environ: dict[str, str], processes: Processes
) -> None:
    """On an empty database; each process ends well."""
    script = Path(__file__).with_name("upgrade_at_once.py")
    process = processes.python("upgrades", script, "4", **environ)

    code = process.wait(40)

    assert code == 0, process.tail()
    ran = process.output().split()
    assert sorted(ran) == sorted(
        f"{each.name}_{number:04}"
        for each in state(engine, ["portaria"])
        for number in range(1, each.newest + 1)
    )


def test_a_migration_that_fails_leaves_nothing(engine: Engine, team: Team) -> None:
    """Not of itself, nor of those before it; mended, all of them run."""
    package = team(table("one"), table("two"), "op.execute('SELECT * FROM nowhere')")

    with pytest.raises(DBAPIError):
        upgrade(engine, [package])

    assert not tables(engine) & {"one", "two", VERSIONS, "portaria_documents"}
    assert upgrade(engine, [team(table("one"), table("two"), table("three"))])[-1] == "depot_0003"
    assert {"one", "two", "three"} <= tables(engine)


def test_each_team_upgrades_without_the_others(engine: Engine, team: Team) -> None:
    """One that knows nothing of the depot's tables is not kept from its own by them."""
    package = team(table("one"))
    upgrade(engine, [package])
    with transaction(engine) as connection:
        connection.execute(text(f"DELETE FROM {VERSIONS} WHERE version_num LIKE 'storage%'"))
        connection.execute(text("DROP TABLE portaria_documents"))
        connection.execute(text("DROP TABLE portaria_registry"))

    assert [each.name for each in state(engine, []) if each.is_behind] == ["storage"]
    assert upgrade(engine, []) == ["storage_0001", "storage_0002"]

    assert upgrade(engine, [package]) == []
    assert {each.name: each.found for each in state(engine, [package])} == {
        "database": 1, "storage": 2, "depot": 1,
    }  # fmt: skip


def test_an_older_release_works_on_a_newer_schema(engine: Engine, team: Team) -> None:
    """In a rolling deploy: it has nothing to do and is not behind; the newer one goes on."""
    newer = team(table("one"), table("two"))
    upgrade(engine, [newer])

    older = team(table("one"))

    assert upgrade(engine, [older]) == []
    assert Branch("depot", 2, 1) in state(engine, [older])
    assert not any(each.is_behind for each in state(engine, [older]))
    newest = team(table("one"), table("two"), table("three"))
    assert upgrade(engine, [newest]) == ["depot_0003"]


def test_a_process_asks_for_its_own_tables_only(engine: Engine, team: Team) -> None:
    """And is told what to do."""
    package = team(table("one"))
    folder = next(each for each in folders([package]) if each.parent.name == "depot")
    upgrade(engine, [])

    require_schema(engine, STORAGE)
    with pytest.raises(ConfigurationError, match="lacks tables of depot: run `portaria db upgr"):
        require_schema(engine, folder)
    upgrade(engine, [package])
    require_schema(engine, folder)
    team(table("one"), table("two"))
    with pytest.raises(ConfigurationError, match="is behind in depot: run `portaria db upgrade`"):
        require_schema(engine, next(each for each in folders([package]) if "site-1" in str(each)))


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            {"revision": "store"},
            "depot_0001, store_0001: the file 0001_words.py in NAME/migrations",
        ),
        ({"name": "mine.depot_jobs"}, "there is no package"),
    ],
)
def test_migrations_that_cannot_be_are_said(
    engine: Engine, team: Team, made: dict[str, Any], words: str
) -> None:
    """Before anything runs."""
    team(table("one"), **({"name": "depot_jobs"} | made if "." not in made.get("name", "") else {}))

    with pytest.raises(ConfigurationError, match=words):
        upgrade(engine, [made.get("name", "depot_jobs")])

    assert not tables(engine)


def test_two_domains_of_one_name_are_refused(engine: Engine, team: Team) -> None:
    """Their revisions would be each other's."""
    packages = [team(table("one"), name="a_jobs"), team(table("one"), name="b_jobs")]

    with pytest.raises(ConfigurationError, match="two folders of migrations of depot"):
        upgrade(engine, packages)


def _package(folder: Path) -> str:
    top = next(each for each in folder.parents if not (each / "__init__.py").exists())
    return ".".join(folder.relative_to(top).parts)
