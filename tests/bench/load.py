"""One client process of a load: submits no-op jobs, so many in flight, counts those of a window.

    python -m bench.load ADDRESS IN_FLIGHT START SECONDS BATCH

BATCH is how many jobs a call hands in; 0 stands for SubmitJob, one job each.

START is a moment of the monotonic clock, which all processes of a machine share. It sends before it
and after it, too, so that all clients of a load are at work in the whole window. Prints the count.

It speaks just enough HTTP/2 for that, over a socket: gRPC's own client costs as much as the door
that is measured, and on a small machine would take the processor away from it.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Iterator

from bench.noop_jobs import noop_batch, noop_request
from portaria.core.ids import new_request_id

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_OVERLAP = 0.2


class Connection:
    """One HTTP/2 connection that makes one kind of unary call."""

    def __init__(self, address: str, path: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = _headers(path, address)
        self._stream = -1
        self._rest = b""
        # No table of headers, so that a status is always spelled out; windows that never fill.
        settings = struct.pack(">HIHI", 1, 0, 4, 2**31 - 1)
        window = struct.pack(">I", 2**31 - 2**16)
        self._socket.sendall(_PREFACE + _frame(_SETTINGS, settings) + _frame(_WINDOW, window))

    def call(self, messages: list[bytes]) -> None:
        """Sends so many calls at once."""
        frames = []
        for message in messages:
            self._stream += 2
            body = struct.pack(">BI", 0, len(message)) + message
            frames.append(_frame(_HEADERS, self._head, _END_HEADERS, self._stream))
            frames.append(_frame(_DATA, body, _END_STREAM, self._stream))
        self._socket.sendall(b"".join(frames))

    def answered(self) -> int:
        """Waits for news; how many calls it ended. Raises RuntimeError where one failed."""
        count = 0
        for kind, flags, payload in self._frames():
            if kind == _HEADERS and flags & _END_STREAM:
                if b"grpc-status\x010" not in payload:
                    raise RuntimeError(f"a call failed: {payload!r}")
                count += 1
            elif kind in (_SETTINGS, _PING) and not flags & _ACK:
                self._socket.sendall(_frame(kind, payload if kind == _PING else b"", _ACK))
            elif kind in (_RESET, _GOAWAY):
                raise RuntimeError(f"the door ended it: {payload!r}")
        return count

    def _frames(self) -> Iterator[tuple[int, int, bytes]]:
        received = self._socket.recv(1 << 18)
        if not received:
            raise RuntimeError("the door closed the connection")
        data, at = self._rest + received, 0
        while at + 9 <= len(data):
            end = at + 9 + int.from_bytes(data[at : at + 3], "big")
            if end > len(data):
                break
            yield data[at + 3], data[at + 4], data[at + 9 : end]
            at = end
        self._rest = data[at:]


def _frame(kind: int, payload: bytes, flags: int = 0, stream: int = 0) -> bytes:
    head = struct.pack(">BBI", kind, flags, stream)
    return len(payload).to_bytes(3, "big") + head + payload


def _headers(path: str, authority: str) -> bytes:
    """The headers of a call in HPACK: method and scheme by index, the rest spelled out."""

    def text(value: str) -> bytes:
        return bytes([len(value)]) + value.encode()

    spelled = (
        b"\x04" + text(path),
        b"\x01" + text(authority),
        b"\x0f\x10" + text("application/grpc"),
        b"\x00" + text("te") + text("trailers"),
    )
    return b"\x83\x86" + b"".join(spelled)


def load(address: str, in_flight: int, start: float, seconds: float, batch: int) -> int:
    """How many calls were answered in the window."""
    method = "BatchSubmitJobs" if batch else "SubmitJob"
    connection = Connection(address, f"/portaria.v1.JobsService/{method}")
    request = noop_batch(batch) if batch else noop_request()
    request.ClearField("request_id")
    # Fields may come in any order: what is the same in each call is made once.
    body, field = request.SerializeToString(), type(request)()
    run, count, sent, ended = new_request_id(), 0, 0, in_flight
    while (now := time.monotonic()) < start + seconds + _OVERLAP:
        messages = []
        for _ in range(ended):
            sent += 1
            field.request_id = f"{run}-{sent}"
            messages.append(body + field.SerializeToString())
        connection.call(messages)
        ended = connection.answered()
        count += ended if start <= now < start + seconds else 0
    return count


if __name__ == "__main__":
    where, lanes, begin, length, together = sys.argv[1:]
    print(load(where, int(lanes), float(begin), float(length), int(together)))
