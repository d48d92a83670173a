"""Brings the schema of a database up to date: alembic, without its command line and its files."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

from portaria.core.errors import ConfigurationError
from portaria.database.engine import transaction
from portaria.database.schema import VERSIONS, installed, newest, numbered, split

# Any number that nobody else takes; "portaria" in ASCII.
_ADVISORY = 0x706F727461726961
_PATIENCE = 60
"""Seconds that an upgrade waits for another, and for tables that are in use; on SQLite it is a
writer like others (BUSY)."""


@dataclass(frozen=True, slots=True)
class Branch:
    """The migrations of one folder, and how far a database is with them."""

    name: str
    found: int
    """The number of the last one that ran; 0 for none."""
    newest: int
    """The number of the last one that this release has."""

    @property
    def is_behind(self) -> bool:
        """Whether an upgrade has something to do."""
        return self.found < self.newest


def folders(packages: Iterable[str]) -> list[Path]:
    """The folders named `migrations` of the platform and of the packages' domains.

    Raises ConfigurationError for packages that do not exist, and for two branches of one name.
    """
    found: dict[str, Path] = {}
    for package in dict.fromkeys(("portaria", *packages)):
        for folder in _folders_of(package):
            branch = folder.parent.name
            if found.setdefault(branch, folder) != folder:
                raise ConfigurationError(f"there are two folders of migrations of {branch}")
    return list(found.values())


def state(engine: Engine, packages: Iterable[str]) -> list[Branch]:
    """How far the database is. Raises ConfigurationError, DatabaseUnavailable."""
    known = folders(packages)
    there = installed(engine)
    return [
        Branch(folder.parent.name, there.get(folder.parent.name, 0), newest(folder))
        for folder in known
    ]


def upgrade(engine: Engine, packages: Iterable[str]) -> list[str]:
    """Runs what has not run yet, all of it or, where one fails, nothing; answers their names.

    Any number of processes may do so at once. Branches that are not among the packages, and those
    that a newer release has moved on, are left alone. Raises ConfigurationError,
    DatabaseUnavailable.
    """
    known = folders(packages)
    script = _script(known)
    with transaction(engine) as connection:
        _wait_for_others(connection)
        try:
            return _run(connection, script)
        except CommandError as error:
            raise ConfigurationError(f"the migrations cannot be used: {error}") from None


def _run(connection: Connection, script: ScriptDirectory) -> list[str]:
    ran: list[str] = []
    heads = {split(head)[0]: split(head)[1] for head in script.get_heads()}

    def steps(there: tuple[str, ...], _: MigrationContext) -> Iterable[MigrationStep]:
        # Of other packages' branches and of newer releases we have no files.
        ours = {branch: revision for revision in there for branch in [split(revision)[0]]}
        for branch, newest_number in heads.items():
            revision = ours.get(branch)
            if revision is None or split(revision)[1] < newest_number:
                goal = f"{branch}_{newest_number:04}"
                for step in script._upgrade_revs(goal, cast("str", revision)):
                    ran.append(step.revision.revision)
                    yield step

    context = MigrationContext.configure(
        connection, opts={"fn": steps, "script": script, "version_table": VERSIONS}
    )
    with Operations.context(context):
        context.run_migrations()
    return ran


def _script(known: list[Path]) -> ScriptDirectory:
    script = ScriptDirectory(str(Path(__file__).parent), version_locations=known)
    expected = {
        f"{folder.parent.name}_{number:04}" for folder in known for number in numbered(folder)
    }
    try:
        there = {revision.revision for revision in script.walk_revisions()}
        heads = script.get_heads()
    except CommandError as error:
        raise ConfigurationError(f"the migrations cannot be used: {error}") from None
    if there != expected:
        wrong = ", ".join(sorted(there ^ expected))
        raise ConfigurationError(
            f"the migrations cannot be used: {wrong}: the file 0001_words.py in NAME/migrations "
            'has revision = "NAME_0001"'
        )
    twice = [head for head in heads if split(head)[1] != _last(known, split(head)[0])]
    if twice:
        raise ConfigurationError(
            f"the migrations cannot be used: nothing follows on {', '.join(sorted(twice))}"
        )
    return script


def _last(known: list[Path], branch: str) -> int:
    return max((newest(folder) for folder in known if folder.parent.name == branch), default=0)


def _wait_for_others(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE}s'"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY})"))
    # SQLite: transactions of our engines begin as writers, one at a time.


def _folders_of(package: str) -> Iterator[Path]:
    try:
        spec: Any = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.submodule_search_locations is None:
        raise ConfigurationError(f"PORTARIA_JOBS: there is no package {package}")
    for place in spec.submodule_search_locations:
        for folder in sorted(Path(place).glob("*/migrations")):
            if numbered(folder):
                yield folder
