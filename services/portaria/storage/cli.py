"""`portaria downloads`."""

from __future__ import annotations

import sys

import click


@click.command()
def downloads() -> None:
    """Serve the links to documents of a local storage until SIGTERM or Ctrl-C.

    At PORTARIA_DOWNLOADS_LISTEN; behind a proxy, PORTARIA_DOWNLOADS_BASE says what others call.
    Exit code 2 where settings cannot work. Documents in S3 need no such server.
    """
    from portaria.core.errors import ConfigurationError
    from portaria.settings import load_settings
    from portaria.storage.serving import run

    try:
        run(load_settings())
    except ConfigurationError as error:
        click.echo(error.message, err=True)
        sys.exit(2)
