"""Portaria: a typed job platform. Services hand in jobs at one gRPC door; pools run them.

The base install is the client (`portaria.client`); `portaria.Worker` needs the extra "worker".
"""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Late, so that a caller who installed the client only never imports RQ.
    if name == "Worker":
        from portaria.runtime.worker import Worker

        return Worker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
