"""portaria watch."""

from collections.abc import Mapping
from datetime import timedelta

import click

from portaria.cli.acting import lasting_options
from portaria.cli.exits import EXIT_CODES_HELP, Exit
from portaria.cli.operating import output_option
from portaria.cli.parameters import Duration


@click.command(epilog=EXIT_CODES_HELP)
@click.argument("job_ids", metavar="[ID]...", nargs=-1)
@lasting_options
@click.option("--timeout", type=Duration(), help="Stop after this; the jobs go on.")
@output_option
def watch(
    job_ids: tuple[str, ...],
    types: tuple[str, ...],
    domains: tuple[str, ...],
    queues: tuple[str, ...],
    labels: Mapping[str, str],
    workflow: str,
    schedule: str,
    timeout: timedelta | None,
    output: str,
) -> int:
    """Follows jobs until all are done, over restarts of the door.

    By ID, or by what they have in common: a workflow or batch until it is done, anything else
    until Ctrl-C, a line for each change. As JSON, the jobs of the IDs at their end, or one event a
    line.
    """
    from portaria.cli.connecting import full_type_name, load_types_to_show, open_client, telling
    from portaria.client.selecting import Lasting
    from portaria.settings import load_settings

    settings = load_settings()
    load_types_to_show(settings)
    selection: Lasting = {
        "types": types,
        "domains": domains,
        "queues": queues,
        "labels": labels,
        "workflow_id": workflow,
        "schedule_id": schedule,
    }
    selects = any(selection.values())
    if bool(job_ids) == selects:
        raise click.UsageError("name jobs by ID, or say what they have in common")
    as_json = output == "json"
    if selects:
        from portaria.cli.following import follow_selected

        with open_client(settings) as client, telling("cannot watch these jobs"):
            selection["types"] = [full_type_name(each, settings, client) for each in types]
            return follow_selected(client, selection, timeout=timeout, as_json=as_json)
    from portaria.cli.following import bar_stream, ended_jobs, follow, show_ends

    wanted = tuple(dict.fromkeys(job_ids))
    with open_client(settings) as client, telling(f"cannot watch {', '.join(wanted)}"):
        rows = follow(client, wanted, timeout=timeout, out=bar_stream(json=as_json))
        jobs = ended_jobs(client, rows.all())
    return Exit(show_ends(jobs, rows.all(), as_json=as_json))
