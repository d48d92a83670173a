"""What a bulk mail that fails leaves: what became of whom, and a list of those who are left.

Whoever hands such a mail in again mails everybody again, since a new job has a ledger of its own.
The list can be given to a new job instead.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from portaria.core.errors import ConfigurationError
from portaria.jobs import SKIP, Effect, JobContext, JobError
from portaria_workers.mail.audience import Addressee, Audience
from portaria_workers.mail.bulk_files import store_report, store_rest
from portaria_workers.mail.scratch import path_of, scratch_csv
from portaria_workers.mail.tally import EMAIL_FORMAT, Tally

_AT_ONCE = 200
_LONGEST = 600


class _NotNow(Exception):
    """Keeps an effect from happening."""


def tell_rest(error: JobError, audience: Audience, ctx: JobContext, *, is_begun: bool) -> None:
    """Adds to a failure how many were sent, and the documents that name the others.

    Where this run began with nobody and the ledger knows of nobody, nothing is added: the same mail
    may simply be handed in again.
    """
    try:
        columns: dict[str, None] = {}
        for addressee, effect in _known(audience, ctx):
            columns.update(dict.fromkeys(addressee.own))
            is_begun = is_begun or effect is not None
        if not is_begun:
            return
        with Tally() as tally:
            words = _told(audience, ctx, tally, list(columns))
    except (JobError, ConfigurationError, OSError) as fault:
        words = f"who is left cannot be told: {fault}"
    # A failure has at most 1,000 characters, and these count.
    error.args = (f"{str(error)[:_LONGEST]}; {words}",)


def _told(audience: Audience, ctx: JobContext, tally: Tally, columns: list[str]) -> str:
    left = 0
    with scratch_csv() as file:
        rows = csv.DictWriter(file, ["address", *columns])
        rows.writeheader()
        for addressee in _left(audience, ctx, tally):
            rows.writerow({**addressee.own, "address": addressee.address})
            left += 1
        counts = ", ".join(filter(None, (tally.words(), f"{left} left" if left else "")))
        try:
            return f"{counts}{_stored(tally, path_of(file) if left else None, ctx)}"
        except (JobError, ConfigurationError, OSError) as fault:
            return f"{counts}; the list of them cannot be stored: {fault}"


def _stored(tally: Tally, rest: Path | None, ctx: JobContext) -> str:
    words = ""
    if tally.has_misses:
        words += f"; document {store_report(tally.report(), ctx)} names who was not reached"
    if rest is not None:
        words += f"; for those who are left, recipients_document {store_rest(rest, ctx)}"
        words += " of a new job"
    return words


def _left(audience: Audience, ctx: JobContext, tally: Tally) -> Iterator[Addressee]:
    """Those who certainly got none; the others are counted."""
    for addressee, effect in _known(audience, ctx):
        if effect is None and not addressee.fault:
            try:
                # The ledger tells of a doubt only who begins.
                effect = ctx.once(addressee.address, _refrain, on_unknown=SKIP)
            except _NotNow:
                yield addressee
                continue
        if effect is None:
            tally.refused(addressee.address, f"not tried: {addressee.fault}", EMAIL_FORMAT)
        elif effect.unknown:
            tally.maybe_sent(addressee.address)
        elif effect.value:
            tally.refused(addressee.address, str(effect.value))
        else:
            tally.sent()


def _known(
    audience: Audience, ctx: JobContext
) -> Iterator[tuple[Addressee, Effect[object] | None]]:
    addressees = iter(audience)
    while chunk := list(islice(addressees, _AT_ONCE)):
        yield from zip(chunk, ctx.recorded([each.address for each in chunk]), strict=True)


def _refrain() -> object:
    raise _NotNow
