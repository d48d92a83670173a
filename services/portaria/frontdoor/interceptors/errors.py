"""The only place where an exception becomes a status, and where bytes become a request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any, Never

import grpc
from grpc import aio

from portaria.core.errors import MalformedMessage, PortariaError, Violation
from portaria.core.ids import new_token
from portaria.frontdoor.interceptors.around import (
    Around,
    Behaviour,
    Context,
    as_coroutine,
    behaviour_of,
    with_behaviour,
)
from portaria.frontdoor.interceptors.request_id import KEY
from portaria.frontdoor.status import DETAILS_KEY, code_of, status_of
from portaria.logs import logger


class Errors(Around):
    """Kinds of ours become their status; anything else INTERNAL with an id that is in the log.

    No text of an exception reaches a caller. CancelledError passes untouched: swallowing it leaks
    memory in gRPC.
    """

    async def call(self, method: str, proceed: Behaviour, request: Any, context: Context) -> Any:
        try:
            return await proceed(request, context)
        except aio.AbortError:
            raise
        except PortariaError as error:
            known = error if code_of(error) is not grpc.StatusCode.INTERNAL else None
            await _abort(context, known or _internal(method))
        except Exception:
            await _abort(context, _internal(method))

    def _wrap(
        self, method: str, handler: grpc.RpcMethodHandler[Any, Any]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        # gRPC answers UNKNOWN with the exception's text where a deserializer raises, so it gets
        # none, and requests are read in here.
        read = handler.request_deserializer or (lambda raw: raw)
        inner = as_coroutine(behaviour_of(handler))
        parse = _each_parsed if handler.request_streaming else _parsed

        def proceed(raw: Any, context: Context) -> Awaitable[Any]:
            return inner(parse(read, raw), context)

        return with_behaviour(handler, self.around(method, proceed), raw=True)


def _parsed(read: Any, raw: Any) -> Any:
    try:
        return read(raw)
    except Exception:
        text = "the bytes are not such a message: malformed, too deeply nested, or bad UTF-8"
        raise MalformedMessage([Violation("request", "MALFORMED_MESSAGE", text)]) from None


async def _each_parsed(read: Any, raw: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for each in raw:
        yield _parsed(read, each)


def _internal(method: str) -> PortariaError:
    error_id = new_token()
    logger().exception("call failed", method=method, error_id=error_id)
    return PortariaError(
        f"a fault of the server, logged as {error_id}", metadata={"error_id": error_id}
    )


async def _abort(context: Context, error: PortariaError) -> Never:
    status = status_of(error)
    # What a call aborts with replaces what was set before.
    kept = [(key, value) for key, value in context.trailing_metadata() or () if key == KEY]
    details = (DETAILS_KEY, status.SerializeToString())
    await context.abort(code_of(error), status.message, (*kept, details))
