"""Who opens a connection and says nothing keeps it for some seconds only."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from portaria.storage.hasty import HastyProtocol

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Impatient(HastyProtocol):
    """Within a test."""

    header_seconds = 0.3


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    """Of a server whose answers take longer than it waits for a request."""
    gate = threading.Event()

    def slow(_: Request) -> Response:
        gate.wait(0.6)
        return PlainTextResponse("done")

    app = Starlette(routes=[Route("/", slow)])
    config = uvicorn.Config(app, http=Impatient, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield listener.getsockname()[:2]
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: ", REQUEST + b"GET / HT"])
def test_half_a_request_is_not_waited_for(address: tuple[str, int], sent: bytes) -> None:
    """Neither the first nor a later one; what came whole is answered, however long it takes."""
    with socket.create_connection(address, timeout=10) as connection:
        began = time.monotonic()
        connection.sendall(sent)
        said = b""
        while chunk := connection.recv(4096):
            said += chunk

    assert said.endswith(b"done") == sent.startswith(REQUEST)
    assert 0.25 < time.monotonic() - began < 5
