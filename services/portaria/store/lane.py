"""Scripts of many callers over one connection: replies come in the order of the calls.

redis-py takes a connection from its pool for every command, checks it, and packs the command in
Python; that costs the door more than all it does itself. Connecting (TLS, password, database) is
still redis-py's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, TypeVar

from hiredis import pack_command
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Broken
from redis.exceptions import NoScriptError, RedisError, ResponseError

from portaria.core.errors import StoreUnavailable
from portaria.store.calls import Call
from portaria.store.faults import translated

Reply = TypeVar("Reply")

_SILENCE = 0.8
_REPLICAS_MS = 500
"""How long replicas may take; less than what callers have."""


class Lane:
    """Sends calls. Raises StoreUnavailable and StoreFull; never sends anything twice.

    The caller bounds each call. One that was given up while nothing at all came from Redis for
    0.8 s takes the connection with it, since its peer may be gone without a word.

    With `replicas`, a call is answered once so many of them have what it wrote. Where they have
    not within half a second it counts as not done, and may be repeated like any other.
    """

    def __init__(self, redis: Redis, *, replicas: int = 0) -> None:
        self._replicas = replicas
        wait: tuple[Any, ...] = ("WAIT", replicas, _REPLICAS_MS)
        self._wait = pack_command(wait)
        self._copied: asyncio.Future[Any] | None = None
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
            reply, copied = await self._send(("EVALSHA", call.script.sha, *words))
            if isinstance(reply, NoScriptError):
                reply, copied = await self._send(("EVAL", call.script.text, *words))
            if isinstance(reply, Exception):
                if "READONLY" in str(reply):
                    self._leave()
                raise reply
            if copied is not None:
                await self._check(copied)
            return call.parse(reply)

    async def close(self) -> None:
        """Closes the connection; who waits is told that the store is unavailable."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait({self._reader})

    async def _check(self, copied: asyncio.Future[Any]) -> None:
        """Raises StoreUnavailable where too few replicas have it."""
        # Others wait for the same answer: who gives up must not take it from them.
        count = await asyncio.shield(copied)
        if isinstance(count, Exception):
            self._leave()
            raise StoreUnavailable from count
        if count < self._replicas:
            raise StoreUnavailable

    def _leave(self) -> None:
        """What was a master when we connected is none now: the next call looks for the new one."""
        if self._reader is not None:
            self._reader.cancel()

    async def _send(self, words: tuple[Any, ...]) -> tuple[Any, asyncio.Future[Any] | None]:
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
            self._copied = self._shared(loop) if self._replicas else None
            # Calls of one turn of the loop go out together: a system call costs more than a call.
            loop.call_soon(self._flush)
        copied = self._copied
        try:
            return await reply, copied
        except asyncio.CancelledError:
            if loop.time() - self._heard_at > _SILENCE and self._reader is not None:
                self._reader.cancel()
            raise

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if outgoing and self._connection is not None:
            if self._copied is not None:
                # Once for all calls of this turn: while it waits, Redis reads no further ones.
                self._waiting.append(self._copied)
                outgoing.append(self._wait)
            try:
                self._writer.write(b"".join(outgoing))
            except RuntimeError:
                # The transport was closed since, and the reader is not told yet; uvloop says so.
                self._leave()

    @staticmethod
    def _shared(loop: asyncio.AbstractEventLoop) -> asyncio.Future[Any]:
        """A future whose failure nobody needs to hear of: all who waited may have gone."""
        future: asyncio.Future[Any] = loop.create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return future

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
