"""Answers signed links to documents of a local storage, and nothing else.

Who calls is shown constant words only: neither whether there was such an object nor what is wrong
with a link. What is served is saved, never shown: no browser runs anything of it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import BinaryIO

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from portaria.core.seal import KeyRing
from portaria.storage.links import Grant, LinkRefused, read
from portaria.storage.names import attachment, safe_type
from portaria.storage.objects import ObjectInfo, ObjectMissing, ObjectStore, StorageUnavailable

_CHUNK = 256 * 1024
_WORDS = {
    403: "This link is not valid, or no longer.",
    404: "There is nothing here.",
    405: "This cannot be done here.",
    416: "The document has no such part.",
    503: "Not now; try again in a moment.",
}
_ALWAYS = {
    "Cache-Control": "private",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_SHA256 = re.compile(r"-([0-9a-f]{64})[-.]")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def downloads_app(store: ObjectStore, ring: KeyRing) -> Starlette:
    """The application; a link's token is the last part of its path, whatever stands before."""

    async def download(request: Request) -> Response:
        token = request.path_params["path"].rpartition("/")[2]
        if not token:
            return refusal(404)
        try:
            grant = read(ring, token, datetime.now(UTC))
            return await _answer(request, store, grant)
        except LinkRefused:
            return refusal(403)
        except ObjectMissing:
            return refusal(404)
        except StorageUnavailable:
            return refusal(503)

    async def refused(_: Request, error: Exception) -> Response:
        return refusal(error.status_code if isinstance(error, HTTPException) else 500)

    return Starlette(
        routes=[Route("/{path:path}", download, methods=["GET"])],
        exception_handlers={HTTPException: refused, 500: refused},
    )


def refusal(status: int) -> Response:
    """One sentence."""
    words = _WORDS.get(status, "This went wrong here; try again later.")
    headers = {**_ALWAYS, "Retry-After": "5"} if status == 503 else _ALWAYS
    return PlainTextResponse(f"{words}\n", status, headers)


async def _answer(request: Request, store: ObjectStore, grant: Grant) -> Response:
    with ExitStack() as opened:
        file = await run_in_threadpool(lambda: opened.enter_context(store.reading(grant.key)))
        about = await run_in_threadpool(store.info, grant.key)
        size = await run_in_threadpool(file.seek, 0, 2)
        etag = _etag(grant.key, about)
        headers = {
            **_ALWAYS,
            "Accept-Ranges": "bytes",
            "Content-Disposition": attachment(grant.filename),
            "Content-Type": safe_type(grant.content_type),
            "ETag": etag,
        }
        if etag in _listed(request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers=headers)
        part = _part(request, etag, size)
        if part is None:
            refused = refusal(416)
            refused.headers["Content-Range"] = f"bytes */{size}"
            return refused
        begin, end = part
        status = 200 if end - begin == size else 206
        if status == 206:
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
        headers["Content-Length"] = str(end - begin)
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        return _FileResponse(file, begin, end, status, headers, opened.pop_all())


class _FileResponse(StreamingResponse):
    """A part of an open file, which is closed whatever becomes of the connection."""

    def __init__(
        self,
        file: BinaryIO,
        begin: int,
        end: int,
        status: int,
        headers: dict[str, str],
        opened: ExitStack,
    ) -> None:
        super().__init__(_chunks(file, begin, end), status, headers)
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._opened.close()


async def _chunks(file: BinaryIO, begin: int, end: int) -> AsyncIterator[bytes]:
    await run_in_threadpool(file.seek, begin)
    while begin < end:
        chunk = await run_in_threadpool(file.read, min(_CHUNK, end - begin))
        if not chunk:
            # Somebody cut the file off; the connection breaks, so that nobody takes it for whole.
            return
        begin += len(chunk)
        yield chunk


def _part(request: Request, etag: str, size: int) -> tuple[int, int] | None:
    """[begin, end) that is asked for: one range, or all; None for one that is not there."""
    asked = request.headers.get("range", "")
    found = _RANGE.fullmatch(asked.replace(" ", ""))
    meant = request.method == "GET" and request.headers.get("if-range", etag) == etag
    # Several ranges at once may be answered with all there is (RFC 9110 §14.2), which is cheaper.
    if found is None or not meant or found[0] == "bytes=-":
        return 0, size
    first, last = found[1], found[2]
    if not first:
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return 0, size
    return (begin, end) if begin < end else None


def _etag(key: str, about: ObjectInfo) -> str:
    """The hash of the content, which keys of documents hold; of others, when it was put."""
    found = _SHA256.search(key)
    return f'"{found[1] if found else f"{about.size:x}-{about.modified.timestamp():.6f}"}"'


def _listed(header: str) -> list[str]:
    return [each.strip().removeprefix("W/") for each in header.split(",")]
