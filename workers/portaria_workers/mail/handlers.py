"""The handlers of the mail domain."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from portaria.jobs import SKIP, Effect, JobContext, PermanentError, RetryLater, job
from portaria_workers.mail import smtp
from portaria_workers.mail.addresses import normalize_address
from portaria_workers.mail.audience import Addressee, audience_of
from portaria_workers.mail.outbox import Outbox
from portaria_workers.mail.replies import RecipientBusy, RecipientRefused
from portaria_workers.mail.v1.mail_pb2 import (
    SendBulkEmail,
    SendBulkEmailResult,
    SendEmail,
    SendEmailResult,
)

DEFERRALS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
"""When the busy recipients of a bulk mail are tried again; then they count as refused."""


@job
def send_email(mail: SendEmail, ctx: JobContext) -> SendEmailResult:
    """Sends one templated mail to one address, once, and says so where that is not certain.

    Fails for good with RECIPIENT_REFUSED, SENDER_REFUSED, EMAIL_FORMAT or TEMPLATE_VARIABLE, and
    for now with SMTP_TEMPORARY, SMTP_UNAVAILABLE or SMTP_AUTHENTICATION.
    """
    try:
        recipient = normalize_address(mail.to)
    except ValueError as error:
        raise PermanentError("EMAIL_FORMAT", f"to: {error}") from None
    outbox = Outbox.open(mail.template, mail.locale, subject=mail.subject)
    message = outbox.write(recipient, mail.variables, ctx.effect_id(recipient))
    with smtp.connection(outbox.server) as connection:
        sent = ctx.once(recipient, partial(connection.send, message), on_unknown=SKIP)
    return SendEmailResult(message_id=message.id, maybe_sent=sent.unknown)


@job
def send_bulk_email(mail: SendBulkEmail, ctx: JobContext) -> SendBulkEmailResult:
    """Sends one templated mail to each address once; a re-run goes on where the last one stopped.

    Nothing is sent where a recipient lacks a variable. A refused address is reported and does not
    stop the rest. A busy one (4xx) is tried again by later runs, as DEFERRALS says, and after the
    last is reported as refused. A server that cannot be used fails the attempt.
    """
    outbox = Outbox.open(mail.template, mail.locale, subject=mail.subject)
    audience = audience_of(mail, outbox)
    outcome, busy = SendBulkEmailResult(), SendBulkEmailResult()
    with smtp.connection(outbox.server) as connection:
        for done, addressee in enumerate(audience, start=1):
            try:
                send = partial(_send_or_refusal, connection, outbox, addressee, ctx)
                _report(outcome, addressee, ctx.once(addressee.address, send, on_unknown=SKIP))
            except RecipientBusy as put_off:
                busy.refused.add(address=addressee.address, reason=put_off.reply)
            ctx.progress(done, len(audience), _words(outcome))
    if busy.refused and ctx.attempt <= len(DEFERRALS):
        raise RetryLater(DEFERRALS[ctx.attempt - 1], f"{len(busy.refused)} recipients are busy")
    outcome.MergeFrom(busy)
    return outcome


def _send_or_refusal(
    connection: smtp.Connection, outbox: Outbox, addressee: Addressee, ctx: JobContext
) -> str:
    """Empty where the server took the message, else its refusal: the ledger keeps either."""
    if addressee.fault:
        return addressee.fault
    address = addressee.address
    message = outbox.write(address, addressee.variables, ctx.effect_id(address))
    try:
        connection.send(message)
    except RecipientRefused as refusal:
        return refusal.reply
    return ""


def _report(outcome: SendBulkEmailResult, addressee: Addressee, effect: Effect[str]) -> None:
    if effect.unknown:
        outcome.maybe_sent.append(addressee.address)
    elif effect.value:
        outcome.refused.add(address=addressee.address, reason=effect.value)
    else:
        outcome.sent += 1


def _words(outcome: SendBulkEmailResult) -> str:
    counts = {
        "sent": outcome.sent,
        "refused": len(outcome.refused),
        "uncertain": len(outcome.maybe_sent),
    }
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)
