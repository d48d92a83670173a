"""portaria workflows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from itertools import islice

import click

from portaria.cli.exits import EXIT_CODES_HELP, Exit
from portaria.cli.operating import output_option
from portaria.cli.parameters import Duration, labels_of
from portaria.cli.workflows_submit import follow_workflow, submit

_ID = click.argument("workflow_id", metavar="ID")
_TIMEOUT = click.option("--timeout", type=Duration(), help="Stop watching after this; it goes on.")


@click.group(no_args_is_help=True)
def workflows() -> None:
    """Jobs that depend on each other, and batches."""


workflows.add_command(submit)


@workflows.command("list", epilog=EXIT_CODES_HELP, short_help="Workflows and batches.")
@click.option(
    "--label", "labels", multiple=True, metavar="KEY=VALUE", callback=labels_of,
    help="With this label; several must all match.",
)  # fmt: skip
@click.option("--open", "only_open", is_flag=True, help="Only those that are not done.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many."
)
@output_option
def list_workflows(labels: Mapping[str, str], only_open: bool, limit: int, output: str) -> int:
    """Shows workflows and batches, the newest first. As JSON, one object a line."""
    from portaria.cli.connecting import open_client, telling
    from portaria.cli.json_text import message_dict
    from portaria.settings import load_settings

    with open_client(load_settings()) as client, telling("cannot list workflows"):
        found = client.list_workflows(labels=labels, only_open=only_open)
        if output == "json":
            for each in islice(found, limit):
                click.echo(json.dumps(message_dict(each), ensure_ascii=False))
            return Exit.OK
        shown = list(islice(found, limit))
        has_more = next(found, None) is not None
    if not shown:
        click.echo("no such workflow" if labels or only_open else "no workflow")
        return Exit.OK
    from portaria.cli.screens import show
    from portaria.cli.workflow_screens import workflows_table
    from portaria.core.clock import SystemClock

    show(workflows_table(shown, SystemClock().now()))
    if has_more:
        click.echo(f"and more: --limit shows more than {limit}", err=True)
    return Exit.OK


@workflows.command("show", epilog=EXIT_CODES_HELP, short_help="One workflow as a tree.")
@_ID
@click.option("--watch", "watching", is_flag=True, help="Follow it to its end.")
@_TIMEOUT
@output_option
def show_workflow(workflow_id: str, watching: bool, timeout: timedelta | None, output: str) -> int:
    """Shows the tree of a workflow, each step with its state."""
    if watching:
        return _watch(workflow_id, timeout, output)
    from portaria.cli.connecting import load_types_to_show, open_client, telling
    from portaria.cli.json_text import json_text, message_dict
    from portaria.settings import load_settings

    settings = load_settings()
    load_types_to_show(settings)
    with open_client(settings) as client, telling(f"cannot show {workflow_id}"):
        if output == "json":
            found = client.workflow(workflow_id).get(nodes=True)
            click.echo(json_text(message_dict(found)))
            return Exit.OK
        from portaria.cli.screens import show
        from portaria.cli.workflow_watching import Sight

        show(Sight(client, workflow_id).picture())
    return Exit.OK


@workflows.command(epilog=EXIT_CODES_HELP, short_help="Follow a workflow to its end.")
@_ID
@_TIMEOUT
@output_option
def watch(workflow_id: str, timeout: timedelta | None, output: str) -> int:
    """Follows a workflow until all of its jobs are done, over restarts of the door.

    On a terminal its tree, else a line for each change. As JSON, the workflow at its end.
    """
    return _watch(workflow_id, timeout, output)


@workflows.command(epilog=EXIT_CODES_HELP, short_help="End a workflow.")
@_ID
@click.option("--reason", default="", help="For those who wonder; its jobs show it.")
@click.option("--force", is_flag=True, help="Kill what runs instead of asking its handler.")
@output_option
def cancel(workflow_id: str, reason: str, force: bool, output: str) -> int:
    """Ends the jobs of a workflow that wait, and asks those that run to end."""
    from portaria.cli.connecting import open_client, telling
    from portaria.cli.json_text import json_text
    from portaria.client.states import state_name
    from portaria.settings import load_settings

    with open_client(load_settings()) as client, telling(f"cannot cancel {workflow_id}"):
        handle = client.workflow(workflow_id)
        before = handle.get()
        count = handle.cancel(reason, force=force)
    if output == "json":
        click.echo(json_text({"cancelled": count}))
    elif before.done:
        click.echo(f"it is {state_name(before.state)} already")
    else:
        begun = "being killed" if force else "asked to end"
        click.echo(f"{count:,} {'job' if count == 1 else 'jobs'} cancelled or {begun}")
    return Exit.OK


@workflows.command(epilog=EXIT_CODES_HELP, short_help="Hand in what did not succeed again.")
@_ID
@click.option("--request-id", metavar="ID", help="Again under the same id makes no second one.")
@click.option("--watch", "watching", is_flag=True, help="Follow the new one to its end.")
@_TIMEOUT
@output_option
def retry(
    workflow_id: str,
    request_id: str | None,
    watching: bool,
    timeout: timedelta | None,
    output: str,
) -> int:
    """Hands in a workflow that did not succeed again, as a new one.

    Jobs that succeeded keep their results and do not run; the others run.
    """
    from portaria.cli.connecting import load_types_to_show, open_client, telling
    from portaria.cli.json_text import json_text, message_dict
    from portaria.settings import load_settings

    settings = load_settings()
    load_types_to_show(settings)
    with open_client(settings) as client:
        with telling(f"cannot retry {workflow_id}"):
            old = client.workflow(workflow_id)
            old.get()  # a retry waits for a minute for a door that is away
            handle = old.retry(request_id=request_id)
        if output == "text":
            click.echo(f"{workflow_id} is handed in again as {handle.workflow_id}")
        if watching:
            return follow_workflow(client, handle.workflow_id, timeout, output)
    if output == "json" and handle.submitted is not None:
        click.echo(json_text(message_dict(handle.submitted)))
    return Exit.OK


def _watch(workflow_id: str, timeout: timedelta | None, output: str) -> int:
    from portaria.cli.connecting import load_types_to_show, open_client
    from portaria.settings import load_settings

    settings = load_settings()
    load_types_to_show(settings)
    with open_client(settings) as client:
        return follow_workflow(client, workflow_id, timeout, output)
