"""portaria types: what the door accepts, and what a deploy would change of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from portaria.cli.exits import EXIT_CODES_HELP, Exit, Refused
from portaria.cli.operating import domain_option, output_option

if TYPE_CHECKING:
    from portaria.core.type_files import Files
    from portaria.core.type_merge import Merge
    from portaria.settings import Settings


@click.group(invoke_without_command=True, epilog=EXIT_CODES_HELP)
@domain_option
@output_option
@click.pass_context
def types(context: click.Context, domain: str, output: str) -> int:
    """Shows the job types that the door accepts, and whether a worker has a handler for them.

    A worker registers its job types when it starts; from then on every door serves them.
    """
    if context.invoked_subcommand is not None:
        return Exit.OK
    from portaria.cli.connecting import open_client, telling
    from portaria.cli.json_text import json_text, message_dict
    from portaria.settings import load_settings

    with open_client(load_settings()) as client, telling("cannot list job types"):
        found = client.job_types(domain)
    if output == "json":
        click.echo(json_text([message_dict(each) for each in found]))
    elif not found:
        click.echo(f"no job type of {domain}" if domain else "no job type: start a worker")
    else:
        from portaria.cli.listing_screens import types_table
        from portaria.cli.screens import show

        show(types_table(found))
    return Exit.OK


@types.command(
    epilog=EXIT_CODES_HELP,
    short_help="Says what a deploy of PORTARIA_JOBS would change or break.",
)
def check() -> int:
    """Compares the job types of PORTARIA_JOBS with those that the door serves; changes nothing.

    Run it before a deploy: a worker whose types break others' does not start. Changes that read
    what was written before, and can be read by who runs already, are fine: new types, new fields,
    or fields removed whose number and name are reserved.
    """
    from portaria.cli.connecting import open_client, telling
    from portaria.core.type_merge import faults, merge
    from portaria.core.type_pool import platform_files
    from portaria.settings import load_settings

    settings = load_settings()
    ours = _usable_files(settings)
    with open_client(settings) as client, telling("cannot compare job types"):
        served = {each.name: each for each in client.descriptors().file}
    known = {name: file for name, file in served.items() if name not in platform_files()}
    merged = merge(known, ours, newer=True)
    if wrong := [*merged.breaks, *faults(merged.files, ours)]:
        words = ("these job types cannot be registered beside those that are:", *wrong)
        raise Refused("\n  ".join(words), Exit.INVALID)
    _tell(merged, known, ours)
    return Exit.OK


@types.command(
    epilog=EXIT_CODES_HELP,
    short_help="Registers those of PORTARIA_JOBS, as a starting worker does.",
)
@click.option("--breaking", is_flag=True, help="Also where they break what is registered.")
def register(breaking: bool) -> int:
    """Registers the job types of PORTARIA_JOBS in Redis, as a starting worker does.

    With --breaking ours replace what they break: for types that nobody uses yet. Jobs that wait are
    then read by the new definition, and workers of the old one cannot start any more.
    """
    from portaria.cli.connecting import telling
    from portaria.core.seal import load_key_ring
    from portaria.runtime.types import TypeRegistry
    from portaria.settings import load_settings
    from portaria.store import Store
    from portaria.store.connect import connect

    settings = load_settings()
    ours = _usable_files(settings)
    with telling("cannot register"):
        store = Store(connect(settings.redis_url))
        known, merged = TypeRegistry(store, load_key_ring(settings.key_file), ours).register(
            breaking=breaking
        )
    _tell(merged, known, ours)
    return Exit.OK


def _usable_files(settings: Settings) -> Files:
    """The files of PORTARIA_JOBS, in which nothing is wrong."""
    from portaria.cli.connecting import job_types, telling
    from portaria.jobs.discovery import load_files

    with telling("these job types cannot be used"):
        found = job_types(settings)
        try:
            from portaria.admission.hooks import judge_types
        except ModuleNotFoundError:
            click.echo("protovalidate is not installed: rules of fields are not checked", err=True)
        else:
            judge_types(found)
        return load_files(settings.jobs)


def _tell(merged: Merge, known: Files, ours: Files) -> None:
    """What becomes of each file."""
    for name in merged.dropped:
        click.echo(f"dropped   {name}")
    for name in ours:
        if name in merged.older:
            word = "older"
        elif name not in merged.changed:
            word = "the same"
        else:
            word = "changed" if name in known else "new"
        click.echo(f"{word:<8}  {name}")
