"""portaria queues, workers, pause, resume and purge."""

import sys
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import click

from portaria.cli.exits import EXIT_CODES_HELP, Exit
from portaria.cli.parameters import Duration

Function = TypeVar("Function", bound=Callable[..., object])

_NOBODY = "there is nobody to ask: give --yes"


def output_option(command: Function) -> Function:
    """--output text|json, and --json for short."""
    choice = click.Choice(["text", "json"])
    long = click.option("--output", type=choice, default="text", show_default=True)
    short = click.option("--json", "output", flag_value="json", help="As --output json.")
    return short(long(command))


def confirm(question: str) -> None:
    """Asks a person; ends the command unless the answer is yes, in words where nobody can be asked.

    An answer may be piped in.
    """
    if sys.stdin is None:
        raise click.UsageError(_NOBODY)
    try:
        is_meant = click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo(err=True)  # what follows is no answer
        raise click.UsageError(_NOBODY) from None
    if not is_meant:
        raise click.Abort


def domain_option(command: Function) -> Function:
    """--domain NAME."""
    return click.option("--domain", default="", metavar="NAME", help="Of one domain only.")(command)


@click.command(epilog=EXIT_CODES_HELP)
@domain_option
@output_option
def queues(domain: str, output: str) -> int:
    """Shows every queue that ever had a job or has a worker."""
    from portaria.cli.connecting import open_client, telling
    from portaria.cli.json_text import json_text, message_dict
    from portaria.settings import load_settings

    with open_client(load_settings()) as client, telling("cannot list queues"):
        found = client.queues(domain)
    if output == "json":
        click.echo(json_text([message_dict(each) for each in found]))
    elif not found:
        click.echo(f"no queue{_of(domain)}: nothing was submitted yet, and no worker runs")
    else:
        from portaria.cli.screens import queues_table, show

        show(queues_table(found))
    return Exit.OK


@click.command(epilog=EXIT_CODES_HELP)
@domain_option
@output_option
def workers(domain: str, output: str) -> int:
    """Shows the workers that live, and those that were lost in the last half minute."""
    from portaria.cli.connecting import open_client, telling
    from portaria.cli.json_text import json_text, message_dict
    from portaria.settings import load_settings

    with open_client(load_settings()) as client, telling("cannot list workers"):
        found = client.workers(domain)
    if output == "json":
        click.echo(json_text([message_dict(each) for each in found]))
    elif not found:
        click.echo(f"no worker{_of(domain)}: start one with `portaria worker {domain or 'POOL'}`")
    else:
        from portaria.cli.screens import show, workers_table
        from portaria.core.clock import SystemClock

        show(workers_table(found, SystemClock().now()))
    return Exit.OK


@click.command(epilog=EXIT_CODES_HELP)
@click.argument("queue")
@click.option("--reason", default="", help="For those who wonder why nothing runs.")
@output_option
def pause(queue: str, reason: str, output: str) -> int:
    """Lets no worker claim from QUEUE, e.g. mail:low; what runs goes on."""
    return _switch(queue, output, "pause", reason)


@click.command(epilog=EXIT_CODES_HELP)
@click.argument("queue")
@output_option
def resume(queue: str, output: str) -> int:
    """Lets workers claim from QUEUE again."""
    return _switch(queue, output, "resume", "")


@click.command(epilog=EXIT_CODES_HELP)
@click.argument("queue")
@click.option("--dead-letter", is_flag=True, help="Forget its failed jobs instead.")
@click.option("--older-than", type=Duration(), help="Only what was submitted, or failed, before.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option
def purge(
    queue: str, dead_letter: bool, older_than: timedelta | None, yes: bool, output: str
) -> int:
    """Cancels what waits in QUEUE. There is no way back."""
    from portaria.cli.connecting import open_client, telling
    from portaria.cli.json_text import json_text
    from portaria.settings import load_settings

    deed = f"forget the failed jobs of {queue}" if dead_letter else f"cancel what waits in {queue}"
    if not yes:
        confirm(f"{deed}? there is no way back")
    with open_client(load_settings()) as client, telling(f"cannot purge {queue}"):
        purged = client.purge(queue, dead_letter=dead_letter, older_than=older_than)
    if output == "json":
        click.echo(json_text({"queue": queue, "purged": purged}))
    else:
        jobs = "job" if purged == 1 else "jobs"
        click.echo(f"{purged:,} {jobs} {'forgotten' if dead_letter else 'cancelled'} in {queue}")
    return Exit.OK


def _switch(name: str, output: str, verb: str, reason: str) -> int:
    from portaria.cli.connecting import open_client, telling
    from portaria.cli.json_text import json_text, message_dict
    from portaria.settings import load_settings

    with open_client(load_settings()) as client, telling(f"cannot {verb} {name}"):
        queue = client.pause(name, reason) if verb == "pause" else client.resume(name)
    if output == "json":
        click.echo(json_text(message_dict(queue)))
        return Exit.OK
    jobs = "1 job waits" if queue.depth == 1 else f"{queue.depth:,} jobs wait"
    running = f", {queue.running:,} still running" if queue.running and queue.paused else ""
    click.echo(f"{name} {'is paused' if queue.paused else 'runs'}: {jobs} there{running}")
    return Exit.OK


def _of(domain: str) -> str:
    return f" of {domain}" if domain else ""
