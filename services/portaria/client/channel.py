"""Where the door is, and how a channel to it behaves."""

import os
from collections.abc import Mapping

DEFAULT_ADDRESS = "127.0.0.1:50051"
ADDRESS_VARIABLE = "PORTARIA_ADDRESS"

_MESSAGE_LIMIT = 8 * 1024 * 1024

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", _MESSAGE_LIMIT),
    ("grpc.max_send_message_length", _MESSAGE_LIMIT),
    # A peer that vanished without a word is noticed after 40 s. The door allows a ping each 10 s.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # gRPC's own pauses grow to two minutes; our loops decide when to try again.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # The door is an inner address: a proxy for the outside must not get its calls.
    ("grpc.enable_http_proxy", 0),
    # Two clients of one process must not share a connection: closing one would not close it.
    ("grpc.use_local_subchannel_pool", 1),
)


def address_or_default(address: str | None, environ: Mapping[str, str] | None = None) -> str:
    """The address given, else PORTARIA_ADDRESS, else 127.0.0.1:50051."""
    environ = os.environ if environ is None else environ
    return address or environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS


class ProcessGuard:
    """Notices that the process was forked: gRPC's threads do not follow into the child."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def check(self) -> None:
        """Raises RuntimeError in a child of the process that opened the channel."""
        if os.getpid() != self._pid:
            raise RuntimeError("the client was opened before a fork: make one in each process")
