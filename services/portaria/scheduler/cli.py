"""`portaria scheduler`: fires the ticks of schedules; any number may run."""

from __future__ import annotations

import os
import socket
import sys

import click


@click.command()
@click.option("--burst", "-b", is_flag=True, help="Fire what is due, then stop.")
@click.option("--name", help="Its name; unique. Default: host, pid, chance.")
def scheduler(burst: bool, name: str | None) -> None:
    """Fire each tick of every schedule, exactly once however many schedulers run.

    Two of them are enough for any load; a third only helps where two machines may be away at once.
    Exit code 2 where settings cannot work; with --burst, 3 where not all that is due was fired.
    """
    from portaria import logs
    from portaria.core.errors import ConfigurationError, PortariaError
    from portaria.core.ids import new_token
    from portaria.scheduler.main import run
    from portaria.settings import load_settings

    try:
        settings = load_settings()
        logs.configure(level=settings.log_level, style=settings.log_format)
        own = f"{socket.gethostname()}.{os.getpid()}.{new_token()[:6]}"
        if not run(settings, name=name or own, burst=burst) and burst:
            sys.exit(3)
    except ConfigurationError as error:
        click.echo(error.message, err=True)
        sys.exit(2)
    except (PortariaError, OSError) as error:
        click.echo(f"cannot start: {error}", err=True)
        sys.exit(3)
