"""One reader of the streams for all watchers of this process.

It reads only while somebody watches, and goes on where it was when Redis comes back.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import replace

from portaria.core.errors import CursorExpired, PortariaError, StoreFull, StoreUnavailable
from portaria.frontdoor.attention import REFRESH, Attention
from portaria.frontdoor.cursor import Cursor, entry_order, is_trimmed
from portaria.frontdoor.ending import cancel
from portaria.frontdoor.frames import readable
from portaria.frontdoor.index import Index, interested
from portaria.frontdoor.patience import Patience
from portaria.frontdoor.selector import Selector
from portaria.frontdoor.subscription import LONGEST_WRITE, MOST_CHANGES, Report, Subscription
from portaria.logs import logger
from portaria.store import AsyncStore
from portaria.store.events import groups_of, groups_of_progress, parse_progress

BLOCK_MS = 1_000
# Longer than a read blocks: silence for so long is an outage.
_SILENCE = 3.0
_LINGER = 10.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
# After a read of which nothing was watched, and after one that brought many: to read the events of
# a busy store one by one, and to tell them so, costs the door as much as submitting them did.
_LULL, _MANY, _LONG_LULL = 0.002, 8, 0.005


class Feed:
    """Follows state changes and progress and hands them to subscriptions.

    `store` needs a client of its own without a reply timeout: before Python 3.12 that of redis-py
    (`asyncio.wait_for`) can swallow a cancellation, and the feed would read on.
    """

    def __init__(
        self,
        store: AsyncStore,
        *,
        most_changes: int = MOST_CHANGES,
        longest_write: float = LONGEST_WRITE,
    ) -> None:
        self._store = store
        self._most_changes = most_changes
        self._longest_write = longest_write
        self._index = Index()
        self._task: asyncio.Task[None] | None = None
        self._live = asyncio.Event()
        self._position = Cursor("", "0-0")
        self._progress_position = "0-0"
        self._attention = Attention(store)
        self._ending: PortariaError | None = None

    @property
    def position(self) -> Cursor:
        """Everything up to here was handed out."""
        return self._position

    @property
    def watchers(self) -> int:
        """How many subscriptions there are."""
        return len(self._index)

    async def subscribe(self, selector: Selector, *, progress: bool = True) -> Subscription:
        """From now on, everything that `selector` matches. Raises StoreUnavailable."""
        async with Patience():
            if progress:
                await self._attention.call()
            await self._started()
        if self._ending is not None:
            raise self._ending
        # No await from here on: what is handed out next is what follows `since`.
        subscription = Subscription(
            selector,
            progress=progress,
            most_changes=self._most_changes,
            longest_write=self._longest_write,
        )
        subscription.since = self._position.entry_id
        self._index.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forgets a subscription."""
        self._index.remove(subscription)

    def end(self, error: PortariaError) -> None:
        """Ends all subscriptions, and refuses new ones."""
        self._ending = error
        self._fail_all(error)

    async def close(self) -> None:
        """Stops reading."""
        if self._task is not None:
            await cancel(self._task)
        await self._store.close()

    async def _started(self) -> None:
        while not self._live.is_set():
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._run(), name="feed")
            await self._live.wait()

    async def _run(self) -> None:
        pause, position_known = _SHORTEST_PAUSE, False
        try:
            while True:
                try:
                    async with Patience(_SILENCE):
                        await self._locate(anew=not position_known)
                    pause, position_known = _SHORTEST_PAUSE, True
                    self._live.set()
                    await self._follow()
                    return
                except (StoreUnavailable, StoreFull):
                    self._live.clear()
                    logger().warning("feed interrupted", watchers=len(self._index))
                    await asyncio.sleep(pause * random.uniform(0.5, 1))
                    pause = min(2 * pause, _LONGEST_PAUSE)
        except Exception:
            logger().exception("feed failed", watchers=len(self._index))
            self._fail_all(PortariaError("the feed of events failed"))
        finally:
            self._live.clear()

    async def _locate(self, *, anew: bool) -> None:
        """Finds the place to read on from; ends the watches that would miss something."""
        look = await self._store.look()
        generation = look.generation or await self._store.prepare()
        lost = generation != self._position.generation or is_trimmed(
            self._position, oldest=look.oldest, now_ms=look.now_ms
        )
        if anew or lost:
            self._progress_position = await self._store.progress_tail()
            # No await from here on: whoever subscribes begins at the new place, or is ended.
            if not anew:
                self._fail_all(CursorExpired("the history that this watch needs is gone"))
            self._position = Cursor(generation, look.tail, look.now_ms)
        if any(each.wants_progress for each in self._index):
            await self._attention.renew()

    async def _follow(self) -> None:
        """Hands out what comes until nobody has watched for a while."""
        watched_at = located_at = _clock()
        while self._index or _clock() - watched_at < _LINGER:
            if self._index:
                watched_at = _clock()
            if _clock() - located_at > REFRESH:
                async with Patience(_SILENCE):
                    await self._locate(anew=False)
                located_at = _clock()
            async with Patience(_SILENCE):
                changes, reports = await self._store.follow(
                    self._position.entry_id, self._progress_position, BLOCK_MS
                )
            watched = self._hand_out(changes, reports)
            if len(changes) + len(reports) >= _MANY:
                await asyncio.sleep(_LONG_LULL)
            elif not watched and (changes or reports):
                await asyncio.sleep(_LULL)

    def _hand_out(
        self,
        changes: list[tuple[bytes, bytes]],
        reports: list[tuple[bytes, bytes, bytes]],
    ) -> int:
        """How many were watched. In one go, so that position and subscriptions always agree."""
        count = sum(self._hand_out_change(*each) for each in changes)
        count += sum(self._hand_out_report(*each) for each in reports)
        if changes:
            self._position = replace(self._position, entry_id=changes[-1][0].decode())
        if reports:
            self._progress_position = reports[-1][0].decode()
        return count

    def _hand_out_change(self, entry_id: bytes, packed: bytes) -> bool:
        candidates = self._index.candidates(packed, groups_of)
        if not candidates:
            return False
        change = readable(entry_id, packed)
        if change is not None:
            for each in interested(candidates, change.tag):
                each.offer_change(change)
        return True

    def _hand_out_report(self, entry_id: bytes, packed: bytes, body: bytes) -> bool:
        candidates = self._index.candidates(packed, groups_of_progress)
        if not candidates:
            return False
        with suppress(ValueError):  # written by others: progress is no promise
            report = Report(entry_order(entry_id)[0], parse_progress(packed, body))
            for each in interested(candidates, report.event.tag):
                if each.wants_progress:
                    each.offer_report(report)
        return True

    def _fail_all(self, error: PortariaError) -> None:
        for each in self._index:
            each.fail(error)


def _clock() -> float:
    return asyncio.get_running_loop().time()
