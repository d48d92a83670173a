"""A TCP proxy that kills its client in the middle of a dialogue, at a chosen piece of it.

It stands between a worker and one of its servers. What it stops never arrives, however quick the
process that is being killed still is.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from stack.eventually import eventually

Filter = Callable[[str, bytes], int | None]
"""Looks at a piece: its way (">" to the server, "<" from it) and bytes; how many of them may pass
before the client is killed, or None for all, and on it goes."""


class Traps:
    """Listens on a port of its own. A context."""

    def __init__(
        self, target: int, new_filter: Callable[[], Filter], killed: Callable[[int], object]
    ) -> None:
        """`target` is the server's port on 127.0.0.1; there is a filter a connection. `killed` is
        told whose turn it was, a process, or 0 where it was gone; on any thread."""
        self._target = target
        self._new_filter = new_filter
        self._killed = killed
        self._open: list[socket.socket] = []

    def __enter__(self) -> Traps:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        _start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._open):
            _shut(each)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, (_, port) = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    client.close()
                    continue
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open += (client, server)
                lock, look = threading.Lock(), self._new_filter()
                for way, source, sink in ((">", client, server), ("<", server, client)):
                    one_by_one = partial(_locked, lock, look, way)
                    _start(partial(self._pass, source, sink, port, one_by_one))

    def _pass(
        self,
        source: socket.socket,
        sink: socket.socket,
        port: int,
        look: Callable[[bytes], int | None],
    ) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 20):
                passes = look(data)
                sink.sendall(data[:passes])
                if passes is not None:
                    self._killed(kill_owner(port, self.port))
                    break
        for each in (source, sink):
            _shut(each)


def kill_owner(port: int, to: int) -> int:
    """SIGKILL for the process of ours with the connection between these ports; its id, or 0."""
    with suppress(AssertionError):
        # While connections and processes come and go, a look at /proc may miss one.
        owner = eventually(lambda: _owner(_inode(port, to)), 2)
        os.kill(owner, signal.SIGKILL)
        return owner
    return 0


def _owner(inode: str) -> int:
    ours = _descendants(os.getpid())
    return next((each for each in ours if inode and inode in _sockets(each)), 0)


def _inode(port: int, to: int) -> str:
    """Of the client's socket; empty where that is gone."""
    ends = [f"0100007F:{port:04X}", f"0100007F:{to:04X}"]
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines())
    return next((words[9] for words in lines if words[1:3] == ends and words[9] != "0"), "")


def _sockets(process: int) -> Iterable[str]:
    with suppress(OSError):
        for link in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                yield os.readlink(link).removeprefix("socket:[").removesuffix("]")


def _descendants(process: int) -> Iterator[int]:
    """The youngest generation last."""
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield int(child)
                yield from _descendants(int(child))


def _locked(lock: threading.Lock, look: Filter, way: str, data: bytes) -> int | None:
    with lock:
        return look(way, data)


def _start(what: Callable[[], object]) -> None:
    threading.Thread(target=what, daemon=True).start()


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
