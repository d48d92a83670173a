"""The result of a bulk mail that is done, kept for a run that finds its stored list gone."""

from __future__ import annotations

from base64 import b64decode, b64encode

from portaria.jobs import REPEAT, JobContext, PermanentError
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmailResult

_KEY = "result"
_LARGEST = 3_000
"""Bytes; a third more as text, of which a ledger takes 4 KiB."""


def keep_result(result: SendBulkEmailResult, ctx: JobContext) -> None:
    """Keeps it, without names where those are too many."""
    kept = SendBulkEmailResult()
    kept.CopyFrom(result)
    if kept.ByteSize() > _LARGEST:
        del kept.refused[:]
        del kept.maybe_sent[:]
    text = b64encode(kept.SerializeToString()).decode()
    ctx.once(_KEY, lambda: text, on_unknown=REPEAT)


def result_before(error: PermanentError, ctx: JobContext) -> SendBulkEmailResult:
    """What an earlier run that came to its end kept; raises the error where there was none."""
    [effect] = ctx.recorded([_KEY])
    if effect is None:
        raise error
    result = SendBulkEmailResult.FromString(b64decode(str(effect.value)))
    named = len(result.refused) + len(result.maybe_sent)
    if not result.report and named < result.refused_count + result.maybe_sent_count:
        ctx.warn("the list of recipients is gone, and with it the names of who was not reached")
    return result
