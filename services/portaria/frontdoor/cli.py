"""`portaria serve`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from portaria.core.errors import ConfigurationError
from portaria.settings import load_settings


@click.command()
@click.option("--listen", metavar="HOST:PORT", help="Instead of PORTARIA_LISTEN; port 0: any.")
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Receives the address as soon as the door listens.",
)
def serve(listen: str | None, ready_file: Path | None) -> None:
    """Serve the front door (gRPC) until SIGTERM or Ctrl-C."""
    environ = dict(os.environ)
    if listen is not None:
        environ["PORTARIA_LISTEN"] = listen
    try:
        settings = load_settings(environ)
        from portaria.frontdoor.main import run

        run(settings, (lambda address: _announce(ready_file, address)) if ready_file else None)
    except ConfigurationError as error:
        click.echo(error.message, err=True)
        sys.exit(2)


def _announce(path: Path, address: str) -> None:
    """Whoever sees the file sees all of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(f"{address}\n")
    draft.replace(path)
