"""One mail to one address: what the handlers of single mails share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portaria.jobs import SKIP, JobContext, PermanentError
from portaria_workers.mail import smtp
from portaria_workers.mail.addresses import normalize_address
from portaria_workers.mail.deferrals import deferral, is_last_run
from portaria_workers.mail.message import Attachment
from portaria_workers.mail.outbox import Outbox
from portaria_workers.mail.pacing import keep_pace
from portaria_workers.mail.replies import RecipientBusy
from portaria_workers.mail.suppression import check_allowed


@dataclass(frozen=True, slots=True)
class Delivered:
    """A mail that the server took, or may have."""

    message_id: str
    maybe_sent: bool
    remark: str = ""
    """What was given to be kept with it; empty where it is in doubt."""


def send_one(
    outbox: Outbox,
    to: str,
    variables: Mapping[str, Any],
    ctx: JobContext,
    *,
    attachments: Sequence[Attachment] = (),
    remark: str = "",
) -> Delivered:
    """Sends one mail to one address, once, and says so where that is not certain.

    `remark` is kept in the ledger. A recipient whom the server puts off (4xx) is tried again as
    DEFERRALS says, which burns no attempt. Fails for good with RECIPIENT_REFUSED,
    RECIPIENT_SUPPRESSED, SENDER_REFUSED, EMAIL_FORMAT or TEMPLATE_VARIABLE, and for now with
    SMTP_TEMPORARY, SMTP_UNAVAILABLE, SMTP_AUTHENTICATION or DATABASE_UNAVAILABLE.
    """
    recipient = recipient_of(to)
    message = outbox.write(recipient, variables, ctx.effect_id(recipient), attachments=attachments)
    with smtp.connection(outbox.server, ctx.deadline) as connection:

        def send() -> str:
            check_allowed(recipient, namespace=ctx.namespace)
            connection.send(message)
            return remark

        keep_pace(ctx, outbox)
        try:
            sent = ctx.once(recipient, send, on_unknown=SKIP)
        except RecipientBusy as busy:
            if is_last_run(ctx):
                raise
            raise deferral(ctx, str(busy)) from None
    return Delivered(message.id, sent.unknown, sent.value or "")


def sent_before(error: PermanentError, outbox: Outbox, to: str, ctx: JobContext) -> Delivered:
    """The mail that an earlier run sent, or may have, for one that cannot write it any more.

    Raises the error where none was.
    """

    def give_up() -> str:
        raise error

    recipient = recipient_of(to)
    sent = ctx.once(recipient, give_up, on_unknown=SKIP)
    message_id = outbox.message_id(ctx.effect_id(recipient))
    return Delivered(message_id, sent.unknown, sent.value or "")


def recipient_of(text: str) -> str:
    """The address as mails are sent to it. Raises PermanentError EMAIL_FORMAT."""
    try:
        return normalize_address(text)
    except ValueError as error:
        raise PermanentError("EMAIL_FORMAT", f"the recipient {error}") from None
