"""@job: a typed function becomes the handler of its payload's type."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from google.protobuf.message import Message

from portaria.core.errors import ConfigurationError
from portaria.core.job_type import JobType, descriptor_of, is_job_type, job_type_from
from portaria.jobs.context import JobContext

Function = TypeVar("Function", bound=Callable[..., Any])

_MARK = "__portaria_handler__"
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A handler and what its signature says."""

    job_type: JobType
    function: Callable[..., Any]
    is_async: bool
    returns: type[Message] | None


def job(function: Function) -> Function:
    """Marks a function as the handler of the job type that its first parameter names.

    The function takes the payload and a JobContext and returns the type's result message, or None
    where the type has no result. It may be `async`. It stays an ordinary function, so a test may
    call it. Raises ConfigurationError where signature and type do not agree.
    """
    setattr(function, _MARK, _inspect(function))
    return function


def handler_of(value: object) -> Handler | None:
    """The handler behind a function that @job marked."""
    found = getattr(value, _MARK, None)
    return found if isinstance(found, Handler) else None


def _inspect(function: Callable[..., Any]) -> Handler:
    where = f"handler {function.__module__}.{function.__qualname__}"
    try:
        hints = get_type_hints(function)
    except (NameError, TypeError, SyntaxError) as error:
        raise ConfigurationError(f"{where}: {error}") from None
    parameters = inspect.signature(function).parameters
    names = list(parameters)
    positional = all(each.kind in _POSITIONAL for each in parameters.values())
    if len(names) != 2 or not positional or hints.get(names[1]) is not JobContext:
        raise ConfigurationError(f"{where}: expected (payload: JobType, ctx: JobContext)")
    payload = hints.get(names[0])
    if not (isinstance(payload, type) and issubclass(payload, Message) and payload.DESCRIPTOR):
        raise ConfigurationError(f"{where}: the first parameter is no message")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(f"{where}: is a generator, expected a function that returns")
    descriptor = descriptor_of(payload)
    if not is_job_type(descriptor):
        raise ConfigurationError(f"{where}: {descriptor.full_name} is not a job type")
    job_type = job_type_from(descriptor)
    returns = hints.get("return")
    returned = "" if returns in (None, type(None)) else _full_name(returns)
    if returned != job_type.result_type:
        raise ConfigurationError(
            f"{where}: returns {returned or 'nothing'}, its type declares "
            f"{job_type.result_type or 'no result'}"
        )
    return Handler(
        job_type=job_type,
        function=function,
        is_async=inspect.iscoroutinefunction(function),
        returns=returns if returned else None,
    )


def _full_name(returns: object) -> str:
    if isinstance(returns, type) and issubclass(returns, Message) and returns.DESCRIPTOR:
        return str(returns.DESCRIPTOR.full_name)
    return repr(returns)
