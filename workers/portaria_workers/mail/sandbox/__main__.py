"""Runs the sandbox until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path

import click

from portaria_workers.mail.sandbox.faults import Faults
from portaria_workers.mail.sandbox.server import Sandbox


@click.command()
@click.option("--listen", default="127.0.0.1:2525", help="HOST:PORT; port 0 takes a free one.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Where to keep the mails.",
)
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Written with the URL once it listens.",
)
@click.option("--delay", type=click.FloatRange(0), default=0, help="Seconds before each reply.")
@click.option(
    "--lose-reply-every",
    type=click.IntRange(0),
    default=0,
    help="Cut the connection after every n-th mail instead of replying.",
)
@click.option("--pipelining/--no-pipelining", default=True, help="Offer it (RFC 2920).")
@click.option("--unavailable", default="", help='Answer to every mail, e.g. "421 4.3.2 closing".')
def main(
    listen: str,
    folder: Path,
    ready_file: Path | None,
    delay: float,
    lose_reply_every: int,
    pipelining: bool,
    unavailable: str,
) -> None:
    """An SMTP server that keeps each mail as an .eml file.

    Addresses ask for faults: refuse+550@, busy+450x2@, reject+554@, slow+2s@, cut@, cut-before@.
    """
    host, _, port = listen.rpartition(":")
    if not (host and port.isdigit() and int(port) < 65536):
        raise click.BadParameter("expected HOST:PORT, e.g. 127.0.0.1:2525", param_hint="--listen")
    # aiosmtpd would write a trace for every client that breaks off.
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    faults = Faults(delay=delay, lose_reply_every=lose_reply_every, unavailable=unavailable)
    try:
        asyncio.run(
            _serve(
                Sandbox(folder, faults=faults, pipelining=pipelining),
                host.strip("[]"),
                int(port),
                ready_file,
            )
        )
    except OSError as error:
        reason = error.strerror or str(error)
        raise click.ClickException(f"cannot serve at {listen}: {reason}") from None


async def _serve(sandbox: Sandbox, host: str, port: int, ready_file: Path | None) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    port = await sandbox.start(host, port)
    url = f"smtp://[{host}]:{port}" if ":" in host else f"smtp://{host}:{port}"
    click.echo(f"SMTP sandbox at {url}, mails go to {sandbox.mailbox.folder.resolve()}")
    if ready_file is not None:
        unfinished = ready_file.with_name(f".{ready_file.name}.part")
        unfinished.write_text(url + "\n", encoding="utf-8")
        os.replace(unfinished, ready_file)
    await stopped.wait()
    await sandbox.stop()


if __name__ == "__main__":
    main()
