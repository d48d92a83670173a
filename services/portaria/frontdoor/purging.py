"""Empties a queue or its dead letter, slice by slice: no call takes long, and many may follow."""

from __future__ import annotations

import re
from dataclasses import dataclass

from portaria.core.clock import milliseconds
from portaria.core.errors import InvalidRequest
from portaria.frontdoor.pages import foreign_token, pack, unpack
from portaria.frontdoor.prompt import PromptStore
from portaria.store import calls
from portaria.store.queues import dead_letters
from portaria.v1.admin_service_pb2 import PurgeQueueRequest

MOST = 1_000
"""Jobs that one call of the service may end."""
_MOST_LOOKS = 20
"""Slices that one call looks at, where most of what is there is to be kept."""
_REASON = "the queue was purged"
_TOKEN = re.compile(r"(\d{1,15}) (\S*)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a purge goes on; the id before that place is how it is found again."""

    number: int = 0
    before: str = ""

    def __str__(self) -> str:
        return pack(f"{self.number} {self.before}".encode())


def place_of(token: str) -> Place:
    """The place that a token names, the front for an empty one. Raises InvalidRequest."""
    if not token:
        return Place()
    try:
        found = _TOKEN.fullmatch(unpack(token).decode())
    except ValueError:
        found = None
    if found is None:
        raise InvalidRequest([foreign_token()])
    return Place(int(found[1]), found[2])


class Purging:
    """Each answers how many jobs went, and the token to go on with; empty at the end."""

    def __init__(self, store: PromptStore, *, namespace: str) -> None:
        self._store = store
        self._namespace = namespace

    async def purge(self, request: PurgeQueueRequest, place: Place) -> tuple[int, str]:
        """One call's worth."""
        older_ms, purged = milliseconds(request.older_than), 0
        slice_of = self._dead_letter if request.dead_letter else self._backlog
        for _ in range(_MOST_LOOKS):
            most = min(calls.MOST_AT_ONCE, MOST - purged)
            gone, following = await slice_of(request.name, older_ms, place, most)
            purged += gone
            if following is None:
                return purged, ""
            place = following
            if purged >= MOST:
                break
        return purged, str(place)

    async def _backlog(
        self, queue: str, older_ms: int, place: Place, most: int
    ) -> tuple[int, Place | None]:
        """Cancels what waits; what is not due yet or waits for a worker of its type stays."""
        cleared = await self._store.run(
            calls.clear(
                self._namespace,
                queue,
                reason=_REASON,
                older_ms=older_ms,
                place=place.number,
                before=place.before,
                most=most,
            )
        )
        following = None if cleared.place < 0 else Place(cleared.place, cleared.before)
        return cleared.cancelled, following

    async def _dead_letter(
        self, queue: str, older_ms: int, place: Place, most: int
    ) -> tuple[int, Place | None]:
        """Forgets jobs that failed; ids of other tools stay."""
        ids = await self._store.read(
            lambda store: dead_letters(
                store.redis, queue, older_ms=older_ms, start=place.number, most=most
            )
        )
        words = await self._store.run(calls.delete(self._namespace, ids)) if ids else []
        gone = sum(word is calls.Deleted.NOW for word in words)
        return gone, None if len(ids) < most else Place(place.number + len(ids) - gone)
