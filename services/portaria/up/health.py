"""Asks whether a process of this system works; what a container's health check runs.

    python -m portaria.up.health [ADDRESS]     the door, with the standard protocol of gRPC
    python -m portaria.up.health --worker      a worker on this host, in RQ's register

Ends with 0 where it does, 1 where it does not, 2 for settings that cannot be used. ADDRESS is
PORTARIA_ADDRESS unless given.
"""

from __future__ import annotations

import socket
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from portaria.client.tls import channel_credentials, pem_or_default
from portaria.core.errors import ConfigurationError
from portaria.core.pem import Pem
from portaria.settings import load_settings


def is_serving(
    address: str, *, within: float = 1.0, service: str = "", pem: Pem | None = None
) -> bool:
    """Whether the door at an address answers SERVING; waits up to `within` seconds for it."""
    with _channel(address, pem) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=service),
                timeout=within,
                wait_for_ready=True,
            )
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _channel(address: str, pem: Pem | None) -> grpc.Channel:
    if pem is None:
        return grpc.insecure_channel(address)
    return grpc.secure_channel(address, channel_credentials(pem))


def main(arguments: list[str]) -> int:
    """The exit code; says on stderr what does not work."""
    try:
        settings, pem = load_settings(), pem_or_default(None)
    except ConfigurationError as error:
        print(error.message, file=sys.stderr)
        return 2
    if arguments == ["--worker"]:
        # Late: a door's check needs no Redis client.
        from portaria.up.checks import has_worker_on

        return _verdict(
            has_worker_on(socket.gethostname(), settings.redis_url), "no worker is registered"
        )
    address = arguments[0] if arguments else settings.address
    return _verdict(is_serving(address, pem=pem), f"the door at {address} does not serve")


def _verdict(good: bool, otherwise: str) -> int:
    if not good:
        print(otherwise, file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
