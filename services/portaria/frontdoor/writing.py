"""Frames on their way to a caller who may leave at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from grpc import aio

from portaria.v1.jobs_service_pb2 import WatchJobsResponse


def whole_writes(
    context: aio.ServicerContext[Any, Any],
) -> Callable[[WatchJobsResponse], Awaitable[None]]:
    """The context's `write`, which comes to its end even where the call is cancelled meanwhile.

    What gRPC had handed down of a write that is broken off, it never frees (grpc/grpc#43360).
    """

    async def write(frame: WatchJobsResponse) -> None:
        writing = asyncio.ensure_future(context.write(frame))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            writing.add_done_callback(_look_at)
            raise

    return write


def _look_at(writing: asyncio.Future[None]) -> None:
    """That it failed is no news, nor an error, once its caller has left."""
    if not writing.cancelled():
        writing.exception()
