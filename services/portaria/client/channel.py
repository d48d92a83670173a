"""Where the door is, and how a channel to it behaves."""

import os
from collections.abc import Mapping
from ipaddress import ip_address

from portaria.core.errors import ConfigurationError

DEFAULT_ADDRESS = "127.0.0.1:50051"
ADDRESS_VARIABLE = "PORTARIA_ADDRESS"

_MESSAGE_LIMIT = 8 * 1024 * 1024

Options = tuple[tuple[str, int | str], ...]
OPTIONS: Options = (
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
    # Of several doors each gets its share, and one that is away gets none.
    ("grpc.lb_policy_name", "round_robin"),
)


def address_or_default(address: str | None, environ: Mapping[str, str] | None = None) -> str:
    """The address given, else PORTARIA_ADDRESS, else 127.0.0.1:50051."""
    environ = os.environ if environ is None else environ
    return address or environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS


def target_of(address: str) -> str:
    """What gRPC resolves: an address as it is, and IP:PORT,IP:PORT as `ipv4:IP:PORT,IP:PORT`.

    A name is none of a list: gRPC looks up one name, again whenever a door is away, and calls all
    the addresses that it has. Raises ConfigurationError.
    """
    if "," not in address or address.startswith(("ipv4:", "ipv6:")):
        return address
    doors = [each.strip() for each in address.split(",")]
    versions = {_version(each) for each in doors}
    if versions not in ({4}, {6}):
        raise ConfigurationError(
            f'"{address}": a list of doors is IP:PORT,IP:PORT, either IPv4 or IPv6; '
            "a name is given alone, and may stand for several addresses"
        )
    return f"ipv{versions.pop()}:{','.join(doors)}"


def doors_of(address: str) -> list[str]:
    """Each door of a list, to be called alone; a name counts as one. Raises ConfigurationError."""
    target = target_of(address)
    scheme, _, listed = target.partition(":")
    return listed.lstrip("/").split(",") if scheme in ("ipv4", "ipv6") else [target]


def options_of(target: str, *, tls: bool) -> Options:
    """How a channel to a target behaves.

    gRPC holds the certificates of all doors against one name, and of a list would take the list
    itself: with TLS it is the IP that they share. Raises ConfigurationError where they share none.
    """
    doors = doors_of(target)
    if not tls or len(doors) == 1:
        return OPTIONS
    hosts = {each.rpartition(":")[0] for each in doors}
    if len(hosts) > 1:
        raise ConfigurationError(
            f'"{",".join(doors)}": with TLS the doors of a list share one IP; for several IPs '
            "give one name that stands for them, with certificates for this name"
        )
    return (*OPTIONS, ("grpc.default_authority", hosts.pop()))


def _version(door: str) -> int:
    """4 or 6; 0 for what is no IP:PORT."""
    host, _, port = door.rpartition(":")
    try:
        version = ip_address(host.removeprefix("[").removesuffix("]")).version
    except ValueError:
        return 0
    is_whole = port.isdecimal() and host.startswith("[") == (version == 6)
    return version if is_whole else 0


class ProcessGuard:
    """Notices that the process was forked: gRPC's threads do not follow into the child."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def check(self) -> None:
        """Raises RuntimeError in a child of the process that opened the channel."""
        if os.getpid() != self._pid:
            raise RuntimeError("the client was opened before a fork: make one in each process")
