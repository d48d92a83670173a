"""Times and sizes in words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from portaria_workers.mail.wording import duration_in_words, size_in_words


@pytest.mark.parametrize(
    ("length", "locale", "words"),
    [
        (timedelta(seconds=59), "pt-BR", "menos de um minuto"),
        (timedelta(seconds=1), "en", "less than a minute"),
        (timedelta(minutes=1), "pt-BR", "1 minuto"),
        (timedelta(minutes=30, seconds=59), "pt-AO", "30 minutos"),
        (timedelta(hours=1), "", "1 hora"),
        (timedelta(hours=1, minutes=30), "pt-BR", "1 hora e 30 minutos"),
        (timedelta(days=2, hours=1, minutes=5), "pt-BR", "2 dias e 1 hora"),
        (timedelta(days=7), "en", "7 days"),
        (timedelta(days=1, minutes=1), "en", "1 day and 1 minute"),
    ],
)
def test_a_length_of_time_is_cut_to_its_two_largest_units(
    length: timedelta, locale: str, words: str
) -> None:
    """Never longer than it is."""
    assert duration_in_words(length, locale) == words


@pytest.mark.parametrize(
    ("size", "locale", "words"),
    [
        (0, "pt-BR", "0 bytes"),
        (1, "pt-BR", "1 byte"),
        (1023, "en", "1023 bytes"),
        (1024, "pt-BR", "1 KB"),
        (86_016, "pt-BR", "84 KB"),
        (1_258_291, "pt-AO", "1,2 MB"),
        (20 * 1024 * 1024, "en", "20.0 MB"),
    ],
)
def test_a_size_has_the_decimal_sign_of_its_reader(size: int, locale: str, words: str) -> None:
    """As file managers show it."""
    assert size_in_words(size, locale) == words
