"""Which jobs a call acts on: from a selector to slices of at most 200, and where to go on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from portaria.core.errors import Violation
from portaria.frontdoor.pages import foreign_token
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.search import search_faults, search_from_proto
from portaria.store.listing import Span, step
from portaria.store.walking import Brief, briefs
from portaria.v1.jobs_service_pb2 import JobSelector

MOST = 1_000
"""Jobs that one call may act on."""
SLICE = 200
_SECONDS = 2.0
"""How long one call looks for more; the next one goes on where it was."""
_LONGEST = 64  # what is longer breaks a rule of the message
_TOKEN = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(\d{1,15})\Z")

Found = tuple[str, Brief | None]
"""An id, and the job; None where an explicit id is of none that the caller may know."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a walk is."""

    after: str
    begun_ms: int
    """What was handed in later is not looked at: so every walk ends, and no copy is copied."""

    def __str__(self) -> str:
        return f"{self.after}.{self.begun_ms}"


def selection_faults(selector: JobSelector, page_token: str) -> Iterator[Violation]:
    """What is wrong beside what the rules of the message say."""
    if not selector.ListFields():
        yield Violation("selector", "REQUIRED", "selects nothing: name ids, labels, types or more")
    yield from search_faults(selector)
    if 0 < len(page_token) <= _LONGEST and (selector.job_ids or not _TOKEN.match(page_token)):
        yield foreign_token()


class Walk:
    """The selected jobs, slice by slice: explicit ones in the caller's order, or from the oldest.

    Made from a selector without faults; `remaining` is the caller's time in seconds.
    """

    def __init__(
        self,
        store: PromptStore,
        selector: JobSelector,
        page_token: str,
        *,
        namespace: str,
        remaining: float | None,
    ) -> None:
        self._store = store
        self._search = search_from_proto(selector, namespace)
        self._span = Span(newest_first=False)
        self._left = list(self._search.selector.job_ids)
        self._is_explicit = bool(self._left)
        found = _TOKEN.match(page_token)
        self._after = found[1] if found else ""
        self._is_over = False
        self.begun_ms = int(found[2]) if found else 0
        """When its first call began, by the store's clock; known once it has begun."""
        seconds = _SECONDS if remaining is None else min(_SECONDS, remaining / 2)
        self._until = asyncio.get_running_loop().time() + seconds

    async def begin(self) -> None:
        """Looks at the clock, and for what is to be walked."""
        if not self.begun_ms:
            self.begun_ms = (await self._store.look(())).now_ms
        if not self._is_explicit:
            self._search = self._search.until(self.begun_ms)
            self._span = await self._search.span(self._store, newest_first=False)

    @property
    def goes_on(self) -> bool:
        """Whether there may be more, and time for it; ask after a slice."""
        if self._is_over or self._is_explicit:
            return not self._is_over
        return asyncio.get_running_loop().time() < self._until

    @property
    def token(self) -> str:
        """Where the next call goes on; empty at the end."""
        return "" if self._is_over else str(Place(self._after, self.begun_ms))

    async def each(self, act: Callable[[list[Found]], Awaitable[int]]) -> int:
        """Lets `act` act on slice after slice, until it said of 1,000 jobs that they count, or
        until the time is up; answers how many.
        """
        count = 0
        while True:
            count += await act(await self.more(min(SLICE, MOST - count)))
            if count >= MOST or not self.goes_on:
                return count

    async def more(self, most: int = SLICE) -> list[Found]:
        """Those selected among the next `most`; first comes `begin`."""
        if self._is_explicit:
            return await self._explicit(most)
        place = self._after
        found, self._after = await self._store.read(
            lambda store: step(store.redis, self._span, after=place, most=most)
        )
        self._is_over = not self._after
        return [(each.job_id, each) for each in found if self._selects(each)]

    async def _explicit(self, most: int) -> list[Found]:
        ids, self._left = self._left[:most], self._left[most:]
        self._is_over = not self._left
        found = await self._store.read(lambda store: briefs(store.redis, ids))
        namespace = self._search.selector.namespace
        known = [each if each and each.tag.namespace == namespace else None for each in found]
        return [
            (job_id, each)
            for job_id, each in zip(ids, known, strict=True)
            if each is None or self._selects(each)
        ]

    def _selects(self, brief: Brief) -> bool:
        return self._search.matches(brief.tag, brief.state, brief.created_ms)
