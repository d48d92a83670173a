"""Watches: the present state of jobs, then each change, without a gap and without a repeat.

A subscription is taken first and the jobs are read after it, together with the newest entry of the
stream at that moment: what comes later than that entry is news, what does not is in the snapshot.
A watch with a cursor reads the history from there up to where its subscription began.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from portaria.frontdoor.convert import Converter
from portaria.frontdoor.feed import Feed
from portaria.frontdoor.opening import open_watch
from portaria.frontdoor.plan import plan_from_proto
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.stream import Stream
from portaria.v1.jobs_service_pb2 import WatchJobsRequest, WatchJobsResponse

HEARTBEAT = 15.0


class Watches:
    """Serves WatchJobs. `heartbeat` is the longest silence, in seconds."""

    def __init__(
        self,
        *,
        store: PromptStore,
        feed: Feed,
        converter: Converter,
        namespace: str,
        heartbeat: float = HEARTBEAT,
    ) -> None:
        self._store = store
        self._feed = feed
        self._converter = converter
        self._namespace = namespace
        self._heartbeat = heartbeat

    async def serve(
        self, request: WatchJobsRequest, write: Callable[[WatchJobsResponse], Awaitable[None]]
    ) -> None:
        """Writes frames until all is told, the caller leaves, or the watch is ended.

        Raises InvalidRequest, NotFound, CursorExpired, StoreUnavailable, SlowWatcher, ShuttingDown.
        """
        plan = plan_from_proto(request, self._namespace)
        subscription = await self._feed.subscribe(plan.selector)
        try:
            opening = await open_watch(
                plan, subscription, store=self._store, feed=self._feed, converter=self._converter
            )
            stream = Stream(
                plan=plan,
                opening=opening,
                subscription=subscription,
                store=self._store,
                feed=self._feed,
                converter=self._converter,
                heartbeat=self._heartbeat,
                write=write,
            )
            await stream.run()
        finally:
            self._feed.unsubscribe(subscription)
