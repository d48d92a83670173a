"""A receiver of webhooks on a real socket, which fails as it is told."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SILENT, RESET = -1, -2
"""Instead of a status: no answer until the receiver closes, and a reset of the connection."""


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    """Their names in lower case."""
    body: bytes


class Receiver:
    """Answers each request with the next of `answers`, then with 204."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.scheme = "https" if tls else "http"
        self.received: list[Received] = []
        self.answers: list[tuple[int, dict[str, str], bool]] = []
        self._closed = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self.scheme}://127.0.0.1:{self._server.server_port}/hooks?token=canary"

    def answer(self, status: int, *, endless: bool = False, **headers: str) -> None:
        """To a request that is still to come; underscores in names of headers are hyphens. An
        endless body ends with the connection."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, named, endless))

    def close(self) -> None:
        """Listens no more."""
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Received(self.path, headers, self.rfile.read(size)))
                receiver._answer(self)

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        status, headers, endless = self.answers.pop(0) if self.answers else (204, {}, False)
        if status == SILENT:
            self._closed.wait(30)
        elif status == RESET:
            linger = struct.pack("ii", 1, 0)
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            request.connection.close()
        else:
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name, value)
            request.end_headers()
            with suppress(OSError):  # the caller has seen enough
                while endless and not self._closed.is_set():
                    request.wfile.write(b"x" * 65_536)
