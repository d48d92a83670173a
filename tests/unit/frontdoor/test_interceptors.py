"""What is around every call, without a call."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import grpc

from portaria.frontdoor.interceptors.left_early import LeftEarly


def test_no_handler_is_kept_while_any_name_has_one() -> None:
    """Callers make up as many as they like, and what is kept is kept for ever."""
    asked: list[str] = []
    keeps = False

    async def handler_of(details: SimpleNamespace) -> object:
        asked.append(details.method)
        return grpc.unary_unary_rpc_method_handler(lambda *_: None)

    async def call(path: str) -> object:
        return await outermost.intercept_service(handler_of, SimpleNamespace(method=path))

    outermost = LeftEarly(lambda: keeps)
    unkept = [asyncio.run(call("/a.B/C")) for _ in range(2)]
    keeps = True
    kept = [asyncio.run(call("/a.B/C")) for _ in range(2)]

    assert len(asked) == 3
    assert unkept[0] is not unkept[1]
    assert kept[0] is kept[1]
