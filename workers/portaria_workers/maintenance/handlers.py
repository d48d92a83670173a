"""The handlers of the maintenance domain."""

from __future__ import annotations

import tempfile
import time

from portaria.jobs import REPEAT, JobContext, JobError, PermanentError, RetryLater, job
from portaria.settings import load_settings
from portaria_workers.maintenance import checks
from portaria_workers.maintenance.checks import Check
from portaria_workers.maintenance.endpoints import endpoint
from portaria_workers.maintenance.messages import message_of
from portaria_workers.maintenance.v1.maintenance_pb2 import (
    CallWebhook,
    CallWebhookResult,
    SelfTest,
    SelfTestResult,
)
from portaria_workers.maintenance.webhook import post

MOST_WAITS = 30
"""Starts of a webhook up to which its receiver may put it off; then that is a failure."""
_LEAST_FREE_PERCENT = 5
_SLOWEST_SECONDS = 1.0


@job
def self_test(test: SelfTest, ctx: JobContext) -> SelfTestResult:
    """Looks at the worker that it runs on; all checks are made, whatever the first one finds.

    Fails for good with the reason of the first that is not well: REDIS_SLOW, DISK_FULL, MEMORY_LOW
    or CLOCK_BEHIND; its text names all of them.
    """
    least = test.least_free_percent or _LEAST_FREE_PERCENT
    slowest = _SLOWEST_SECONDS
    if test.HasField("slowest_round_trip"):
        slowest = test.slowest_round_trip.ToTimedelta().total_seconds()
    made = [
        checks.round_trip(ctx.check, slowest),
        checks.disk("data dir", load_settings().data_dir, least),
        checks.disk("temp dir", tempfile.gettempdir(), least),
        checks.memory(least),
        checks.clock(ctx.job_id, time.time()),
    ]
    if ills := [check for check in made if check.ill]:
        raise PermanentError(ills[0].ill, "; ".join(map(str, ills)))
    return _result(made)


@job
def call_webhook(call: CallWebhook, ctx: JobContext) -> CallWebhookResult:
    """Posts a signed message until the receiver has taken it; one that was taken is not repeated.

    Where it cannot be known whether it was, it is posted again under the same webhook-id. Fails for
    good with WEBHOOK_REFUSED or WEBHOOK_UNKNOWN, and for now with WEBHOOK_TEMPORARY,
    WEBHOOK_UNREACHABLE or EFFECT_IN_DOUBT.
    """
    receiver, message = endpoint(call.endpoint), message_of(call, ctx)
    message_id = ctx.effect_id("post")
    try:
        posted = ctx.once("post", lambda: post(receiver, message_id, message), on_unknown=REPEAT)
    except RetryLater as later:
        if ctx.attempt < MOST_WAITS:
            raise
        raise JobError("WEBHOOK_TEMPORARY", str(later)) from None
    return CallWebhookResult(status=posted.value or 0)


def _result(made: list[Check]) -> SelfTestResult:
    result = SelfTestResult()
    for check in made:
        result.checks.add(name=check.name, found=check.found)
    return result
