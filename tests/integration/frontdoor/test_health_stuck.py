"""A health watch that takes nothing: the watchdog does not wait for it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from integration.frontdoor.playing import Door
from portaria.frontdoor.server import ADMIN_SERVICE
from portaria.up.redis_server import RedisServer
from stack import eventually

DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS = 1, 4
INITIAL_WINDOW_SIZE = 4


def test_a_health_watch_that_takes_nothing_freezes_no_health(
    door: Door, redis_server: RedisServer
) -> None:
    """The door tells that it is away and back; of the service that was held up, too, at last."""
    with _watch_that_takes_nothing(door.address, ADMIN_SERVICE):
        redis_server.kill()
        eventually(lambda: not door.is_serving())
        redis_server.start()
        eventually(door.is_serving)
        redis_server.kill()
        eventually(lambda: not door.is_serving())

    expected = HealthCheckResponse.NOT_SERVING
    eventually(lambda: door.health(ADMIN_SERVICE) == expected)


@contextmanager
def _watch_that_takes_nothing(address: str, service: str) -> Iterator[None]:
    """It has no room for a single byte, as no gRPC client would say; its connection answers."""
    request = HealthCheckRequest(service=service).SerializeToString()
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/grpc.health.v1.Health/Watch",
        ":authority": "door",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in headers.items())
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + _frame(SETTINGS, struct.pack(">HI", INITIAL_WINDOW_SIZE, 0))
            + _frame(HEADERS, block, flags=END_HEADERS, stream=1)
            + _frame(DATA, struct.pack(">?I", False, len(request)) + request, END_STREAM, 1)
        )
        # They come with the first message, for which there is no room.
        with connection.makefile("rb") as received:
            while _kind_of_next(received) != HEADERS:
                pass
        yield


def _frame(kind: int, body: bytes, flags: int = 0, stream: int = 0) -> bytes:
    return len(body).to_bytes(3) + struct.pack(">BBI", kind, flags, stream) + body


def _text(value: str) -> bytes:
    return bytes((len(value),)) + value.encode()


def _kind_of_next(received: BinaryIO) -> int:
    head = received.read(9)
    received.read(int.from_bytes(head[:3]))
    return head[3]
