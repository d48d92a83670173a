"""The mails of an account: its activation, and a new password."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from portaria.jobs import JobContext, job
from portaria_workers.mail.delivery import send_one
from portaria_workers.mail.outbox import Outbox
from portaria_workers.mail.v1.mail_pb2 import (
    SendActivationEmail,
    SendEmailResult,
    SendPasswordResetEmail,
)
from portaria_workers.mail.wording import duration_in_words


@job
def send_activation_email(mail: SendActivationEmail, ctx: JobContext) -> SendEmailResult:
    """Sends the code that activates an account, and a link with it; fails as `send_one`."""
    variables = {"name": mail.name, "code": mail.code, "user_id": mail.user_id}
    return _send("activation", mail, variables, ctx)


@job
def send_password_reset_email(mail: SendPasswordResetEmail, ctx: JobContext) -> SendEmailResult:
    """Sends a link by which a user chooses a new password; fails as `send_one`."""
    variables = {"name": mail.name, "token": mail.token, "user_id": mail.user_id}
    return _send("password_reset", mail, variables, ctx)


def _send(
    template: str,
    mail: SendActivationEmail | SendPasswordResetEmail,
    variables: dict[str, str],
    ctx: JobContext,
) -> SendEmailResult:
    if mail.HasField("valid_for"):
        variables["valid_for"] = _in_words(mail.valid_for, mail.locale)
    sent = send_one(Outbox.open(template, mail.locale), mail.to, variables, ctx)
    return SendEmailResult(message_id=sent.message_id, maybe_sent=sent.maybe_sent)


def _in_words(length: Duration, locale: str) -> str:
    return duration_in_words(length.ToTimedelta(), locale)
