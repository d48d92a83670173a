"""portaria db: the schema of the SQL database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from portaria.cli.exits import Exit, Refused
from portaria.cli.operating import output_option

_EXITS = """\b
Exit codes:
  0  done; with `check`, nothing is to be done
  2  wrong usage or settings; with `check`, the database is behind
  3  the database cannot be reached"""

_ADVICE = {
    "DATABASE_UNAVAILABLE": "\n  PORTARIA_DATABASE_URL says where it is",
    "STORAGE_UNAVAILABLE": "\n  PORTARIA_STORAGE_URL says where it is",
}


@click.group(no_args_is_help=True)
def db() -> None:
    """The schema of PORTARIA_DATABASE_URL: the platform's tables, and those of PORTARIA_JOBS."""


@db.command(epilog=_EXITS, short_help="Runs the migrations that have not run.")
@output_option
def upgrade(output: str) -> int:
    """Runs the migrations that have not run: all of them, or where one fails, none.

    Before the parts of a new release start. Any number of machines may run it at once.
    """
    from portaria.cli.json_text import json_text
    from portaria.database import open_database
    from portaria.database.upgrading import upgrade as run
    from portaria.settings import load_settings

    settings = load_settings()
    with told("cannot upgrade the database"):
        ran = run(open_database(settings), settings.jobs)
    if output == "json":
        click.echo(json_text({"ran": ran}))
    else:
        for name in ran:
            click.echo(f"ran  {name}")
        if not ran:
            click.echo("nothing to do: the database is up to date")
    return Exit.OK


@db.command(epilog=_EXITS, short_help="How far the database is.")
@output_option
def current(output: str) -> int:
    """Shows how far the database is, and how far this release would take it."""
    from dataclasses import asdict

    from portaria.cli.json_text import json_text
    from portaria.cli.storage_screens import branches_table
    from portaria.database import open_database
    from portaria.database.upgrading import state
    from portaria.settings import load_settings

    settings = load_settings()
    with told("cannot read the database"):
        found = state(open_database(settings), settings.jobs)
    if output == "json":
        click.echo(json_text([{**asdict(each), "is_behind": each.is_behind} for each in found]))
        return Exit.OK
    from portaria.cli.screens import show

    show(branches_table(found))
    return Exit.OK


@db.command(epilog=_EXITS, short_help="Whether the database has all that is needed.")
def check() -> int:
    """Says whether the database has all that this release needs; changes nothing."""
    from portaria.database import open_database
    from portaria.database.upgrading import state
    from portaria.settings import load_settings

    settings = load_settings()
    with told("cannot read the database"):
        found = state(open_database(settings), settings.jobs)
    behind = [each.name for each in found if each.is_behind]
    if behind:
        words = f"the database is behind in {', '.join(behind)}: run `portaria db upgrade`"
        raise Refused(words, Exit.INVALID)
    click.echo("the database is up to date")
    return Exit.OK


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turns what jobs are told into `cannot upgrade the database: …`."""
    from portaria.jobs.errors import JobError, PermanentError

    try:
        yield
    except JobError as error:
        code = Exit.INVALID if isinstance(error, PermanentError) else Exit.UNAVAILABLE
        raise Refused(f"{what}: {error}{_ADVICE.get(error.reason, '')}", code) from None
