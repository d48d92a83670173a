"""Runs the server of downloads."""

from __future__ import annotations

import signal
import socket
import sys
from types import FrameType

import uvicorn

from portaria import logs
from portaria.core.errors import ConfigurationError
from portaria.core.seal import load_key_ring
from portaria.settings import Settings
from portaria.storage.downloads import downloads_app
from portaria.storage.hasty import HastyProtocol
from portaria.storage.opening import is_local, local_store

_MOST_CONNECTIONS = 512
_IDLE = 5
"""Seconds."""


def run(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then lets downloads end within the grace.

    Raises ConfigurationError.
    """
    if not is_local(settings):
        raise ConfigurationError("documents lie in S3, and so do the links: nothing to serve here")
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises what it caught once more in the end.
        signal.signal(number, _leave)
    app = downloads_app(local_store(settings), load_key_ring(settings.key_file))
    logs.configure(level=settings.log_level, style=settings.log_format)
    with _listen(settings.downloads_listen) as listener:
        host, port = listener.getsockname()[:2]
        logs.logger().info("downloads listening", address=f"{host}:{port}")
        config = uvicorn.Config(
            app,
            access_log=False,  # a path is a secret: whoever has it may fetch the document
            date_header=True,
            http=HastyProtocol,
            lifespan="off",
            limit_concurrency=_MOST_CONNECTIONS,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=int(settings.grace_seconds),
            timeout_keep_alive=_IDLE,
        )
        uvicorn.Server(config).run([listener])


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), int(port)), family=family)
    except OSError as error:
        raise ConfigurationError(
            f"PORTARIA_DOWNLOADS_LISTEN: cannot listen on {address}: {error.strerror}"
        ) from None


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(0)
