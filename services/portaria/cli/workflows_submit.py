"""portaria workflows submit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

import click

from portaria.cli.exits import EXIT_CODES_HELP, Exit
from portaria.cli.parameters import Duration, Moment, in_zone, labels_of

if TYPE_CHECKING:
    from portaria.client import Client, WorkflowHandle


@click.command(epilog=EXIT_CODES_HELP, short_help="Hand in a workflow.")
@click.argument("file", type=click.File(encoding="utf-8"))
@click.option(
    "--label", "labels", multiple=True, metavar="KEY=VALUE", callback=labels_of,
    help="Of it and each of its jobs; may be repeated.",
)  # fmt: skip
@click.option("--deadline", type=Moment(), help="No job runs past it: 2026-12-01T08:00Z.")
@click.option(
    "--request-id", metavar="ID",
    help="Submitting again under the same id makes no second one. Default: a new one.",
)  # fmt: skip
@click.option("--check", "checking", is_flag=True, help="Say what is wrong, and hand in nothing.")
@click.option("--watch", "watching", is_flag=True, help="Follow it to its end.")
@click.option("--timeout", type=Duration(), help="Stop watching after this; it goes on.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--json", "output", flag_value="json", help="As --output json.")
def submit(**given: Any) -> int:
    """Hands in a workflow from FILE, - is stdin: a step of the contract as JSON.

    \b
    {"chain": {"steps": [
      {"node_id": "make", "job": {"payload": {"@type": "RenderPdf", "order": 7}}},
      {"group": {"steps": [
        {"job": {"payload": {"@type": "mail.SendEmail", "to": "ana@example.com"}},
         "bindings": [{"from_node": "make", "from_field": "key", "to_field": "attachment"}]},
        {"job": {"payload": {"@type": "Archive"}}, "on_failure": "FAILURE_POLICY_ALLOW"}]}}]}}
    """
    return _submit(**given)


def _submit(
    *,
    file: TextIO,
    labels: Mapping[str, str],
    deadline: datetime | None,
    request_id: str | None,
    checking: bool,
    watching: bool,
    timeout: timedelta | None,
    output: str,
) -> int:
    from portaria.cli.connecting import job_types, open_client, telling
    from portaria.cli.json_text import json_text, message_dict
    from portaria.cli.workflow_json import step_from_json
    from portaria.settings import load_settings

    settings, what = load_settings(), "cannot submit this workflow"
    text = _read(file)
    with telling(what):
        root = step_from_json(text, job_types(settings))
    with open_client(settings) as client:
        with telling(what, root):
            handle = client.submit_workflow(
                root,
                request_id=request_id,
                labels=labels,
                deadline=in_zone(deadline, ""),
                validate_only=checking,
            )
        if output == "text":
            click.echo("it is good; nothing was handed in" if checking else _received(handle))
        if watching and not checking:
            return follow_workflow(client, handle.workflow_id, timeout, output)
    if output == "json" and handle.submitted is not None:
        answer = {
            "workflow": message_dict(handle.submitted),
            "deduplicated": handle.deduplicated,
        }
        click.echo(json_text(answer))
    return Exit.OK


def follow_workflow(
    client: Client, workflow_id: str, timeout: timedelta | None, output: str
) -> int:
    """Shows every change until the workflow is done, then how it ended."""
    from portaria.cli.connecting import telling
    from portaria.cli.following import bar_stream
    from portaria.cli.json_text import json_text, message_dict
    from portaria.cli.workflow_watching import exit_of_workflow, print_end, watch

    as_json = output == "json"
    with telling(f"stopped watching {workflow_id}"):
        found = watch(client, workflow_id, timeout=timeout, out=bar_stream(json=as_json))
    if as_json:
        click.echo(json_text(message_dict(found)))
    else:
        print_end(found)
    return exit_of_workflow(found)


def _read(file: TextIO) -> str:
    try:
        return file.read()
    except UnicodeDecodeError:
        raise click.UsageError(f"{file.name}: not UTF-8") from None


def _received(handle: WorkflowHandle) -> str:
    """One line of what was handed in."""
    total = handle.submitted.progress.total if handle.submitted else 0
    jobs = f" of {total:,} {'job' if total == 1 else 'jobs'}" if total else ""
    again = " (this request id was submitted before)" if handle.deduplicated else ""
    return f"workflow {handle.workflow_id}{jobs}{again}"
