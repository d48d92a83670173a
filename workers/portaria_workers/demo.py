"""`make demo`: real mails and a schedule through the whole system, watched live.

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
from datetime import UTC, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import click
import grpc

from portaria.cli.following import follow
from portaria.cli.wording import clock_time
from portaria.client import Client
from portaria.client.states import state_name
from portaria.core.errors import PortariaError
from portaria.core.ids import new_request_id
from portaria.settings import load_settings
from portaria.up.part import PartFailed
from portaria.up.supervisor import Supervisor
from portaria.up.system import System
from portaria.v1.job_pb2 import JOB_STATE_SUCCEEDED
from portaria_workers.mail.recipients import read_recipients, sample_recipients
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail, SendBulkEmailResult, SendEmail
from portaria_workers.mail.v1.mail_service_pb2 import SendBulkEmailRequest, SendEmailRequest
from portaria_workers.mail.v1.mail_service_pb2_grpc import MailServiceStub
from portaria_workers.maintenance.v1.maintenance_pb2 import SelfTest

_DEADLINE = 10.0
_SCHEDULE = "demo"
_RUNS = 2
_RUNS_WITHIN = timedelta(seconds=30)
_HEAD_LINES = 14
_SINGLES = (
    SendEmail(to="ana@example.com", template="welcome", variables={"name": "Ana Lima"}),
    SendEmail(
        to="kwame@example.com",
        template="activation",
        locale="pt-AO",
        variables={"name": "Kwame", "code": "481-516"},
    ),
    SendEmail(
        to="maria@example.com",
        template="password_reset",
        locale="en",
        variables={"name": "Maria", "token": "b71e"},
    ),
)
# The sandbox takes this one's mail and cuts the connection instead of saying so.
_CUT_OFF = SendBulkEmail.Recipient(address="cut.bia@example.com", variables={"name": "Bia"})


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
        _keep_only_mails(folder)
        click.echo(f"\nEverything is stopped. The mails are kept in {folder / 'mail'}")
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
        _show_bulk(bulk)
        _show_mail(system.place.mail_dir)
        ran = show_schedule(client)
    return ran and all(row.state == "SUCCEEDED" for row in rows)


def show_schedule(client: Client) -> bool:
    """Makes a schedule, follows its first runs, shows what became of them, and deletes it."""
    made = client.schedules.create(_SCHEDULE, SelfTest(), every=timedelta(seconds=2))
    following = made.next_run_time.ToDatetime(UTC)
    click.echo(
        f'\na schedule, "{_SCHEDULE}": a self-test {made.in_words}; '
        f"the next one at {clock_time(following)}"
    )
    ended = 0
    for event in client.watch(schedule_id=_SCHEDULE, timeout=_RUNS_WITHIN):
        if event.HasField("state_change"):
            moment = clock_time(event.event_time.ToDatetime(UTC))
            click.echo(f"  {moment}  {event.job_id}  {state_name(event.state)}")
        ended += event.done
        if ended == _RUNS:
            break
    runs = client.schedules.runs(_SCHEDULE)
    client.schedules.delete(_SCHEDULE)
    click.echo("its history:")
    for run in reversed(runs):
        late = run.lateness.ToTimedelta().total_seconds()
        click.echo(
            f"  due {clock_time(run.tick.ToDatetime(UTC))}, submitted {late:.3f} s later: "
            f"{run.job_id} {state_name(run.state)}"
        )
    click.echo("it is deleted; its jobs stay")
    return all(run.state == JOB_STATE_SUCCEEDED for run in runs[-_RUNS:])


def submit_all(stub: MailServiceStub) -> list[str]:
    """Submits single mails and a bulk mail; says how long each acknowledgement took."""
    click.echo("\nsubmitting through the typed stub; an answer means the job is on disk:")
    ids = []
    for mail in _SINGLES:
        request = SendEmailRequest(job=mail, request_id=new_request_id())
        begun = time.perf_counter()
        job = stub.SendEmail(request, timeout=_DEADLINE).job
        _acknowledged(f"SendEmail {mail.template} to {mail.to}", job.job_id, begun)
        ids.append(job.job_id)
    recipients = [*read_recipients(sample_recipients()), _CUT_OFF]
    bulk = SendBulkEmail(
        template="newsletter",
        recipients=recipients,
        variables={"title": "Novidades da semana", "body": "A portaria está aberta."},
    )
    bulk_request = SendBulkEmailRequest(job=bulk, request_id=new_request_id())
    begun = time.perf_counter()
    job = stub.SendBulkEmail(bulk_request, timeout=_DEADLINE).job
    _acknowledged(f"SendBulkEmail newsletter to {len(recipients)}", job.job_id, begun)
    return [*ids, job.job_id]


def _acknowledged(what: str, job_id: str, begun: float) -> None:
    milliseconds = (time.perf_counter() - begun) * 1000
    click.echo(f"  {milliseconds:6.1f} ms  {job_id}  {what}")


def _show_bulk(result: SendBulkEmailResult) -> None:
    click.echo(
        f"\nthe bulk mail: {result.sent} sent, {len(result.refused)} refused, "
        f"{len(result.maybe_sent)} maybe sent"
    )
    for refused in result.refused:
        click.echo(f"  refused     {refused.address}: {refused.reason}")
    for address in result.maybe_sent:
        click.echo(f"  maybe sent  {address}")


def _show_mail(folder: Path) -> None:
    mails = sorted(folder.rglob("*.eml"))
    if not mails:
        return
    shown = next((path for path in mails if _addressee(path) == _SINGLES[0].to), mails[0])
    click.echo(f"\n{len(mails)} mails were delivered; one of them, {shown}:")
    message = message_from_bytes(shown.read_bytes(), policy=policy.default)
    body = message.get_body(("plain",))
    text = body.get_content() if body else ""
    lines = [f"{name}: {message[name]}" for name in ("From", "To", "Subject", "Message-ID")]
    lines += ["", *text.strip().splitlines()]
    for line in lines[:_HEAD_LINES]:
        click.echo(f"  | {line}".rstrip())


def _addressee(path: Path) -> str:
    return str(message_from_bytes(path.read_bytes(), policy=policy.default)["To"])


def _keep_only_mails(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and path.name != "mail":
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()


if __name__ == "__main__":
    sys.exit(main())
