"""One log line a call: debug where it went well, info where it did not."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc

from portaria.frontdoor.interceptors.around import Around, Behaviour, Context
from portaria.logs import logger


class AccessLog(Around):
    """Method, status and seconds; never a request."""

    def __init__(self) -> None:
        self._log = logger()

    async def call(self, method: str, proceed: Behaviour, request: Any, context: Context) -> Any:
        begun = time.perf_counter()
        try:
            answer = await proceed(request, context)
        except asyncio.CancelledError:
            self._log.debug("call", method=method, code="CANCELLED", seconds=_since(begun))
            raise
        except Exception:
            code = _name(context.code())
            self._log.info("call", method=method, code=code, seconds=_since(begun))
            raise
        self._log.debug("call", method=method, code="OK", seconds=_since(begun))
        return answer


def _since(begun: float) -> float:
    return round(time.perf_counter() - begun, 6)


def _name(code: object) -> str:
    if isinstance(code, grpc.StatusCode):
        return code.name
    return next((each.name for each in grpc.StatusCode if each.value[0] == code), "UNKNOWN")
