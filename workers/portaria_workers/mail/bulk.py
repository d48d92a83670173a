"""SendBulkEmail: one mail to many, each of them once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice

from portaria.jobs import SKIP, Effect, JobContext, JobError, Once, PermanentError, RetryLater, job
from portaria_workers.mail import smtp
from portaria_workers.mail.ahead import Ahead
from portaria_workers.mail.audience import Addressee, Audience, inline_rows
from portaria_workers.mail.bulk_files import store_report
from portaria_workers.mail.deferrals import deferral, is_last_run
from portaria_workers.mail.ended import keep_result, result_before
from portaria_workers.mail.message import Message
from portaria_workers.mail.outbox import Outbox
from portaria_workers.mail.pacing import keep_pace
from portaria_workers.mail.remaining import tell_rest
from portaria_workers.mail.replies import (
    RecipientBusy,
    RecipientRefused,
    ServerLost,
    ServerUnavailable,
)
from portaria_workers.mail.stored_list import Row, StoredList
from portaria_workers.mail.suppression import blocked
from portaria_workers.mail.tally import EMAIL_FORMAT, SUPPRESSED, Tally
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail, SendBulkEmailResult

SOON, LATER = timedelta(seconds=1), timedelta(seconds=30)
"""After which the next run goes on: where the time was over, where the server went away."""
MOST_LOST = 3
"""Recipients one after the other at whom the server may hang up; then it cannot be used."""
TURN = 60.0
"""Seconds after which a run makes way for what is more urgent, and goes on behind it."""
_AT_ONCE = 200
"""Recipients of whom the ledger is asked together."""
_SHARE = 0.9
"""Of its time, after which a run stops for the next one to go on."""


@job
def send_bulk_email(mail: SendBulkEmail, ctx: JobContext) -> SendBulkEmailResult:
    """Sends one templated mail to each address once; a re-run goes on where the last one stopped.

    Nothing is sent where somebody lacks a variable, or a stored list is wrong in its form. A
    refused address is reported and does not stop the rest. A busy one (4xx), or one at whom the
    server hangs up, is tried again by later runs, as DEFERRALS says, and after the last is reported
    as refused. A server that cannot be used fails the attempt, unless it had taken some; then, and
    after each minute, the run leaves the rest to the next one, which burns no attempt. What fails
    after somebody was sent to says how many, and names a stored list of those who are left.
    """
    outbox = Outbox.open(mail.template, mail.locale, subject=mail.subject, bulk=ctx.namespace)
    try:
        audience = Audience(_rows(mail, ctx), mail.variables, outbox)
    except PermanentError as error:
        # The stored list may have gone after all was done.
        return result_before(error, ctx)
    with smtp.connection(outbox.server, ctx.deadline) as connection, Tally() as tally:
        run = _Run(ctx, outbox, connection, tally)
        try:
            run.send(audience)
        except RetryLater:
            raise
        except JobError as error:
            tell_rest(error, audience, ctx, is_begun=tally.result().maybe_sent_count > 0)
            raise
        if run.busy:
            raise deferral(ctx, f"{run.busy} recipients are busy")
        result = tally.result()
        if tally.is_cut:
            result.report = store_report(tally.report(), ctx)
        keep_result(result, ctx)
        return result


class _Run:
    """One walk over all recipients."""

    def __init__(
        self, ctx: JobContext, outbox: Outbox, connection: smtp.Connection, tally: Tally
    ) -> None:
        self.busy = 0
        """How many were put off."""
        self._ctx = ctx
        self._outbox = outbox
        self._connection = connection
        self._tally = tally
        self._told = 0
        self._gets_on = False
        self._is_last = is_last_run(ctx)
        self._lost_in_a_row = 0
        self._refused = ""
        """What the server said to the recipient who is next."""
        self._under_way: deque[str] = deque()
        """The addresses of the effects that are still to come, in order."""
        self._ahead: Ahead[Once[str]] = Ahead(iter(()))
        left = (ctx.deadline - datetime.now(UTC)).total_seconds()
        self._stops_at = time.monotonic() + min(left * _SHARE, TURN)

    def send(self, audience: Audience) -> None:
        """To everybody who is left, in order."""
        self._ahead = Ahead(self._steps(audience))
        is_over = False
        try:
            with closing(self._effects()) as effects:
                for effect in effects:
                    self._note(self._under_way.popleft(), effect)
                    self._tell(audience)
                    self._gets_on = self._gets_on or effect.done
                    is_over = time.monotonic() > self._stops_at
                    if is_over:
                        break
        except ServerUnavailable as error:
            if not self._gets_on:
                raise
            raise RetryLater(LATER, str(error)) from None
        if is_over:
            raise self._pause()
        self._tell(audience)

    def _pause(self) -> RetryLater:
        # Those who are busy may fill the whole time, and would in the next run.
        if self.busy and not self._gets_on:
            return deferral(self._ctx, f"{self.busy} recipients are busy")
        return RetryLater(SOON, "goes on in another run")

    def _steps(self, audience: Audience) -> Iterator[Once[str]]:
        """What is left to do. Written ahead: while the server takes the message before."""
        addressees = iter(audience)
        while chunk := list(islice(addressees, _AT_ONCE)):
            addresses = [each.address for each in chunk]
            known = self._ctx.recorded(addresses)
            left = [each for each, effect in zip(addresses, known, strict=True) if effect is None]
            kept_away = blocked(left, namespace=self._ctx.namespace)
            for addressee, effect in zip(chunk, known, strict=True):
                if effect is not None:
                    self._note(addressee.address, effect)
                elif addressee.fault:
                    text = f"not tried: {addressee.fault}"
                    self._tally.refused(addressee.address, text, EMAIL_FORMAT)
                elif addressee.address in kept_away:
                    text = f"SUPPRESSED: {kept_away[addressee.address]}"
                    self._tally.refused(addressee.address, text, SUPPRESSED)
                else:
                    yield self._step(addressee)

    def _step(self, addressee: Addressee) -> Once[str]:
        address = addressee.address
        message = self._outbox.write(address, addressee.variables, self._ctx.effect_id(address))
        self._under_way.append(address)
        return Once(address, partial(self._hand_over, message), partial(self._open, message))

    def _effects(self) -> Generator[Effect[str], None, None]:
        if not self._outbox.rate:
            yield from self._ctx.once_each(self._ahead, on_unknown=SKIP, passing=(RecipientBusy,))
            return
        for step in self._ahead:
            # Nobody is in doubt while the next one's turn is awaited.
            keep_pace(self._ctx, self._outbox)
            yield from self._ctx.once_each([step], on_unknown=SKIP, passing=(RecipientBusy,))

    def _open(self, message: Message) -> None:
        self._refused = ""
        try:
            self._connection.open(message)
        except (RecipientRefused, RecipientBusy) as refusal:
            self._refused = self._final(refusal)
        except ServerLost as lost:
            self._refused = self._final(self._cut_off(lost))

    def _hand_over(self, message: Message) -> str:
        """Empty where the server took the message, else its refusal: the ledger keeps either."""
        try:
            if not self._refused:
                self._connection.hand_over(message, self._ahead.look)
        except (RecipientRefused, RecipientBusy) as refusal:
            self._refused = self._final(refusal)
        except ServerLost as lost:
            self._refused = self._final(self._cut_off(lost))
        self._lost_in_a_row = self._lost_in_a_row if self._refused else 0
        return self._refused

    def _cut_off(self, lost: ServerLost) -> RecipientBusy:
        """Some servers hang up on what they do not want: that is one recipient's matter, unless it
        happens to one after the other. Then it raises what it was given."""
        self._lost_in_a_row += 1
        if self._lost_in_a_row > MOST_LOST:
            raise lost
        return RecipientBusy(str(lost))

    def _final(self, refusal: RecipientRefused | RecipientBusy) -> str:
        """What is kept of it; raises it where the recipient is to be tried again."""
        if isinstance(refusal, RecipientBusy) and not self._is_last:
            raise refusal
        return refusal.reply

    def _note(self, address: str, effect: Effect[str] | Effect[object]) -> None:
        if effect.error is not None:
            self.busy += 1
        elif effect.unknown:
            self._tally.maybe_sent(address)
        elif effect.value:
            self._tally.refused(address, str(effect.value))
        else:
            self._tally.sent()

    def _tell(self, audience: Audience) -> None:
        done = self._tally.done + self.busy
        if done != self._told:
            self._told = done
            self._ctx.progress(done, audience.size, self._tally.words())


def _rows(mail: SendBulkEmail, ctx: JobContext) -> Iterable[Row]:
    if not mail.recipients_document:
        return inline_rows(mail)
    from portaria.storage.documents import open_documents

    documents = open_documents()
    return StoredList(documents, documents.get(mail.recipients_document, namespace=ctx.namespace))
