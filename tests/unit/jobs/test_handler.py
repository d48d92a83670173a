"""@job: a typed function becomes a handler, or is told what is wrong with it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import Message

from acme_jobs.lab.v1.lab_pb2 import Echo, EchoResult, Noop
from portaria.core.errors import ConfigurationError
from portaria.jobs import JobContext, handler_of, job


def test_a_handler_knows_its_type_from_its_signature() -> None:
    """And stays an ordinary function."""

    @job
    def echo(payload: Echo, ctx: JobContext) -> EchoResult:
        return EchoResult(text=payload.text)

    handler = handler_of(echo)
    assert handler is not None
    assert handler.job_type.name == "acme_jobs.lab.v1.Echo"
    assert (handler.returns, handler.is_async) == (EchoResult, False)
    assert handler.function is echo
    assert echo(Echo(text="hi"), None).text == "hi"  # type: ignore[arg-type]


def test_an_async_handler_is_known_as_such() -> None:
    """It will be awaited."""

    @job
    async def echo(payload: Echo, ctx: JobContext) -> EchoResult:
        return EchoResult()

    handler = handler_of(echo)
    assert handler is not None
    assert handler.is_async


def test_a_type_without_a_result_returns_none() -> None:
    """Said or left out."""

    @job
    def said(payload: Noop, ctx: JobContext) -> None: ...

    @job
    def left_out(payload: Noop, ctx: JobContext):  # type: ignore[no-untyped-def]
        ...

    for function in (said, left_out):
        handler = handler_of(function)
        assert handler is not None
        assert handler.returns is None


def test_a_wrapped_handler_is_still_one() -> None:
    """functools.wraps keeps what it needs."""

    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*words: Any) -> Any:
            return function(*words)

        return inner

    @job
    @logged
    def noop(payload: Noop, ctx: JobContext) -> None: ...

    assert handler_of(noop) is not None


def test_what_is_no_handler_is_none() -> None:
    """Anything that a module may hold."""
    for value in (None, 1, "text", Echo, Echo(), print, JobContext):
        assert handler_of(value) is None


def _no_context(payload: Noop) -> None: ...
def _swapped(ctx: JobContext, payload: Noop) -> None: ...
def _three(payload: Noop, ctx: JobContext, more: int) -> None: ...
def _untyped_context(payload: Noop, ctx) -> None: ...  # type: ignore[no-untyped-def]
def _keyword_only(payload: Noop, *, ctx: JobContext) -> None: ...
def _variable(payload: Noop, *ctx: JobContext) -> None: ...
def _nothing() -> None: ...
def _untyped(payload, ctx: JobContext) -> None: ...  # type: ignore[no-untyped-def]
def _text(payload: str, ctx: JobContext) -> None: ...
def _either(payload: Noop | None, ctx: JobContext) -> None: ...
def _any_message(payload: Message, ctx: JobContext) -> None: ...
def _plain_message(payload: EchoResult, ctx: JobContext) -> None: ...
def _no_result(payload: Echo, ctx: JobContext) -> None: ...
def _other_result(payload: Echo, ctx: JobContext) -> Noop: ...  # type: ignore[empty-body]
def _text_result(payload: Echo, ctx: JobContext) -> str: ...  # type: ignore[empty-body]
def _any_result(payload: Echo, ctx: JobContext) -> Message: ...  # type: ignore[empty-body]
def _too_much(payload: Noop, ctx: JobContext) -> EchoResult: ...  # type: ignore[empty-body]
def _unknown(payload: Nowhere, ctx: JobContext) -> None: ...  # type: ignore[name-defined] # noqa: F821
def _malformed(payload: "Noop[", ctx: JobContext) -> None: ...  # type: ignore # noqa: F722
def _generator(payload: Noop, ctx: JobContext) -> None:  # type: ignore[misc]
    yield


async def _async_generator(payload: Noop, ctx: JobContext) -> None:  # type: ignore[misc]
    yield


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (_no_context, "expected (payload: JobType, ctx: JobContext)"),
        (_swapped, "expected (payload: JobType, ctx: JobContext)"),
        (_three, "expected (payload: JobType, ctx: JobContext)"),
        (_untyped_context, "expected (payload: JobType, ctx: JobContext)"),
        (_keyword_only, "expected (payload: JobType, ctx: JobContext)"),
        (_variable, "expected (payload: JobType, ctx: JobContext)"),
        (_nothing, "expected (payload: JobType, ctx: JobContext)"),
        (_untyped, "the first parameter is no message"),
        (_text, "the first parameter is no message"),
        (_either, "the first parameter is no message"),
        (_any_message, "the first parameter is no message"),
        (_plain_message, "acme_jobs.lab.v1.EchoResult is not a job type"),
        (_no_result, "returns nothing, its type declares acme_jobs.lab.v1.EchoResult"),
        (_other_result, "returns acme_jobs.lab.v1.Noop, its type declares"),
        (_text_result, "returns <class 'str'>, its type declares"),
        (_any_result, "its type declares acme_jobs.lab.v1.EchoResult"),
        (_too_much, "returns acme_jobs.lab.v1.EchoResult, its type declares no result"),
        (_unknown, "name 'Nowhere' is not defined"),
        (_malformed, "Noop["),
        (_generator, "is a generator"),
        (_async_generator, "is a generator"),
    ],
)
def test_a_wrong_signature_is_said(function: Callable[..., Any], words: str) -> None:
    """With the name of the function, and what was expected."""
    with pytest.raises(ConfigurationError) as refusal:
        job(function)

    assert words in refusal.value.message
    assert function.__qualname__ in refusal.value.message
    assert handler_of(function) is None
