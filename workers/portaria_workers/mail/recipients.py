"""Reads recipients from CSV; needs nothing but the client's own dependencies."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from portaria.core.errors import InvalidRequest, Violation
from portaria_workers.mail.addresses import normalize_address
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail

MOST_VIOLATIONS = 20
MOST_VARIABLES = 64
"""As the contract has it."""

_ADDRESS = "address"
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_MOST_SHOWN = 64
_VARIABLE = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_Row = dict[str | None, str | list[str] | None]


def sample_recipients() -> Path:
    """A list of invented people that ships with the package; one of them is always refused."""
    return Path(__file__).parent / "samples" / "recipients.csv"


def read_recipients(path: Path) -> list[SendBulkEmail.Recipient]:
    """Reads a CSV file, UTF-8, with a header row.

    The column `address` is needed; every other one is a variable of the template, and an empty
    cell leaves it out. Blank lines are skipped. Raises InvalidRequest that names row (its last
    line in the file) and column of everything wrong, at most twenty, and OSError.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            return parse_recipients(file)
        except UnicodeDecodeError:
            raise _invalid([_violation("file", "ENCODING", "is not UTF-8")]) from None


def parse_recipients(lines: Iterable[str]) -> list[SendBulkEmail.Recipient]:
    """As read_recipients, from lines."""
    reader = csv.DictReader(lines, strict=True)
    wrong: list[Violation] = []
    found: list[SendBulkEmail.Recipient] = []
    try:
        wrong += check_header(reader.fieldnames or [])
        for row in reader if not wrong else ():
            violations = list(_check_row(row, reader.line_num))
            wrong += violations
            if not violations:
                found.append(_recipient(row))
    except csv.Error as error:
        wrong.append(_violation(f"row {reader.reader.line_num}", "CSV_FORMAT", str(error)))
    if not wrong and not found:
        wrong.append(_violation("row 2", "REQUIRED", "the file names no recipients"))
    if wrong:
        raise _invalid(wrong)
    return found


def check_header(columns: Iterable[str]) -> Iterator[Violation]:
    """What is wrong with the names of the columns."""
    names = list(columns)
    if len(names) > MOST_VARIABLES + 1:
        yield _violation("row 1", "TOO_MANY", f"has more than {MOST_VARIABLES} variables")
        return
    if len(names) == 1 and (found := re.search(r"[;\t|]", names[0])):
        text = f"columns are parted by commas, and these by {_SEPARATORS[found[0]]}"
        yield _violation("row 1", "CSV_FORMAT", text)
        return
    seen: set[str] = set()
    if _ADDRESS not in names:
        yield _violation("row 1", "REQUIRED", f'there is no column "{_ADDRESS}"')
    for number, name in enumerate(names, start=1):
        place = f"row 1, column {number}"
        if not _VARIABLE.match(name):
            text = f"{_quoted(name)} is not named like a_variable, in lower case"
            yield _violation(place, "FORMAT", text)
        elif name in seen:
            yield _violation(place, "DUPLICATE", f'there are two columns "{name}"')
        seen.add(name)


def _quoted(name: str) -> str:
    """A column's name with its blanks; none that may be somebody's address."""
    if not name or "@" in name:
        return "it"
    start = name[:_MOST_SHOWN]
    return f'"{start}"' if start.isprintable() else json.dumps(start)


def _check_row(row: _Row, line: int) -> Iterator[Violation]:
    # The reader files cells beyond the header under None, and None under columns without a cell.
    if None in row:
        yield _violation(f"row {line}", "CSV_FORMAT", "has more cells than the header")
    address = row.get(_ADDRESS)
    place = f"row {line}, column {_ADDRESS}"
    if not isinstance(address, str) or not address.strip():
        yield _violation(place, "REQUIRED", "is empty")
        return
    try:
        normalize_address(address.strip())
    except ValueError as error:
        yield _violation(place, "EMAIL_FORMAT", str(error))


def values_of(row: _Row) -> tuple[str, dict[str, str], tuple[str, ...]]:
    """The address and the variables of a row, and what is wrong with its form."""
    faults: tuple[str, ...] = ()
    if None in row:
        faults = ("has more cells than the header",)
    recipient = _cells(row)
    address = recipient.pop(_ADDRESS, "")
    if not address:
        faults += (f"column {_ADDRESS}: is empty",)
    return address, recipient, faults


def _recipient(row: _Row) -> SendBulkEmail.Recipient:
    cells = _cells(row)
    return SendBulkEmail.Recipient(address=cells.pop(_ADDRESS), variables=cells)


def _cells(row: _Row) -> dict[str, str]:
    return {
        name: cell.strip()
        for name, cell in row.items()
        if isinstance(name, str) and isinstance(cell, str) and cell.strip()
    }


def _violation(field: str, reason: str, description: str) -> Violation:
    return Violation(field, reason, description)


def _invalid(wrong: list[Violation]) -> InvalidRequest:
    return InvalidRequest(wrong[:MOST_VIOLATIONS])
