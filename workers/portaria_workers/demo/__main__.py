"""`make demo`: mails, documents and a schedule through the whole system, watched live.

A caller like any other: it starts the parts as `portaria up` does, in a directory of its own and
on free ports, submits through the typed stub, watches, and shows what came of it.
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import grpc

from portaria.cli.following import follow
from portaria.client import Client
from portaria.core.errors import PortariaError
from portaria.settings import load_settings
from portaria.up.part import PartFailed
from portaria.up.supervisor import Supervisor
from portaria.up.system import System
from portaria_workers.demo.mails import show_bulk, show_mail, submit_all
from portaria_workers.demo.papers import show_papers
from portaria_workers.demo.periodic import show_schedule
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmailResult
from portaria_workers.mail.v1.mail_service_pb2_grpc import MailServiceStub

_KEPT = ("mail", "attachments")


def main() -> int:
    """0 where every job succeeded and its mails are on disk."""
    folder = Path(tempfile.mkdtemp(prefix="portaria-demo-"))
    # Whoever ends us, everything that we started ends in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with system_in(folder) as system:
            code = 0 if tour(system) else 1
    except (PartFailed, PortariaError) as error:
        click.echo(str(error), err=True)
        code = 1
    except grpc.RpcError as error:
        click.echo(f"the door refused: {error}", err=True)
        code = 1
    except KeyboardInterrupt:
        code = 130
    if code:
        click.echo(f"\nwhat the parts wrote: {folder / 'logs'}", err=True)
    else:
        _keep_what_was_made(folder)
        click.echo(f"\nEverything is stopped. Mails and attachments are kept in {folder}")
    return code


@contextmanager
def system_in(folder: Path) -> Iterator[System]:
    """Redis, door, sandbox, workers and schedulers, working; all ended with the context."""
    begun = time.monotonic()
    # The usual port is left to who runs `make up` meanwhile.
    settings = load_settings({"PORTARIA_DATA_DIR": str(folder), "PORTARIA_LISTEN": "127.0.0.1:0"})
    with System(settings) as system:
        parts = system.parts()
        names = ", ".join(part.name for part in parts)
        click.echo(f"starting {names} … ", nl=False)
        supervisor = Supervisor(parts, tell=click.echo)
        try:
            supervisor.start()
            click.echo(f"{time.monotonic() - begun:.1f} s; the door is at {system.place.address}")
            yield system
        finally:
            supervisor.stop(grace=5)


def tour(system: System) -> bool:
    """Submits, watches, shows; answers whether everything succeeded."""
    with grpc.insecure_channel(system.place.address) as channel:
        ids = submit_all(MailServiceStub(channel))
    with Client(system.place.address) as client:
        click.echo("\nrunning:")
        rows = follow(client, ids, timeout=None, out=sys.stdout).all()
        bulk = client.handle(ids[-1]).result()
        assert isinstance(bulk, SendBulkEmailResult)
        show_bulk(bulk)
        show_mail(system.place.mail_dir)
        sent = show_papers(client, system.place.mail_dir, system.place.data_dir / "attachments")
        ran = show_schedule(client)
    return sent and ran and all(row.state == "SUCCEEDED" for row in rows)


def _keep_what_was_made(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and path.name not in _KEPT:
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()


if __name__ == "__main__":
    sys.exit(main())
