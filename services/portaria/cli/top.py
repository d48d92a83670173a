"""portaria top: queues and workers, drawn anew each second."""

import sys
from datetime import timedelta

import click

from portaria.cli.exits import EXIT_CODES_HELP, Exit
from portaria.cli.operating import domain_option
from portaria.cli.parameters import Duration


@click.command(epilog=EXIT_CODES_HELP)
@domain_option
@click.option("--every", type=Duration(), default="1s", show_default=True, help="How often.")
@click.option("--once", is_flag=True, help="Print one picture and end.")
def top(domain: str, every: timedelta, once: bool) -> int:
    """Shows queues and workers live, until q or Ctrl-C."""
    from portaria.cli.connecting import open_client, telling
    from portaria.cli.screens import show
    from portaria.cli.watching_all import Overview, draw
    from portaria.settings import load_settings

    with open_client(load_settings()) as client, telling("cannot look"):
        overview = Overview(client, domain)
        overview.look()
        if once or not sys.stdout.isatty():
            show(overview.picture())
        else:
            draw(overview, max(every, timedelta(milliseconds=200)))
    return Exit.OK
