"""The connection of a worker's child: one socket, hiredis' packer and parser.

Half the cost of redis-py, which is what a job costs beside its own work. Calls are of scripts that
are harmless twice, so a broken connection is mended by sending again.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import hiredis
from redis import Redis, SSLConnection, UnixDomainSocketConnection

from portaria.core.errors import StoreUnavailable
from portaria.store.calls import Call
from portaria.store.faults import says_not_now

Reply = TypeVar("Reply")

CONNECT_TIMEOUT = 1.0
REPLY_TIMEOUT = 3.0
_PAUSE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a Redis is, and who asks."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""
    db: int = 0
    username: str = ""
    password: str = ""
    tls: bool = False
    ca_file: str | None = None

    @classmethod
    def of(cls, redis: Redis) -> Target:
        """The target of a redis-py client."""
        pool = redis.connection_pool
        given: dict[str, Any] = pool.connection_kwargs
        return cls(
            host=given.get("host") or "127.0.0.1",
            port=int(given.get("port") or 6379),
            path=given["path"] if issubclass(pool.connection_class, _UNIX) else "",
            db=int(given.get("db") or 0),
            username=given.get("username") or "",
            password=given.get("password") or "",
            tls=issubclass(pool.connection_class, SSLConnection),
            ca_file=given.get("ssl_ca_certs"),
        )


_UNIX = UnixDomainSocketConnection


class Wire:
    """Calls, one at a time; safe to share between the threads of one process."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._socket: socket.socket | None = None
        self._reader = hiredis.Reader()
        self._lock = threading.Lock()

    def run(self, call: Call[Reply], *, give_up: Callable[[], bool] = lambda: False) -> Reply:
        """Sends a call until it is answered, over as many connections as that takes.

        Raises StoreUnavailable when `give_up` says so between two tries.
        """
        with self._lock:
            while True:
                try:
                    return call.parse(self._evaluate(call))
                except (OSError, hiredis.HiredisError) as error:
                    self.close()
                    if give_up():
                        raise StoreUnavailable from error
                    select.select([], [], [], _PAUSE)
                except BaseException:
                    # An interruption may have struck between question and answer: without a new
                    # connection, the next question would be given this one's answer.
                    self.close()
                    raise

    def send(self, *words: str | bytes | int) -> None:
        """Sends one command without waiting; for blocking commands. Raises OSError."""
        packed = hiredis.pack_command(words)  # type: ignore[arg-type] # its hint wants one type
        self._connected().sendall(packed)

    def receive(self) -> Any:
        """The next reply. Raises OSError (also where Redis says "not now"), HiredisError, and
        ReplyError as Redis gave it."""
        reader, connection = self._reader, self._connected()
        reply = reader.gets()
        while reply is False:
            data = connection.recv(65536)
            if not data:
                raise ConnectionResetError("closed by Redis")
            reader.feed(data)
            reply = reader.gets()
        if isinstance(reply, hiredis.ReplyError):
            if says_not_now(str(reply)):
                raise _NotNow(str(reply))
            raise reply
        return reply

    def fileno(self) -> int:
        """For select()."""
        return self._connected().fileno()

    def close(self) -> None:
        """Closes the connection; the next use opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _evaluate(self, call: Call[Any]) -> Any:
        rest = (len(call.keys), *call.keys, *call.arguments)
        self.send("EVALSHA", call.script.sha, *rest)
        try:
            return self.receive()
        except hiredis.ReplyError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise ScriptFailed(f"{call.script.name}: {error}") from None
        self.send("EVAL", call.script.text, *rest)
        return self.receive()

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = self._connect()
        return self._socket

    def _connect(self) -> socket.socket:
        target = self._target
        self._reader = hiredis.Reader()
        if target.path:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(CONNECT_TIMEOUT)
            connection.connect(target.path)
        else:
            address = (target.host, target.port)
            connection = socket.create_connection(address, CONNECT_TIMEOUT)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if target.tls:
            context = ssl.create_default_context(cafile=target.ca_file)
            connection = context.wrap_socket(connection, server_hostname=target.host)
        connection.settimeout(REPLY_TIMEOUT)
        self._socket = connection
        if target.password:
            user = (target.username,) if target.username else ()
            self._greet("AUTH", *user, target.password)
        if target.db:
            self._greet("SELECT", target.db)
        return connection

    def _greet(self, *words: str | int) -> None:
        self.send(*words)
        try:
            self.receive()
        except hiredis.ReplyError as error:
            self.close()
            # The words of Redis name no secret; ours would not help more.
            raise ConnectionRefusedError(f"{words[0]}: {error}") from None


class _NotNow(ConnectionError):
    """Redis answers that it cannot at the moment: for callers as good as no connection."""


class ScriptFailed(Exception):
    """A mistake of ours in a script: repeating would not mend it."""
