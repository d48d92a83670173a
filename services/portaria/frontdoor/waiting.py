"""Long polls: a caller waits for the end of one job."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from portaria.core.errors import CursorExpired
from portaria.core.states import TERMINAL
from portaria.frontdoor.feed import Feed
from portaria.frontdoor.ownership import ours
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.selector import Selector
from portaria.frontdoor.subscription import Subscription
from portaria.store.events import REMOVED

DEFAULT = timedelta(seconds=30)
# What is left of the caller's time for reading the job and for the way back.
_MARGIN = 0.5
_ENDS = {*TERMINAL, REMOVED}


class Waiting:
    """Waits on the feed, not by asking again."""

    def __init__(self, store: PromptStore, feed: Feed, *, namespace: str) -> None:
        self._store = store
        self._feed = feed
        self._namespace = namespace

    async def until_done(
        self, job_id: str, *, timeout: timedelta | None, remaining: float | None
    ) -> None:
        """Returns when the job is done, or at the timeout. `remaining` is the caller's, seconds.

        Raises NotFound, StoreUnavailable, ShuttingDown.
        """
        seconds = (DEFAULT if timeout is None else timeout).total_seconds()
        if remaining is not None:
            seconds = min(seconds, remaining - min(_MARGIN, remaining / 4))
        until = asyncio.get_running_loop().time() + seconds
        selector = Selector(namespace=self._namespace, job_ids=(job_id,))
        subscription = await self._feed.subscribe(selector, progress=False)
        try:
            record = ours(await self._store.get(job_id), self._namespace)
            if record.state not in TERMINAL:
                await _ended(subscription, until)
        finally:
            self._feed.unsubscribe(subscription)


async def _ended(subscription: Subscription, until: float) -> None:
    clock = asyncio.get_running_loop().time
    while clock() < until:
        await subscription.news(until)
        if any(each.state in _ENDS for each in subscription.take_changes()):
            return
        if isinstance(subscription.error, CursorExpired):
            return  # the feed lost its place; the caller reads the job anew, and may wait again
        if subscription.error is not None:
            raise subscription.error
