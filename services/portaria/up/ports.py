"""Ports that nobody has."""

import random
import socket

# Below the ports that outgoing connections take, so that none of them steals a port between our
# look and the bind of the process that will have it.
_FIRST, _LAST = 20_000, 32_000


def free_port() -> int:
    """A TCP port that nobody on 127.0.0.1 listens on. Raises OSError where there is none."""
    for port in random.sample(range(_FIRST, _LAST), 200):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port on 127.0.0.1")


def claim(host: str, port: int) -> socket.socket:
    """Takes a port for a door of this system to listen on, until the answer is closed.

    A look at the port sees who listens there; a name in the kernel, gone with its owner, keeps away
    other systems that start at the same moment. Raises OSError where either is there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            name.bind(f"\0portaria-up:{port}")
        except OSError:
            name.close()
            raise
        return name
