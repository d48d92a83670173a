"""Whether this door still takes calls, and how many it is answering."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from portaria.core.errors import ShuttingDown


class Drain:
    """Counts calls, and refuses new ones once the door stops."""

    def __init__(self) -> None:
        self.stopping = False
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def call(self) -> Iterator[None]:
        """One call. Raises ShuttingDown where it came too late."""
        if self.stopping:
            raise shutting_down()
        self._open += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._open -= 1
            if not self._open:
                self._idle.set()

    async def finished(self) -> None:
        """Waits until no call is open."""
        await self._idle.wait()


def shutting_down() -> ShuttingDown:
    """What callers of a stopping door are told."""
    return ShuttingDown("this door is shutting down; another one goes on")
