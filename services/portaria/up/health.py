"""Asks whether a process of this system works; what a container's health check runs.

    python -m portaria.up.health [ADDRESS]     the doors, with the standard protocol of gRPC
    python -m portaria.up.health --worker      a worker on this host, in RQ's register
    python -m portaria.up.health --scheduler   a scheduler on this host that says that it lives
    python -m portaria.up.health --downloads   what listens at PORTARIA_DOWNLOADS_LISTEN

Ends with 0 where it does, 1 where it does not, 2 for settings that cannot be used. ADDRESS is
PORTARIA_ADDRESS unless given; of several doors in it, each must work.
"""

from __future__ import annotations

import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPConnection, HTTPException

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from portaria.client.channel import OPTIONS, doors_of
from portaria.client.tls import channel_credentials, pem_or_default
from portaria.core.errors import ConfigurationError
from portaria.core.pem import Pem
from portaria.settings import load_settings


def is_serving(
    address: str, *, within: float = 1.0, service: str = "", pem: Pem | None = None
) -> bool:
    """Whether the door at an address, not a list, answers SERVING within so many seconds."""
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


def answers_http(address: str, *, within: float = 0.5) -> bool:
    """Whether an HTTP server at an address answers anything at all."""
    connection = HTTPConnection(address, timeout=within)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return True


def _channel(address: str, pem: Pem | None) -> grpc.Channel:
    if pem is None:
        return grpc.insecure_channel(address, OPTIONS)
    return grpc.secure_channel(address, channel_credentials(pem), OPTIONS)


def main(arguments: list[str]) -> int:
    """The exit code; says on stderr what does not work."""
    try:
        settings, pem = load_settings(), pem_or_default(None)
        if arguments == ["--worker"]:
            faults = _of_worker(settings.redis_url)
        elif arguments == ["--scheduler"]:
            faults = _of_scheduler(settings.redis_url)
        elif arguments == ["--downloads"]:
            faults = _of_downloads(settings.downloads_listen)
        else:
            faults = _of_doors(arguments[0] if arguments else settings.address, pem)
    except ConfigurationError as error:
        print(error.message, file=sys.stderr)
        return 2
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _of_worker(redis_url: str) -> list[str]:
    # Late: a door's check needs no Redis client.
    from portaria.up.checks import has_worker_on

    found = has_worker_on(socket.gethostname(), redis_url)
    return [] if found else ["no worker is registered"]


def _of_scheduler(redis_url: str) -> list[str]:
    from portaria.up.checks import has_scheduler_on

    found = has_scheduler_on(socket.gethostname(), redis_url)
    return [] if found else ["no scheduler lives here"]


def _of_downloads(listen: str) -> list[str]:
    from portaria.up.place import address_of

    found = answers_http(address_of(listen), within=3)
    return [] if found else ["downloads are not served here"]


def _of_doors(address: str, pem: Pem | None) -> list[str]:
    doors = doors_of(address)
    # All at once: who asks has some seconds, however many there are.
    with ThreadPoolExecutor(len(doors)) as pool:
        answers = list(pool.map(partial(is_serving, pem=pem), doors))
    silent = (door for door, serves in zip(doors, answers, strict=True) if not serves)
    return [f"the door at {door} does not serve" for door in silent]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
