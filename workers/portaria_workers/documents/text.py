"""Text on its way to a page: without what no page can show, and with marks at its long words."""

from __future__ import annotations

import re
import unicodedata

LONGEST_WORD = 30
"""Longer ones are marked."""

MARK = "\N{ZERO WIDTH SPACE}"
"""Before and after words that templates break where they do not fit; no PDF has it."""

_ADDRESS = re.compile(r"[@_\\]|//")

# Controls, and what turns the direction of the text around it: an amount reads as it is.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]"
)
_BREAKS = re.compile("\r\n?|\u2028|\x0b|\x0c|\x85")
_BLANK_LINES = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")
_BLANKS = re.compile(r"[ \n]+")
_WIDE = re.compile("[MWmw@%\u2e80-\U0010ffff]")
_CAPITAL = re.compile("[A-ZÀ-Þ]")


def line(text: str, longest_word: int = LONGEST_WORD) -> str:
    """One line: composed, without controls; long words and addresses are marked."""
    return _marked(_BLANKS.sub(" ", _clean(text)).strip(" "), longest_word)


def short(text: str, most: int = 90) -> str:
    """What fits into a line at the head or foot of a page; without marks."""
    text = text.replace(MARK, "")
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def paragraphs(text: str, longest_word: int = LONGEST_WORD) -> list[list[str]]:
    """Blank lines part paragraphs; each is a list of lines."""
    text = _clean(text).strip()
    if not text:
        return []
    return [
        [_marked(each.strip(), longest_word) for each in part.strip().split("\n")]
        for part in _BLANK_LINES.split(text)
    ]


def _clean(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    text = _INVISIBLE.sub("", _BREAKS.sub("\n", unicodedata.normalize("NFC", text)))
    return text.replace("\t", " ")


def breadth(text: str) -> float:
    """How wide it is, in letters of the usual width, at most."""
    return len(text) + 0.75 * len(_WIDE.findall(text)) + 0.25 * len(_CAPITAL.findall(text))


def _marked(text: str, longest_word: int) -> str:
    words = text.split(" ")
    # A word alone is not hyphenated where it fits.
    if len(text) * 2 <= longest_word and (len(words) == 1 or not _ADDRESS.search(text)):
        return text
    addresses = len(words) > 1
    return " ".join(
        f"{MARK}{word}{MARK}" if _is_long(word, longest_word, addresses) else word for word in words
    )


def _is_long(word: str, longest_word: int, addresses: bool) -> bool:
    too_long = len(word) * 2 > longest_word and breadth(word) > longest_word
    return too_long or (addresses and _ADDRESS.search(word) is not None)
