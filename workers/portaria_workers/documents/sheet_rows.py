"""The rows of a worksheet, as its XML is read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from portaria.jobs.errors import PermanentError
from portaria_workers.documents.cells import UNCALCULATED, CellFault
from portaria_workers.documents.sheet_styles import Styles
from portaria_workers.documents.sheet_texts import SharedTexts, check_length
from portaria_workers.documents.xml_parts import Attributes, natural

MOST_ROWS = 200_000
MOST_COLUMNS = 200
_ROWS_OF_A_SHEET = 1_048_576

Row = tuple[int, list[object]]


class SheetRows:
    """A listener to a worksheet; `take` answers the rows that ended since it was last called.

    Raises PermanentError TOO_MANY_ROWS, TOO_MANY_COLUMNS or CORRUPT out of the parser. Cells and
    rows without content count for nothing, wherever they stand.
    """

    def __init__(self, texts: SharedTexts, styles: Styles) -> None:
        self._texts = texts
        self._styles = styles
        self._rows: list[Row] = []
        self._cells: list[object] = []
        self._row = 0
        self._column = 0
        self._kind = ""
        self._style = ""
        self._formula = False
        self._pieces: list[str] = []
        self._length = 0
        self._open = False
        self._phonetic = False
        self._values: dict[str, Callable[[str], object]] = {
            "s": self._shared,
            "str": str,
            "inlineStr": str,
            "b": lambda text: text.strip() in ("1", "true"),
            "e": CellFault,
            "d": _iso,
        }

    def take(self) -> list[Row]:
        """See the class."""
        taken, self._rows = self._rows, []
        return taken

    def start(self, name: str, attributes: Attributes) -> None:
        """See Listener."""
        if name == "c":
            self._begin_cell(attributes)
        elif name == "v" or name == "t":
            self._open = not self._phonetic
        elif name == "f":
            self._formula = True
        elif name == "row":
            self._begin_row(attributes)
        elif name == "rPh":
            self._phonetic = True

    def end(self, name: str) -> None:
        """See Listener."""
        if name == "v" or name == "t":
            self._open = False
        elif name == "c":
            self._end_cell()
        elif name == "rPh":
            self._phonetic = False
        elif name == "row" and self._cells:
            self._rows.append((self._row, self._cells))
            self._cells = []

    def text(self, text: str) -> None:
        """See Listener."""
        if self._open:
            self._length += len(text)
            check_length(self._length)
            self._pieces.append(text)

    def _begin_row(self, attributes: Attributes) -> None:
        said = attributes.get("r")
        row = self._row + 1 if said is None else natural(said)
        if not self._row < row <= _ROWS_OF_A_SHEET:
            raise PermanentError("CORRUPT", "the rows of the sheet are out of order")
        self._row, self._column = row, 0
        # Where the last one never ended, there is nothing of it to keep.
        self._cells = []

    def _begin_cell(self, attributes: Attributes) -> None:
        said = attributes.get("r")
        self._column = _column(said) if said else self._column + 1
        self._kind = attributes.get("t", "n")
        self._style = attributes.get("s", "")
        self._formula = False
        self._pieces.clear()
        self._length = 0

    def _end_cell(self) -> None:
        if self._pieces:
            text = "".join(self._pieces)
            read = self._values.get(self._kind)
            value = read(text) if read else self._styles.value(text, self._style)
        elif self._formula and self._kind != "str":
            value = UNCALCULATED
        else:
            return
        self._place(value)

    def _place(self, value: object) -> None:
        column, cells = self._column, self._cells
        if self._row > MOST_ROWS:
            raise PermanentError("TOO_MANY_ROWS", f"a sheet has at most {MOST_ROWS:,} rows")
        if column > MOST_COLUMNS:
            raise PermanentError("TOO_MANY_COLUMNS", f"a sheet has at most {MOST_COLUMNS} columns")
        missing = column - len(cells) - 1
        if missing < 0:
            raise PermanentError("CORRUPT", "the cells of the sheet are out of order")
        cells.extend([None] * missing)
        cells.append(value)

    def _shared(self, text: str) -> object:
        number = natural(text)
        if not 0 <= number < len(self._texts):
            raise PermanentError("CORRUPT", "a cell refers to a text that is not there")
        return self._texts[number]


@lru_cache(maxsize=8192)
def _letters(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _column(cell: str) -> int:
    letters = cell.rstrip("0123456789").upper()
    if not (letters.isascii() and letters.isalpha() and len(letters) <= 3):
        raise PermanentError("CORRUPT", "a cell of the sheet is nowhere")
    return _letters(letters)


def _iso(text: str) -> object:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return CellFault("#VALUE!")
