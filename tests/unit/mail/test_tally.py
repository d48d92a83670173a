"""What became of the recipients of a bulk mail."""

from __future__ import annotations

import pytest

from portaria.runtime.outcome import LARGEST_RESULT
from portaria_workers.mail.replies import LONGEST_REPLY
from portaria_workers.mail.tally import MOST_NAMED, Tally


@pytest.mark.parametrize("letter", ["x", "é", "漢", "😀"])
def test_a_result_fits_in_whatever_letters_the_server_answers(letter: str) -> None:
    """All lists are full: of doubts, of long replies, and of different reasons."""
    address = f"{'a' * 242}@example.com"
    with Tally() as tally:
        for number in range(MOST_NAMED):
            text = f"{500 + number % 100} {letter * LONGEST_REPLY}"[:LONGEST_REPLY]
            tally.refused(address, text)
            tally.maybe_sent(address)

        result = tally.result()

    assert result.ByteSize() < LARGEST_RESULT - 1024
    assert tally.is_cut
    assert result.refused_count == MOST_NAMED > len(result.refused) > 50
    assert len(result.reasons) == 100
