"""The rate at which a mail server is given mails, by all workers together."""

from __future__ import annotations

from portaria.jobs import JobContext
from portaria_workers.mail.outbox import Outbox

BURST_SECONDS = 0.25
"""Of mails that may go at once after less went: so a pause of a sender is no loss."""


def keep_pace(ctx: JobContext, outbox: Outbox) -> None:
    """Waits for the next mail's turn, where PORTARIA_SMTP_RATE says how many a second.

    Before `ctx.once`, so that nothing is in doubt meanwhile. Raises JobCancelled and HoldLost.
    """
    if outbox.rate:
        burst = max(1.0, outbox.rate * BURST_SECONDS)
        ctx.throttle(f"smtp:{outbox.server.host}", per_second=outbox.rate, burst=burst)
