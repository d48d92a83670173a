"""The gRPC server: services, interceptors and options; nothing of what they do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2_grpc import add_ServerReflectionServicer_to_server

from portaria.core.errors import ConfigurationError
from portaria.frontdoor.admin_servicer import AdminServicer
from portaria.frontdoor.connections import hang_up
from portaria.frontdoor.drain import Drain
from portaria.frontdoor.facade import Facades
from portaria.frontdoor.interceptors import chain
from portaria.frontdoor.jobs_servicer import JobsServicer
from portaria.frontdoor.reflecting import Reflection
from portaria.frontdoor.schedules_servicer import SchedulesServicer
from portaria.frontdoor.submitter import Submitter
from portaria.intake.catalogue import Catalogue
from portaria.v1 import admin_service_pb2, jobs_service_pb2, schedules_service_pb2
from portaria.v1.admin_service_pb2_grpc import add_AdminServiceServicer_to_server
from portaria.v1.jobs_service_pb2_grpc import add_JobsServiceServicer_to_server
from portaria.v1.schedules_service_pb2_grpc import add_SchedulesServiceServicer_to_server

LARGEST_MESSAGE = 8 * 1024 * 1024
JOBS_SERVICE = jobs_service_pb2.DESCRIPTOR.services_by_name["JobsService"].full_name
ADMIN_SERVICE = admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"].full_name
SCHEDULES_SERVICE = schedules_service_pb2.DESCRIPTOR.services_by_name["SchedulesService"].full_name
BESIDE = (health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR)
"""The files of what is served beside Portaria's own."""
_BESIDE = (
    health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
    reflection.SERVICE_NAME,
)

OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
    # A second door on the same port is a mistake, not a load balancer.
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # Clients come back through their load balancer now and then; gRPC adds ± 10 % of jitter.
    ("grpc.max_connection_age_ms", 600_000),
    ("grpc.max_connection_age_grace_ms", 3_600_000),
    # Thousands of watches opened at once are many calls that wait for their turn.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 40_000),
)


class Door:
    """A server with its services, before and while it listens."""

    def __init__(
        self,
        *,
        jobs: JobsServicer,
        admin: AdminServicer,
        schedules: SchedulesServicer,
        catalogue: Catalogue,
        submitter: Submitter,
        drain: Drain,
        reflect: bool,
    ) -> None:
        self._server = aio.server(
            interceptors=chain(drain, lambda: catalogue.is_complete), options=list(OPTIONS)
        )
        self._health = health.aio.HealthServicer()
        self._port = 0
        self._catalogue = catalogue
        self._serving = False
        add_JobsServiceServicer_to_server(jobs, self._server)
        add_AdminServiceServicer_to_server(admin, self._server)
        add_SchedulesServiceServicer_to_server(schedules, self._server)
        self._server.add_generic_rpc_handlers((Facades(catalogue, submitter),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if reflect:
            add_ServerReflectionServicer_to_server(
                Reflection(catalogue, lambda: (*self.services, *_BESIDE)), self._server
            )

    @property
    def services(self) -> list[str]:
        """Full names of ours and of the façades that are served now."""
        return [JOBS_SERVICE, ADMIN_SERVICE, SCHEDULES_SERVICE, *self._catalogue.served.services]

    async def listen(self, address: str, credentials: grpc.ServerCredentials | None = None) -> str:
        """Starts answering; the address with the real port. Raises ConfigurationError."""
        await self.set_serving(serving=False)
        try:
            if credentials is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, credentials)
        except RuntimeError:
            raise ConfigurationError(
                f"cannot listen on {address}: it is in use or not an address of this machine"
            ) from None
        await self._server.start()
        self._port = port
        return address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"

    async def set_serving(self, *, serving: bool) -> None:
        """What health checks are answered, for the server and each service."""
        self._serving = serving
        # A type that is not known yet must not be taken for one that does not exist.
        serving = serving and self._catalogue.is_complete
        response = health_pb2.HealthCheckResponse
        status = response.SERVING if serving else response.NOT_SERVING
        # At once: a health watch that takes nothing holds up its own service only.
        await asyncio.gather(*(self._health.set(name, status) for name in ("", *self.services)))

    async def services_changed(self) -> None:
        """Health checks of new façades are answered, too."""
        await self.set_serving(serving=self._serving)

    async def stop_serving(self) -> None:
        """NOT_SERVING, for good."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace: float) -> None:
        """Lets answers that are on their way arrive, for `grace` seconds, then closes the port and
        all connections: what is still open, and what comes too late, is UNAVAILABLE to its caller.
        """
        await asyncio.sleep(grace)
        hang_up(self._port)
        await self._server.stop(0)
