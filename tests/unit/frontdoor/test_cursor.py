"""Places in the history."""

from __future__ import annotations

import pytest

from portaria.core.errors import InvalidRequest
from portaria.frontdoor.cursor import Cursor, entry_order, is_trimmed, parse_cursor

MINUTE = 60_000


@pytest.mark.parametrize(
    "cursor", [Cursor("0a1b", "1795226832537-12"), Cursor("0a1b", "0-0", 1_795_226_832_537)]
)
def test_a_cursor_reads_back(cursor: Cursor) -> None:
    """As it was written."""
    assert parse_cursor(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text", ["x", "0a.1", "0a.1-", "0a.-1", "0g.1-1", "0a.1-1\n", "0a.1-" + "9" * 21]
)
def test_anything_else_is_refused(text: str) -> None:
    """INVALID_REQUEST for the field."""
    with pytest.raises(InvalidRequest):
        parse_cursor(text)


def test_entries_are_ordered_as_numbers() -> None:
    """Not as text."""
    assert entry_order("9-0") < entry_order("10-0") < entry_order(b"10-2") < entry_order("10-10")


@pytest.mark.parametrize(
    ("cursor", "oldest", "trimmed"),
    [
        (Cursor("g", "100-0"), "100-0", False),
        (Cursor("g", "100-1"), "100-0", False),
        (Cursor("g", "99-9"), "100-0", True),
        (Cursor("g", "99-9"), "0-0", True),
        # taken while the stream was empty, nine and eleven minutes ago
        (Cursor("g", "0-0", 11 * MINUTE), "700000-0", False),
        (Cursor("g", "0-0", 9 * MINUTE), "700000-0", True),
        (Cursor("g", "0-0", 1), "0-0", False),
    ],
)
def test_trimmed_is_what_may_have_lost_something(
    cursor: Cursor, oldest: str, trimmed: bool
) -> None:
    """Nothing trimmed yet is not trimmed; no entry younger than ten minutes ever is."""
    assert is_trimmed(cursor, oldest=oldest, now_ms=20 * MINUTE - 1) is trimmed
