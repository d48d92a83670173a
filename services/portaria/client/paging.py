"""What all requests for pages, and all pages, have in common."""

from __future__ import annotations

from typing import Protocol, TypeVar


class PageRequest(Protocol):
    """Asks for a page."""

    page_token: str


class Page(Protocol):
    """The answer; its token is empty on the last one."""

    next_page_token: str


AnyPageRequest = TypeVar("AnyPageRequest", bound=PageRequest)
AnyPage = TypeVar("AnyPage", bound=Page)
