"""Pages of a listing: where one goes on, as a token that is opaque to callers and bound to what
they asked for."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from portaria.core.errors import InvalidRequest, Violation
from portaria.frontdoor.cursor import parse_cursor
from portaria.v1.admin_service_pb2 import ListWorkersRequest
from portaria.v1.jobs_service_pb2 import JobSelector, ListJobsRequest

DEFAULT_PAGE, LARGEST_PAGE = 50, 1_000
_DIGEST = 8


@dataclass(frozen=True, slots=True)
class Place:
    """Where a listing stands. Nothing depends on it being ours: whoever makes one up only chooses
    where his own listing goes on."""

    after: str = ""
    """The id that was looked at last; empty at the beginning."""
    cursor: str = ""
    """The position of the stream before the first page was read."""

    def token(self, listed: bytes) -> str:
        """For the next page of the same listing."""
        return pack(listed + f"{self.after} {self.cursor}".encode())


def page_size(request: ListJobsRequest | ListWorkersRequest) -> int:
    """How many a page may have."""
    return min(request.page_size or DEFAULT_PAGE, LARGEST_PAGE)


def pack(place: bytes) -> str:
    """A token that says where a listing goes on; "" for the beginning."""
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def unpack(token: str) -> bytes:
    """What was packed. Raises ValueError."""
    return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)


def foreign_token() -> Violation:
    """Of a token that can be none of ours."""
    return Violation("page_token", "FORMAT", "is not one that an earlier answer gave")


def listed_of(selector: JobSelector, *, oldest_first: bool, namespace: str) -> bytes:
    """Names what is listed, and in which order: equal for equal requests."""
    words = selector.SerializeToString(deterministic=True)
    head = f"{namespace} {oldest_first} ".encode()
    return hashlib.blake2b(head + words, digest_size=_DIGEST).digest()


def place_from(token: str, listed: bytes) -> Place | Violation:
    """Reads a token, or says what is wrong with it. An empty one is the beginning."""
    if not token:
        return Place()
    try:
        packed = unpack(token)
        after, cursor = packed[_DIGEST:].decode().split(" ")
        parse_cursor(cursor)
        if not after.isprintable() or not after:
            raise ValueError(after)
    except (ValueError, InvalidRequest):
        return foreign_token()
    if packed[:_DIGEST] != listed:
        text = "is of another list: selector, order and namespace stay the same from page to page"
        return Violation("page_token", "CONFLICT", text)
    return Place(after, cursor)
