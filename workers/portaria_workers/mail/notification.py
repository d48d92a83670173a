"""Alerts to the people in charge."""

from __future__ import annotations

from functools import partial

from portaria.jobs import SKIP, JobContext, PermanentError, job
from portaria_workers.mail import smtp
from portaria_workers.mail.deferrals import deferral, is_last_run
from portaria_workers.mail.delivery import recipient_of
from portaria_workers.mail.outbox import Outbox
from portaria_workers.mail.pacing import keep_pace
from portaria_workers.mail.replies import RecipientBusy, RecipientRefused
from portaria_workers.mail.suppression import blocked
from portaria_workers.mail.v1.mail_pb2 import SendNotification, SendNotificationResult

_SEVERITIES = {
    SendNotification.SEVERITY_WARNING: "warning",
    SendNotification.SEVERITY_CRITICAL: "critical",
}


@job
def send_notification(alert: SendNotification, ctx: JobContext) -> SendNotificationResult:
    """Mails an alert to each of the people in charge, once; those that cannot be reached are
    reported, and busy ones (4xx) tried again before that, as DEFERRALS says.

    Fails for good with RECIPIENT_REFUSED where nobody could be reached, or EMAIL_FORMAT, and for
    now as a server or database does that cannot be used.
    """
    outbox = Outbox.open("alert", alert.locale)
    addresses = list(dict.fromkeys(map(recipient_of, alert.recipients)))
    kept_away = blocked(addresses, namespace=ctx.namespace, bulk=False)
    result, busy = SendNotificationResult(), SendNotificationResult()
    with smtp.connection(outbox.server, ctx.deadline) as connection:
        for address in addresses:
            if address in kept_away:
                result.refused.add(address=address, reason=f"SUPPRESSED: {kept_away[address]}")
                continue
            keep_pace(ctx, outbox)
            try:
                send = partial(_send_or_refusal, connection, outbox, alert, address, ctx)
                told = ctx.once(address, send, on_unknown=SKIP)
            except RecipientBusy as put_off:
                busy.refused.add(address=address, reason=put_off.reply)
                continue
            if told.unknown:
                result.maybe_sent.append(address)
            elif told.value:
                result.refused.add(address=address, reason=told.value)
            else:
                result.sent += 1
    if busy.refused and not is_last_run(ctx):
        raise deferral(ctx, f"{len(busy.refused)} recipients are busy")
    result.MergeFrom(busy)
    if not (result.sent or result.maybe_sent):
        raise PermanentError("RECIPIENT_REFUSED", f"nobody was reached: {result.refused[0].reason}")
    return result


def _send_or_refusal(
    connection: smtp.Connection,
    outbox: Outbox,
    alert: SendNotification,
    address: str,
    ctx: JobContext,
) -> str:
    """Empty where the server took the message, else its refusal: the ledger keeps either."""
    critical = alert.severity == SendNotification.SEVERITY_CRITICAL
    message = outbox.write(address, alert_variables(alert), ctx.effect_id(address), urgent=critical)
    try:
        connection.send(message)
    except RecipientRefused as refusal:
        return refusal.reply
    return ""


def alert_variables(alert: SendNotification) -> dict[str, object]:
    """What the template "alert" asks for."""
    return {
        "severity": _SEVERITIES.get(alert.severity, "info"),
        "title": alert.title,
        "text": alert.text,
        "facts": [[fact.name, fact.value] for fact in alert.facts],
        "link_path": alert.link_path.lstrip("/"),
    }
