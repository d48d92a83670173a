"""Lengths of time and sizes in the words of a reader's language."""

from __future__ import annotations

from datetime import timedelta

_UNITS = {
    "pt": (("dia", "dias"), ("hora", "horas"), ("minuto", "minutos")),
    "en": (("day", "days"), ("hour", "hours"), ("minute", "minutes")),
}
_AND = {"pt": " e ", "en": " and "}
_LESS = {"pt": "menos de um minuto", "en": "less than a minute"}
_SECONDS = (86_400, 3_600, 60)


def duration_in_words(length: timedelta, locale: str) -> str:
    """ "30 minutos", "1 hora e 30 minutos": the two largest units, cut off."""
    language = _language(locale)
    left = int(length.total_seconds())
    if left < _SECONDS[-1]:
        return _LESS[language]
    words: list[str] = []
    for seconds, (one, many) in zip(_SECONDS, _UNITS[language], strict=True):
        count, left = divmod(left, seconds)
        if count:
            words.append(f"{count} {one if count == 1 else many}")
    return _AND[language].join(words[:2])


def size_in_words(size: int, locale: str) -> str:
    """ "512 bytes", "84 KB", "1,2 MB"."""
    if size < 1024:
        return "1 byte" if size == 1 else f"{size} bytes"
    if size < 1024 * 1024:
        return f"{max(round(size / 1024), 1)} KB"
    text = f"{size / (1024 * 1024):.1f} MB"
    return text if _language(locale) == "en" else text.replace(".", ",")


def _language(locale: str) -> str:
    return "en" if locale == "en" else "pt"
