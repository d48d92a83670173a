"""A TCP proxy that can fall silent: connections stay open and nothing comes through any more."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Proxy:
    """Listens on any free port of loopback and passes on to another one."""

    def __init__(self, port: int) -> None:
        self.deaf_to = b""
        """A connection over which this comes falls silent there."""
        self._target = ("127.0.0.1", port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.dropped = b""
        """What the last such connection said."""
        self._silent: set[socket.socket] = set()
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.getsockname()[1])

    def silence(self) -> None:
        """Nothing comes through the connections that are open now; new ones are as ever."""
        self._silent |= set(self._sockets)

    def close(self) -> None:
        """Closes everything."""
        for each in (self._server, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(self._target)
                self._sockets += (near, far)
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self.deaf_to and self.deaf_to in data:
                    self._silent.add(source)
                    self.dropped = data
                if source not in self._silent:
                    sink.sendall(data)
