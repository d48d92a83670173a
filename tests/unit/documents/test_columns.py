"""Widths of columns."""

from __future__ import annotations

import pytest

from portaria_workers.documents.filling.columns import Type, widths

KIND = Type(10, 4)


def test_the_columns_fill_the_room() -> None:
    """However little there is in them."""
    found = widths(["a", "b"], [["x"], ["yy"]], 400, KIND)

    assert sum(found) == pytest.approx(400)


def test_no_word_is_broken_while_there_is_room() -> None:
    """The column of long sentences gets what the others leave."""
    number, sentence = "1.234.567,89", "uma frase comprida " * 40

    narrow, wide = widths(["Valor", "Texto"], [[number], [sentence]], 300, KIND)

    assert KIND.letters(narrow) >= len(number)
    assert narrow + wide == pytest.approx(300)
    assert wide > narrow


def test_the_widest_give_way_first() -> None:
    """Twenty columns, one of them with a word of a thousand letters."""
    cells = [["12/03"]] * 19 + [["x" * 1000]]

    *others, last = widths(["t"] * 20, cells, 728, KIND)

    assert all(KIND.letters(each) >= 5 for each in others)
    assert sum(others) + last == pytest.approx(728)


def test_a_table_without_rows_goes_by_its_titles() -> None:
    """And columns without titles have some width, too."""
    found = widths(["Descrição", ""], [[], []], 200, KIND)

    assert found[0] > found[1] > 0
