"""Single mails through the typed stub, and a bulk mail to a few hundred."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes, policy
from functools import partial
from pathlib import Path
from typing import Any

import click
from google.protobuf.duration_pb2 import Duration

from portaria.core.ids import new_request_id
from portaria_workers.mail.recipients import read_recipients, sample_recipients
from portaria_workers.mail.v1 import mail_service_pb2 as pb
from portaria_workers.mail.v1.mail_pb2 import (
    SendActivationEmail,
    SendBulkEmail,
    SendBulkEmailResult,
    SendEmail,
    SendPasswordResetEmail,
)
from portaria_workers.mail.v1.mail_service_pb2_grpc import MailServiceStub

_DEADLINE = 10.0
_HEAD_LINES = 14
_SHOWN = "kwame@example.com"
# The sandbox takes this one's mail and cuts the connection instead of saying so.
_CUT_OFF = SendBulkEmail.Recipient(address="cut.bia@example.com", variables={"name": "Bia"})


def submit_all(stub: MailServiceStub) -> list[str]:
    """Submits them; says how long each acknowledgement took. The bulk mail is the last."""
    click.echo("\nsubmitting through the typed stub; an answer means the job is on disk:")
    bulk = _bulk()
    calls: list[tuple[str, Callable[..., Any]]] = [
        ("SendEmail welcome to ana@example.com", partial(stub.SendEmail, _welcome())),
        (f"SendActivationEmail to {_SHOWN}", partial(stub.SendActivationEmail, _activation())),
        (
            "SendPasswordResetEmail to maria@example.com",
            partial(stub.SendPasswordResetEmail, _reset()),
        ),
        (
            f"SendBulkEmail newsletter to {len(bulk.job.recipients)}",
            partial(stub.SendBulkEmail, bulk),
        ),
    ]
    return [_submit(what, call) for what, call in calls]


def _welcome() -> pb.SendEmailRequest:
    mail = SendEmail(to="ana@example.com", template="welcome", variables={"name": "Ana Lima"})
    return pb.SendEmailRequest(job=mail, request_id=new_request_id())


def _activation() -> pb.SendActivationEmailRequest:
    hour = Duration()
    hour.FromTimedelta(timedelta(hours=1))
    mail = SendActivationEmail(
        to=_SHOWN, name="Kwame", code="481-516", user_id="u-17", locale="pt-AO", valid_for=hour
    )
    return pb.SendActivationEmailRequest(job=mail, request_id=new_request_id())


def _reset() -> pb.SendPasswordResetEmailRequest:
    mail = SendPasswordResetEmail(
        to="maria@example.com", name="Maria", token=new_request_id(), user_id="u-4", locale="en"
    )
    return pb.SendPasswordResetEmailRequest(job=mail, request_id=new_request_id())


def _bulk() -> pb.SendBulkEmailRequest:
    mail = SendBulkEmail(
        template="newsletter",
        recipients=[*read_recipients(sample_recipients()), _CUT_OFF],
        variables={"title": "Novidades da semana", "body": "A portaria está aberta."},
    )
    return pb.SendBulkEmailRequest(job=mail, request_id=new_request_id())


def _submit(what: str, call: Callable[..., Any]) -> str:
    begun = time.perf_counter()
    job_id: str = call(timeout=_DEADLINE).job.job_id
    milliseconds = (time.perf_counter() - begun) * 1000
    click.echo(f"  {milliseconds:6.1f} ms  {job_id}  {what}")
    return job_id


def show_bulk(result: SendBulkEmailResult) -> None:
    """What became of its recipients."""
    click.echo(
        f"\nthe bulk mail: {result.sent} sent, {len(result.refused)} refused, "
        f"{len(result.maybe_sent)} maybe sent"
    )
    for refused in result.refused:
        click.echo(f"  refused     {refused.address}: {refused.reason}")
    for address in result.maybe_sent:
        click.echo(f"  maybe sent  {address}")


def show_mail(folder: Path) -> None:
    """One of those that were delivered, as text."""
    mails = sorted(folder.rglob("*.eml"))
    if not mails:
        return
    shown = mail_to(_SHOWN, folder) or mails[0]
    click.echo(f"\n{len(mails)} mails were delivered; one of them, {shown}:")
    message = message_from_bytes(shown.read_bytes(), policy=policy.default)
    body = message.get_body(("plain",))
    text = body.get_content() if body else ""
    lines = [f"{name}: {message[name]}" for name in ("From", "To", "Subject", "Message-ID")]
    lines += ["", *text.strip().splitlines()]
    for line in lines[:_HEAD_LINES]:
        click.echo(f"  | {line}".rstrip())


def mail_to(address: str, folder: Path) -> Path | None:
    """The first mail that was delivered there."""
    for path in sorted(folder.rglob("*.eml")):
        if message_from_bytes(path.read_bytes(), policy=policy.default)["To"] == address:
            return path
    return None
