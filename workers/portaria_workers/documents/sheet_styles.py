"""Which numbers of a workbook are dates or percentages: only their formats say so."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, auto

from portaria_workers.documents.cells import CellFault, Share
from portaria_workers.documents.xml_parts import Attributes, natural

_BUILT_IN_DATES = frozenset(
    map(str, (*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
)
_BUILT_IN_SHARES = frozenset({"9", "10"})
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_EXACT = 10**15
"""Beyond it a workbook does not hold whole numbers exactly."""


class Shown(Enum):
    """As what a number is shown."""

    NUMBER = auto()
    MOMENT = auto()
    SHARE = auto()


class Styles:
    """A listener to styles.xml; then `value` reads numbers."""

    def __init__(self, *, since_1904: bool = False) -> None:
        self._zero = datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 30)  # noqa: DTZ001
        self._formats: dict[str, str] = {}
        self._shown: list[Shown] = []
        self._in_cells = False

    def start(self, name: str, attributes: Attributes) -> None:
        """See Listener."""
        if name == "numFmt":
            self._formats[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif name == "cellXfs":
            self._in_cells = True
        elif name == "xf" and self._in_cells:
            self._shown.append(self._shown_by(attributes.get("numFmtId", "0")))

    def end(self, name: str) -> None:
        """See Listener."""
        if name == "cellXfs":
            self._in_cells = False

    def text(self, text: str) -> None:
        """See Listener."""

    def value(self, text: str, style: str) -> int | Decimal | date | datetime | CellFault:
        """The value of a number in a style, by its place in the list."""
        try:
            shown = self._style(style) if style else Shown.NUMBER
            number = float(text)
            if shown is Shown.MOMENT:
                return self._moment(number)
            whole = int(number)
        except (ValueError, IndexError, OverflowError):
            return CellFault("#NUM!")
        if shown is Shown.SHARE:
            return Share(f"{number:.15g}")
        return whole if whole == number and -_EXACT < whole < _EXACT else Decimal(f"{number:.15g}")

    def _style(self, style: str) -> Shown:
        place = natural(style)
        if place < 0:
            raise IndexError
        return self._shown[place]

    def _moment(self, number: float) -> date | datetime:
        if number < 0 or number > 2_958_465.99999:
            raise ValueError("no day of a workbook")
        # Before March 1900 Excel counts a day that never was.
        early = self._zero.year == 1899 and number < 60
        milliseconds = round(number * 86_400_000)
        found = self._zero + timedelta(days=early, milliseconds=milliseconds)
        return found if milliseconds % 86_400_000 else found.date()

    def _shown_by(self, key: str) -> Shown:
        if key in self._formats:
            return _shown_by_code(self._formats[key])
        if key in _BUILT_IN_DATES:
            return Shown.MOMENT
        return Shown.SHARE if key in _BUILT_IN_SHARES else Shown.NUMBER


def _shown_by_code(code: str) -> Shown:
    bare = _LITERAL.sub("", code.partition(";")[0]).lower()
    if "%" in bare:
        return Shown.SHARE
    # General has an e and an a, no d, m, y, h or s outside of itself.
    return Shown.MOMENT if re.search("[dmyhs]", bare.replace("general", "")) else Shown.NUMBER
