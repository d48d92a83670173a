"""How wide the columns of a table are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portaria_workers.documents.text import breadth

_LETTER = 0.54
"""Of the size of the type: what a letter is wide, at most, in a word."""
_FEWEST = 3
"""Letters that every column has room for."""
_BOLDER = 1.12
"""How much wider the type of headings is."""
_MOST_WANTED = 60
"""Letters beyond which a cell is as well broken into lines."""
_MOST_UNBROKEN = 40
"""Letters of a word for which a table is given more room."""


@dataclass(frozen=True, slots=True)
class Type:
    """How a table is set, in points."""

    size: float
    inset: float
    """Left and right of a cell."""

    def width(self, letters: float) -> float:
        """What so many letters need."""
        return letters * self.size * _LETTER + 2 * self.inset

    def letters(self, width: float) -> int:
        """How many letters surely fit."""
        return max(_FEWEST, int((width - 2 * self.inset) / (self.size * _LETTER)))


def widths(
    titles: Sequence[str], columns: Sequence[Sequence[str]], room: float, kind: Type
) -> list[float]:
    """In points, `room` in all: no word is broken while there is room for it, the rest goes to
    those with long cells.
    """
    needs, wants = [], []
    for title, cells in zip(titles, columns, strict=True):
        word = _needed(title, cells)
        cell = min(max(map(breadth, cells), default=0), _MOST_WANTED)
        needs.append(kind.width(word))
        wants.append(kind.width(max(word, cell)))
    if sum(wants) <= room:
        return _grown(wants, room)
    if sum(needs) >= room:
        return _levelled(needs, room)
    share = (room - sum(needs)) / (sum(wants) - sum(needs))
    return [need + (want - need) * share for need, want in zip(needs, wants, strict=True)]


def needed(titles: Sequence[str], columns: Sequence[Sequence[str]], kind: Type) -> float:
    """The room, in points, in which no word is broken but those that fit nowhere."""
    words = map(_needed, titles, columns)
    return sum(kind.width(min(word, _MOST_UNBROKEN)) for word in words)


def _needed(title: str, cells: Sequence[str]) -> float:
    word = max((_longest_word(cell) for cell in cells), default=0)
    return max(word, _longest_word(title) * _BOLDER)


def _longest_word(cell: str) -> float:
    return max(map(breadth, cell.split(" ")))


def _grown(wants: Sequence[float], room: float) -> list[float]:
    return [want * room / sum(wants) for want in wants]


def _levelled(needs: Sequence[float], room: float) -> list[float]:
    """The narrow ones have what they need; the wide ones share what is left."""
    left, found = room, dict.fromkeys(range(len(needs)), 0.0)
    for done, place in enumerate(sorted(found, key=lambda place: needs[place])):
        found[place] = min(needs[place], left / (len(needs) - done))
        left -= found[place]
    return list(found.values())
