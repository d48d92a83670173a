"""Takes the next of an iterator before it is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Generic, NoReturn, TypeVar

from portaria.jobs import HoldLost, JobCancelled

Item = TypeVar("Item")


class Ahead(Iterator[Item], Generic[Item]):
    """An iterator that can work while something else is waited for."""

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._taken: deque[Callable[[], Item]] = deque()

    def look(self) -> None:
        """Takes the next item, if none was taken yet. What that raises is raised when it is asked
        for; here is the wrong place."""
        if self._taken:
            return
        try:
            item = next(self._items)
        except (Exception, HoldLost, JobCancelled) as error:
            self._taken.append(partial(_again, error))
        else:
            self._taken.append(lambda: item)

    def __next__(self) -> Item:
        return self._taken.popleft()() if self._taken else next(self._items)


def _again(error: BaseException) -> NoReturn:
    raise error
