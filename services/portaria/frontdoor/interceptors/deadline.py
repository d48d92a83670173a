"""Bounds each call: the caller's deadline, or the server's own where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from portaria.core.errors import DeadlineExceeded
from portaria.frontdoor.interceptors.around import Around, Behaviour, Context

DEFAULT_SECONDS = 10.0
_LONG_POLLS = {"WaitJob": 70.0}
# Streams last as long as their watcher does.
_STREAMS = {"WatchJobs", "Watch", "ServerReflectionInfo"}


class Deadline(Around):
    """A call that comes too late is refused before anything is written."""

    def call(
        self, method: str, proceed: Behaviour, request: Any, context: Context
    ) -> Awaitable[Any]:
        remaining: float | None = context.time_remaining()
        if remaining is not None:
            # gRPC itself cancels the call when the deadline passes.
            if remaining <= 0:
                raise DeadlineExceeded("the deadline had passed when the call arrived")
            return proceed(request, context)
        name = method.rpartition("/")[2]
        if name in _STREAMS:
            return proceed(request, context)
        return _bounded(proceed(request, context), _LONG_POLLS.get(name, DEFAULT_SECONDS))


async def _bounded(answering: Awaitable[Any], seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds):
            return await answering
    except TimeoutError:
        raise DeadlineExceeded("the call took longer than the server allows") from None
