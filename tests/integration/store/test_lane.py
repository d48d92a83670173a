"""The door's connection for scripts, at the moment when it breaks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop

from portaria.core.errors import StoreUnavailable
from portaria.store import calls
from portaria.store.connect import connect_async
from portaria.store.lane import Lane
from portaria.up.redis_server import RedisServer


def test_a_transport_that_was_closed_since_is_an_outage(redis_server: RedisServer) -> None:
    """uvloop refuses to write to it; the caller is told at once, and the next call goes on."""
    unheard: list[dict[str, Any]] = []

    async def submit_while_it_breaks() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: unheard.append(context))
        redis = connect_async(redis_server.url)
        lane = Lane(redis)
        await lane.run(calls.pause("lab:low"))
        lane._writer.transport.abort()

        with pytest.raises(StoreUnavailable):
            async with asyncio.timeout(5):
                await lane.run(calls.resume("lab:low"))

        await lane.run(calls.resume("lab:low"))
        await lane.close()
        await redis.aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(submit_while_it_breaks())

    assert unheard == []
