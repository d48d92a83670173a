"""Refuses calls to a door that stops, and counts those that it still answers."""

from __future__ import annotations

from typing import Any

from portaria.frontdoor.drain import Drain
from portaria.frontdoor.interceptors.around import Around, Behaviour, Context

# Who asks for the health of a stopping door is to be told; their streams end with the server.
_APART = ("/grpc.health.", "/grpc.reflection.")


class Draining(Around):
    """Every call but health checks goes through the drain."""

    def __init__(self, drain: Drain) -> None:
        self._drain = drain

    async def call(self, method: str, proceed: Behaviour, request: Any, context: Context) -> Any:
        if method.startswith(_APART):
            return await proceed(request, context)
        with self._drain.call():
            return await proceed(request, context)
