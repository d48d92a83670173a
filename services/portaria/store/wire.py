"""The connection of a worker's child: one socket, hiredis' packer and parser.

Half the cost of redis-py, which is what a job costs beside its own work. Calls are of scripts that
are harmless twice, so a broken connection is mended by sending again.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import hiredis
from redis import Redis, SSLConnection, UnixDomainSocketConnection
from redis.sentinel import SentinelConnectionPool

from portaria.core.errors import StoreUnavailable
from portaria.store.calls import Argument, Call, Read
from portaria.store.faults import says_not_now
from portaria.store.sentinel import SENTINEL_PATIENCE

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
    cert_file: str | None = None
    key_file: str | None = None
    sentinels: tuple[Target, ...] = ()
    """Whom to ask for host and port of the master; none where they are known."""
    service: str = ""

    @classmethod
    def of(cls, redis: Redis) -> Target:
        """The target of a redis-py client."""
        pool = redis.connection_pool
        given: dict[str, Any] = pool.connection_kwargs
        target = cls(
            host=given.get("host") or "127.0.0.1",
            port=int(given.get("port") or 6379),
            path=given["path"] if issubclass(pool.connection_class, _UNIX) else "",
            db=int(given.get("db") or 0),
            username=given.get("username") or "",
            password=given.get("password") or "",
            tls=issubclass(pool.connection_class, SSLConnection),
            ca_file=given.get("ssl_ca_certs"),
            cert_file=given.get("ssl_certfile"),
            key_file=given.get("ssl_keyfile"),
        )
        if not isinstance(pool, SentinelConnectionPool):
            return target
        sentinels = tuple(cls.of(each) for each in pool.sentinel_manager.sentinels)
        return replace(target, sentinels=sentinels, service=pool.service_name)

    def resolved(self) -> Target:
        """With the master's address, where sentinels must be asked for it. Raises OSError."""
        if not self.sentinels:
            return self
        for sentinel in self.sentinels:
            wire = Wire(sentinel, patience=SENTINEL_PATIENCE)
            try:
                wire.send("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service)
                found = wire.receive()
            except (OSError, hiredis.HiredisError, hiredis.ReplyError):
                continue
            finally:
                wire.close()
            if found:
                return replace(self, host=found[0].decode(), port=int(found[1]))
        raise ConnectionError("no sentinel names a master")


_UNIX = UnixDomainSocketConnection


class Wire:
    """Calls, one at a time; safe to share between the threads of one process."""

    def __init__(self, target: Target, *, patience: float | None = None) -> None:
        """`patience` bounds connecting and each reply, instead of the usual timeouts."""
        self._target = target
        self._connect_timeout = patience or CONNECT_TIMEOUT
        self._reply_timeout = patience or REPLY_TIMEOUT
        self._socket: socket.socket | None = None
        self._reader = hiredis.Reader()
        self._lock = threading.Lock()
        self._is_abandoned = False
        self._is_asked = False

    def run(
        self, call: Call[Reply] | Read[Reply], *, give_up: Callable[[], bool] = lambda: False
    ) -> Reply:
        """Sends a call until it is answered, over as many connections as that takes.

        Raises StoreUnavailable when `give_up` says so between two tries.
        """
        if self._is_abandoned:
            raise RuntimeError("a fork of the process that runs a job has no part in it")
        with self._lock:
            if self._is_asked:
                self.close()  # what was asked and not awaited would be taken for its answer
            try:
                return self._insist(call, give_up)
            except BaseException:
                # An interruption may have struck between question and answer, or before a broken
                # connection was closed: without a new one, the next question would be given this
                # one's answer.
                self.close()
                raise

    def ask(self, many: Sequence[Call[Reply]]) -> Callable[[], list[Reply]]:
        """Sends calls together and does not wait; what it returns waits for their answers as `run`.

        They take effect in their order, once or twice. For a wire of one thread: nothing else is
        sent over it in between, and what was not waited for is forgotten by the next use.
        """
        if self._is_abandoned:
            raise RuntimeError("a fork of the process that runs a job has no part in it")
        if self._is_asked:
            self.close()  # its answers would be taken for those to come
        # Before it is true: an interruption may strike right after the sending.
        self._is_asked = True
        try:
            self._connected().sendall(b"".join(map(_packed, many)))
        except OSError:
            self.close()
        except BaseException:
            self.close()
            raise
        return partial(self._answered, many)

    def _answered(self, many: Sequence[Call[Reply]]) -> list[Reply]:
        if not self._is_asked:
            return [self.run(call) for call in many]
        try:
            replies = [self._received() for _ in many]
        except BaseException as error:
            self.close()
            if isinstance(error, OSError | hiredis.HiredisError):
                return [self.run(call) for call in many]
            raise
        self._is_asked = False
        if any(isinstance(reply, hiredis.ReplyError) for reply in replies):
            # Redis does not know the script; or `run` will say what is wrong.
            return [self.run(call) for call in many]
        return [call.parse(reply) for call, reply in zip(many, replies, strict=True)]

    def send(self, *words: str | bytes | int) -> None:
        """Sends one command without waiting; for blocking commands. Raises OSError."""
        self._connected().sendall(_command(words))

    def receive(self) -> Any:
        """The next reply. Raises OSError (also where Redis says "not now"), HiredisError, and
        ReplyError as Redis gave it."""
        reply = self._received()
        if isinstance(reply, hiredis.ReplyError):
            if says_not_now(str(reply)):
                raise _NotNow(str(reply))
            raise reply
        return reply

    def _received(self) -> Any:
        reader, connection = self._reader, self._connected()
        reply = reader.gets()
        while reply is False:
            data = connection.recv(65536)
            if not data:
                raise ConnectionResetError("closed by Redis")
            reader.feed(data)
            reply = reader.gets()
        return reply

    def fileno(self) -> int:
        """For select()."""
        return self._connected().fileno()

    def close(self) -> None:
        """Closes the connection; the next use opens another."""
        connection, self._socket = self._socket, None
        self._is_asked = False
        if connection is not None:
            # A handler may have closed the descriptor.
            with suppress(OSError):
                connection.close()

    def abandon(self) -> None:
        """In a fork of the process that owns it: closes the copy, and refuses to run."""
        self._is_abandoned = True
        self.close()

    def forget(self) -> None:
        """Opens another connection next time, and leaves alone what its descriptor is by now."""
        connection, self._socket = self._socket, None
        self._is_asked = False
        if connection is not None:
            connection.detach()

    def _insist(self, call: Call[Reply] | Read[Reply], give_up: Callable[[], bool]) -> Reply:
        while True:
            try:
                if isinstance(call, Read):
                    return call.parse(self._answers(call))
                return call.parse(self._evaluate(call))
            except (OSError, hiredis.HiredisError) as error:
                self.close()
                if give_up():
                    raise StoreUnavailable from error
                select.select([], [], [], _PAUSE)

    def _evaluate(self, call: Call[Any]) -> Any:
        rest = (len(call.keys), *call.keys, *call.arguments)
        self._connected().sendall(_packed(call))
        try:
            return self.receive()
        except hiredis.ReplyError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise ScriptFailed(f"{call.script.name}: {error}") from None
        self.send("EVAL", call.script.text, *rest)
        return self.receive()

    def _answers(self, read: Read[Any]) -> list[Any]:
        self._connected().sendall(b"".join(map(_command, read.commands)))
        return [self.receive() for _ in read.commands]

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = self._connect()
        return self._socket

    def _connect(self) -> socket.socket:
        target = self._target.resolved()
        context = _tls(target) if target.tls else None
        self._reader = hiredis.Reader()
        if target.path:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(self._connect_timeout)
            connection.connect(target.path)
        else:
            address = (target.host, target.port)
            connection = socket.create_connection(address, self._connect_timeout)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if context:
            connection = context.wrap_socket(connection, server_hostname=target.host)
            connection.settimeout(self._reply_timeout)
        else:
            _bound_in_kernel(connection, self._reply_timeout)
        self._socket = connection
        if target.password:
            user = (target.username,) if target.username else ()
            self._greet("AUTH", *user, target.password)
        if target.db:
            self._greet("SELECT", target.db)
        if target.tls:
            # Reads what TLS itself sends first, which select() would take for a reply.
            self._greet("PING")
        if target.sentinels and self._greet("ROLE")[0] != b"master":
            self.close()
            raise ConnectionError("the server that the sentinels name is no master")
        return connection

    def _greet(self, *words: str | int) -> Any:
        self.send(*words)
        try:
            return self.receive()
        except hiredis.ReplyError as error:
            self.close()
            # The words of Redis name no secret; ours would not help more.
            raise ConnectionRefusedError(f"{words[0]}: {error}") from None


def _packed(call: Call[Any]) -> bytes:
    return _command(("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.arguments))


def _command(words: Sequence[Argument]) -> bytes:
    # Not numbers: where a signal's handler raises while it writes one, hiredis crashes.
    plain = tuple([each if isinstance(each, str | bytes) else str(each) for each in words])
    packed: bytes = hiredis.pack_command(plain)  # type: ignore[arg-type] # its hint wants one type
    return packed


def _bound_in_kernel(connection: socket.socket, seconds: float) -> None:
    """A timeout that costs nothing: Python's own polls before each send and each receive."""
    connection.settimeout(None)
    moment = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
    for side in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connection.setsockopt(socket.SOL_SOCKET, side, moment)


def _tls(target: Target) -> ssl.SSLContext:
    """The server is verified, always; we show a certificate where we have one."""
    context = ssl.create_default_context(cafile=target.ca_file)
    if target.cert_file:
        context.load_cert_chain(target.cert_file, target.key_file)
    return context


class _NotNow(ConnectionError):
    """Redis answers that it cannot at the moment: for callers as good as no connection."""


class ScriptFailed(Exception):
    """A mistake of ours in a script: repeating would not mend it."""
