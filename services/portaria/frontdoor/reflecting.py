"""gRPC reflection of what is served at the moment, façades of unknown packages included."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from portaria.intake.catalogue import Catalogue


class Reflection(reflection_pb2_grpc.ServerReflectionServicer):  # type: ignore[misc]
    """Each stream is answered from the catalogue as it stood when the stream began."""

    def __init__(self, catalogue: Catalogue, services: Callable[[], Sequence[str]]) -> None:
        self._catalogue = catalogue
        self._services = services

    async def ServerReflectionInfo(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        """See grpc.reflection.v1alpha."""
        of_now = reflection.aio.ReflectionServicer(
            self._services(), pool=self._catalogue.served.pool
        )
        async for answer in of_now.ServerReflectionInfo(requests, context):
            yield answer
