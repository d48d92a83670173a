"""`portaria up` and `portaria demo`."""

from __future__ import annotations

import os
import sys
import time

import click

from portaria.core.errors import ConfigurationError
from portaria.jobs.discovery import load_job_types
from portaria.settings import load_settings
from portaria.up.board import board
from portaria.up.follow import Follower
from portaria.up.interrupts import Interrupts
from portaria.up.lock import locked
from portaria.up.part import PartFailed
from portaria.up.supervisor import Supervisor
from portaria.up.system import System

# How long a look at all parts may wait where no signal says that a child ended.
_LOOK = 0.5
_DEMO = "portaria_workers.demo"


@click.command()
@click.option(
    "--concurrency",
    default=2,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Jobs that each domain's worker runs at a time.",
)
@click.option("--logs", is_flag=True, help="Show what the parts write, each line with its part.")
def up(concurrency: int, logs: bool) -> None:
    """Run everything on this machine until Ctrl-C.

    Starts Redis, the door, the SMTP sandbox, a worker for each domain and two schedulers, on free
    ports where PORTARIA_LISTEN, PORTARIA_REDIS_URL and PORTARIA_SMTP_URL say nothing else; restarts
    what dies; leaves no process behind. A second Ctrl-C does not wait for running jobs.
    """
    settings = load_settings()
    with (
        locked(settings.data_dir.absolute()),
        Interrupts() as interrupts,
        System(settings, concurrency=concurrency, log_style="pretty" if logs else None) as system,
    ):
        supervisor = Supervisor(system.parts(), tell=_tell)
        follower = Follower(system.place.log_dir if logs else None, click.echo)
        try:
            supervisor.start(given_up=lambda: interrupts.asked)
            if not interrupts.asked:
                click.echo(board(system, load_job_types(settings.jobs)))
            while not interrupts.asked:
                interrupts.wait(_LOOK if supervisor.settled else 0.05)
                supervisor.tick()
                follower.show()
        except PartFailed as failure:
            raise ConfigurationError(str(failure)) from None
        finally:
            _stop(supervisor, interrupts, settings.grace_seconds)
            follower.show()


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.pass_context
def demo(context: click.Context) -> None:
    """Send mails and documents through the whole system, watched live.

    Runs in a temporary directory, on free ports, beside whatever else is up.
    """
    command = [sys.executable, "-m", _DEMO, *context.args]
    os.execv(command[0], command)  # noqa: S606 - ourselves, another module


def _stop(supervisor: Supervisor, interrupts: Interrupts, grace: float) -> None:
    if interrupts.asked:
        click.echo("\nstopping; Ctrl-C again does not wait for running jobs", err=True)
    # A part needs its own grace and a moment to say goodbye.
    supervisor.stop(grace + 5, hurry=lambda: interrupts.urgent)


def _tell(line: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {line}", err=True)
