"""The connections that callers have to this process, as the kernel knows them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_OPEN_FILES = Path("/proc/self/fd")
_INTERNET = (socket.AF_INET, socket.AF_INET6)


def hang_up(port: int) -> None:
    """Takes no new connections to a port that this process listens on, and ends those that are.

    A call that is in flight then is UNAVAILABLE to its caller, and may be repeated. gRPC itself
    answers what comes while it stops with CANCELLED, which tells a caller nothing. Where there is
    no /proc, and for Unix sockets, nothing is done.
    """
    for listens in (True, False):
        for each in _sockets(port):
            if bool(each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)) is listens:
                # A connection may have ended by itself.
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


def _sockets(port: int) -> Iterator[socket.socket]:
    """All TCP sockets of this process at a port, each a copy that is closed after its turn."""
    for entry in list(_OPEN_FILES.iterdir()) if _OPEN_FILES.is_dir() else ():
        try:
            if not os.readlink(entry).startswith("socket:"):
                continue
            copy = socket.socket(fileno=os.dup(int(entry.name)))
        except OSError:
            continue  # it was closed since
        with copy:
            is_tcp = copy.type == socket.SOCK_STREAM and copy.family in _INTERNET
            if is_tcp and copy.getsockname()[1] == port:
                yield copy
