"""portaria watch."""

from datetime import timedelta

import click

from portaria.cli.exits import EXIT_CODES_HELP, Exit
from portaria.cli.parameters import Duration


@click.command(epilog=EXIT_CODES_HELP)
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--timeout", type=Duration(), help="Stop after this; the jobs go on.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def watch(job_ids: tuple[str, ...], timeout: timedelta | None, output: str) -> int:
    """Follows jobs until all are done, over restarts of the door."""
    from portaria.cli.connecting import load_types_to_show, open_client, telling
    from portaria.cli.following import bar_stream, ended_jobs, exit_of_jobs, follow, print_end
    from portaria.cli.json_text import json_text, message_dict
    from portaria.settings import load_settings

    settings = load_settings()
    load_types_to_show(settings)
    wanted = tuple(dict.fromkeys(job_ids))
    out = bar_stream(json=output == "json")
    with open_client(settings) as client, telling(f"cannot watch {', '.join(wanted)}"):
        rows = follow(client, wanted, timeout=timeout, out=out)
        jobs = ended_jobs(client, rows.all())
    if output == "json":
        click.echo(json_text([message_dict(job) for job in jobs]))
        return exit_of_jobs(jobs, len(wanted))
    for job in jobs:
        if len(wanted) > 1:
            click.echo(f"{job.job_id}  ", nl=False)
        print_end(job)
    for row in rows.all():
        if row.removed:
            click.echo(f"{row.job_id}: {row.removed}", err=True)
    return Exit(exit_of_jobs(jobs, len(wanted)))
