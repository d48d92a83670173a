"""portaria jobs."""

import click

from portaria.cli.acting import cancel, delete, retry, update
from portaria.cli.exits import EXIT_CODES_HELP, Exit
from portaria.cli.listing import list_jobs
from portaria.cli.operating import output_option


@click.group(no_args_is_help=True)
def jobs() -> None:
    """Look at jobs, and act on them."""


@jobs.command(epilog=EXIT_CODES_HELP)
@click.argument("job_id", metavar="ID")
@click.option("--full", is_flag=True, help="With payload, attempts and tracebacks.")
@output_option
def get(job_id: str, full: bool, output: str) -> int:
    """Shows one job. In text, fields that are marked sensitive stay hidden."""
    from portaria.cli.connecting import load_types_to_show, open_client, telling
    from portaria.cli.following import whole
    from portaria.cli.json_text import json_text, message_dict
    from portaria.settings import load_settings

    settings = load_settings()
    load_types_to_show(settings)
    with open_client(settings) as client, telling(f"cannot show {job_id}"):
        job = client.get(job_id, full=full)
        job = job if full else whole(client, job)
    if output == "json":
        click.echo(json_text(message_dict(job)))
    else:
        from portaria.cli.detail import print_job

        print_job(job)
    return Exit.OK


for _command in (list_jobs, cancel, retry, delete, update):
    jobs.add_command(_command)
