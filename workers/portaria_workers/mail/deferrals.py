"""When a mail is tried again whose recipient the server puts off: greylisting, a full mailbox."""

from __future__ import annotations

from datetime import timedelta

from portaria.jobs import REPEAT, JobContext, RetryLater

DEFERRALS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
"""After each of these from the last one; then a recipient who is busy counts as refused."""
_KEYS = [f"deferral {number}" for number in range(1, len(DEFERRALS) + 1)]


def is_last_run(ctx: JobContext) -> bool:
    """Whether all deferrals are used up."""
    return all(ctx.recorded(_KEYS))


def deferral(ctx: JobContext, message: str) -> RetryLater:
    """The next deferral, used up from now on: to be raised; it burns no attempt.

    Only where `is_last_run` says no. In the ledger, since runs are counted that ended otherwise.
    """
    used = sum(effect is not None for effect in ctx.recorded(_KEYS))
    ctx.once(_KEYS[used], lambda: None, on_unknown=REPEAT)
    return RetryLater(DEFERRALS[used], message)
