"""Names each call in every log line: by the caller's x-request-id, which is answered, or anew."""

from __future__ import annotations

import re
from typing import Any

from structlog.contextvars import bind_contextvars

from portaria.core.ids import new_token
from portaria.frontdoor.interceptors.around import Around, Behaviour, Context

KEY = "x-request-id"
_SHAPE = re.compile(r"[!-~]{1,128}\Z")


class RequestId(Around):
    """Binds the id for the logs of the call; answers a given one in the trailing metadata."""

    async def call(self, method: str, proceed: Behaviour, request: Any, context: Context) -> Any:
        given = _given(context)
        # Each call runs in its own task, so nothing needs to be unbound.
        bind_contextvars(request_id=given or new_token())
        if given:
            context.set_trailing_metadata(((KEY, given),))
        return await proceed(request, context)


def _given(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == KEY and isinstance(value, str) and _SHAPE.match(value):
            return value
    return ""
