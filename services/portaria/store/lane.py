"""Scripts of many callers over one connection: replies come in the order of the calls.

redis-py takes a connection from its pool for every command, checks it, and packs the command in
Python; that costs the door more than all it does itself. Connecting (TLS, password, database) is
still redis-py's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any, TypeVar

from hiredis import pack_command
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Broken
from redis.exceptions import NoScriptError, RedisError, ResponseError

from portaria.store.calls import Call
from portaria.store.faults import translated

Reply = TypeVar("Reply")

_SILENCE = 0.8


class Lane:
    """Sends calls. Raises StoreUnavailable and StoreFull; never sends anything twice.

    The caller bounds each call. One that was given up while nothing at all came from Redis for
    0.8 s takes the connection with it, since its peer may be gone without a word.
    """

    def __init__(self, redis: Redis) -> None:
        self._pool = redis.connection_pool
        self._connection: Any = None
        self._writer: Any = None
        self._connecting = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._outgoing: list[bytes] = []
        self._heard_at = 0.0

    async def run(self, call: Call[Reply]) -> Reply:
        """Sends one call and answers its reply."""
        words = (len(call.keys), *call.keys, *call.arguments)
        with translated():
            reply = await self._send(("EVALSHA", call.script.sha, *words))
            if isinstance(reply, NoScriptError):
                reply = await self._send(("EVAL", call.script.text, *words))
            if isinstance(reply, Exception):
                raise reply
            return call.parse(reply)

    async def close(self) -> None:
        """Closes the connection; who waits is told that the store is unavailable."""
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader

    async def _send(self, words: tuple[Any, ...]) -> Any:
        if self._connection is None:
            await self._connect()
        loop = asyncio.get_running_loop()
        if not self._waiting:
            self._heard_at = loop.time()
        reply: asyncio.Future[Any] = loop.create_future()
        # No await between these two: replies are matched by their order.
        self._waiting.append(reply)
        self._outgoing.append(pack_command(words))
        if len(self._outgoing) == 1:
            # Calls of one turn of the loop go out together: a system call costs more than a call.
            loop.call_soon(self._flush)
        try:
            return await reply
        except asyncio.CancelledError:
            if loop.time() - self._heard_at > _SILENCE and self._reader is not None:
                self._reader.cancel()
            raise

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if outgoing and self._connection is not None:
            self._writer.write(b"".join(outgoing))

    async def _connect(self) -> None:
        async with self._connecting:
            if self._connection is not None:
                return
            connection: Any = self._pool.make_connection()  # type: ignore[no-untyped-call]
            try:
                await connection.connect()
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
            self._connection, self._writer = connection, connection._writer
            self._reader = asyncio.create_task(self._read(connection), name="redis lane")

    async def _read(self, connection: Any) -> None:
        """Hands out replies until the connection ends."""
        error: Exception = Broken("the connection was closed")
        clock = asyncio.get_running_loop().time
        try:
            while True:
                try:
                    reply = await connection.read_response()
                except ResponseError as refusal:
                    reply = refusal
                self._heard_at = clock()
                future = self._waiting.popleft()
                if not future.done():
                    future.set_result(reply)
        except (OSError, RedisError) as broken:
            error = broken
        finally:
            # What comes next waits for a connection of its own.
            abandoned, self._waiting = self._waiting, deque()
            self._outgoing.clear()
            self._connection = None
            for future in abandoned:
                if not future.done():
                    future.set_exception(error)
            await connection.disconnect(nowait=True)
