"""An interceptor as one function around a call, whatever the call's shape."""

from __future__ import annotations

import abc
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import grpc
from grpc import aio

Context = aio.ServicerContext[Any, Any]
Behaviour = Callable[[Any, Context], Awaitable[Any]]


class Around(aio.ServerInterceptor):
    """Wraps handlers; what the outermost interceptor keeps is asked for once. Subclasses say what
    happens around a call.
    """

    @abc.abstractmethod
    def call(
        self, method: str, proceed: Behaviour, request: Any, context: Context
    ) -> Awaitable[Any]:
        """Calls `proceed(request, context)`; answers what it answers."""

    def around(self, method: str, proceed: Behaviour) -> Behaviour:
        """`call` with all but request and context given."""
        # Of the function, not of the bound method: gRPC looks at each call whether it is a
        # coroutine function, and that is five times as fast.
        return partial(type(self).call, self, method, proceed)

    async def intercept_service(
        self, continuation: Any, handler_call_details: Any
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler = await continuation(handler_call_details)
        return None if handler is None else self._wrap(handler_call_details.method, handler)

    def _wrap(
        self, method: str, handler: grpc.RpcMethodHandler[Any, Any]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        proceed = as_coroutine(behaviour_of(handler))
        return with_behaviour(handler, self.around(method, proceed))


def behaviour_of(handler: grpc.RpcMethodHandler[Any, Any]) -> Callable[..., Any]:
    """The one function that a handler has."""
    functions = (
        handler.unary_unary,
        handler.unary_stream,
        handler.stream_unary,
        handler.stream_stream,
    )
    return next(each for each in functions if each is not None)


def as_coroutine(behaviour: Callable[..., Any]) -> Behaviour:
    """A generator of answers as a coroutine that writes them.

    So a cancelled call closes its generator at once, and not when it is collected.
    """
    if not inspect.isasyncgenfunction(behaviour):
        return behaviour

    async def write_all(request: Any, context: Context) -> None:
        answers: AsyncIterator[Any] = behaviour(request, context)
        async with aclosing(answers) as open_answers:  # type: ignore[type-var] # a generator
            async for answer in open_answers:
                await context.write(answer)

    return write_all


def with_behaviour(
    handler: grpc.RpcMethodHandler[Any, Any], behaviour: Behaviour, *, raw: bool = False
) -> grpc.RpcMethodHandler[Any, Any]:
    """The same handler with another function; `raw` hands it bytes."""
    make: Any = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[handler.request_streaming, handler.response_streaming]
    deserializer = None if raw else handler.request_deserializer
    wrapped: grpc.RpcMethodHandler[Any, Any] = make(
        behaviour, deserializer, handler.response_serializer
    )
    return wrapped
