"""What stands in the last row of an export: a formula, and its value for who does not calculate."""

from __future__ import annotations

from math import fsum

from portaria.jobs.errors import PermanentError
from portaria_workers.documents.cells import DAYS, NUMBERS
from portaria_workers.documents.v1.documents_pb2 import CELL_TYPE_INTEGER, ExportSpreadsheet

_SUM = ExportSpreadsheet.TOTAL_SUM
_AVERAGE = ExportSpreadsheet.TOTAL_AVERAGE
_COUNT = ExportSpreadsheet.TOTAL_COUNT
_MIN = ExportSpreadsheet.TOTAL_MIN
_MAX = ExportSpreadsheet.TOTAL_MAX

_FUNCTIONS: dict[int, str] = {
    _SUM: "SUM",
    _AVERAGE: "AVERAGE",
    # Numbers that a workbook holds as text only are counted, too.
    _COUNT: "COUNTA",
    _MIN: "MIN",
    _MAX: "MAX",
}
_AT_ONCE = 4096


class Total:
    """The total of one column. Raises PermanentError TOTAL_TYPE where its type has none."""

    def __init__(self, kind: int, cell_type: int) -> None:
        allowed = NUMBERS | DAYS if kind in (_MIN, _MAX) else NUMBERS
        if kind in (_SUM, _AVERAGE, _MIN, _MAX) and cell_type not in allowed:
            raise PermanentError("TOTAL_TYPE", "only columns of numbers have such a total")
        self.wanted = kind != ExportSpreadsheet.TOTAL_UNSPECIFIED
        self.of_texts = kind == _COUNT
        """Whether it takes what is not a number, too."""
        self._kind = kind
        self._count = 0
        self._least = self._most = 0.0
        self._sum = 0.0
        self._latest: list[float] = []

    def add(self, value: float) -> None:
        """Takes a value of the column, as the workbook has it."""
        self._latest.append(value)
        if len(self._latest) >= _AT_ONCE:
            self._take_in()

    def formula(self, ranges: str) -> str:
        """Over these cells."""
        return f"={_FUNCTIONS[self._kind]}({ranges})"

    @property
    def value(self) -> float | None:
        """What the formula will say; None where there is nothing to say it of."""
        self._take_in()
        if not self._count and self._kind in (_AVERAGE, _MIN, _MAX):
            return None
        values: dict[int, float] = {
            _SUM: _short(self._sum),
            _AVERAGE: _short(self._sum / max(self._count, 1)),
            _COUNT: self._count,
            _MIN: self._least,
            _MAX: self._most,
        }
        return values[self._kind]

    def shown_as(self, cell_type: int) -> int:
        """The type as which it is shown."""
        return CELL_TYPE_INTEGER if self._kind == _COUNT else cell_type

    def _take_in(self) -> None:
        latest = self._latest
        if latest:
            # As exact as it can be, however many there are.
            self._sum = fsum((self._sum, *latest))
            self._least = min(self._least, *latest) if self._count else min(latest)
            self._most = max(self._most, *latest) if self._count else max(latest)
            self._count += len(latest)
            latest.clear()


def _short(number: float) -> float:
    """With the digits that a workbook keeps."""
    return float(f"{number:.15g}")
