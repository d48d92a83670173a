"""portaria jobs list."""

import json
from itertools import islice
from typing import Any

import click

from portaria.cli.acting import Selected, filter_options
from portaria.cli.exits import EXIT_CODES_HELP, Exit
from portaria.cli.operating import output_option


@click.command("list", epilog=EXIT_CODES_HELP)
@filter_options
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many."
)
@click.option("--oldest-first", is_flag=True, help="Default: the newest first.")
@output_option
def list_jobs(limit: int, oldest_first: bool, output: str, **given: Any) -> int:
    """Shows jobs. As JSON, one object a line."""
    from portaria.cli.connecting import load_types_to_show, open_client, telling
    from portaria.cli.json_text import message_dict
    from portaria.settings import load_settings

    settings = load_settings()
    load_types_to_show(settings)
    said = Selected(job_ids=(), **given)
    with open_client(settings) as client, telling("cannot list jobs"):
        found = client.list(oldest_first=oldest_first, **said.selection(settings, client))
        if output == "json":
            for job in islice(found, limit):
                click.echo(json.dumps(message_dict(job), ensure_ascii=False))
            return Exit.OK
        jobs = list(islice(found, limit))
        has_more = next(found, None) is not None
    if not jobs:
        click.echo("no job" if said.is_empty else "no such job")
        return Exit.OK
    from portaria.cli.listing_screens import jobs_table
    from portaria.cli.screens import show
    from portaria.core.clock import SystemClock

    show(jobs_table(jobs, SystemClock().now()))
    if has_more:
        click.echo(f"and more: --limit shows more than {limit}", err=True)
    return Exit.OK
