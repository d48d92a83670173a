"""The handlers of the mail domain."""

from __future__ import annotations

from portaria.jobs import JobContext, job
from portaria_workers.mail.accounts import send_activation_email, send_password_reset_email
from portaria_workers.mail.bulk import send_bulk_email
from portaria_workers.mail.delivery import send_one
from portaria_workers.mail.notification import send_notification
from portaria_workers.mail.outbox import Outbox
from portaria_workers.mail.sending_documents import send_document
from portaria_workers.mail.suppressing import allow_address, suppress_address
from portaria_workers.mail.v1.mail_pb2 import SendEmail, SendEmailResult

__all__ = [
    "allow_address",
    "send_activation_email",
    "send_bulk_email",
    "send_document",
    "send_email",
    "send_notification",
    "send_password_reset_email",
    "suppress_address",
]


@job
def send_email(mail: SendEmail, ctx: JobContext) -> SendEmailResult:
    """Sends one templated mail to one address; fails as `send_one`."""
    outbox = Outbox.open(mail.template, mail.locale, subject=mail.subject)
    sent = send_one(outbox, mail.to, mail.variables, ctx)
    return SendEmailResult(message_id=sent.message_id, maybe_sent=sent.maybe_sent)
