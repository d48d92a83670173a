"""Sets a template in type: data in, PDF/A-2b out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portaria.jobs import PermanentError
from portaria_workers.documents.text import MARK

if TYPE_CHECKING:
    import typst

SUBSTITUTE = "\N{REPLACEMENT CHARACTER}"
"""Stands for what no font has."""

_FOLDER = Path(__file__).parent
MOST_LONG = 150_000
"""Letters of all words that may fit into no line: each takes some 2 kB in a narrow column."""
_MOST_TRIES = 3
_MOST_UNKNOWN = 20_000
_PRIVATE = "\ue000-\uf8ff\U000f0000-\U0010ffff"
"""Fonts have there what they like."""
_JOINERS = "[\u200c\u200d\ufe0e\ufe0f]"
_WITHOUT_JOINERS = dict.fromkeys(map(ord, "\u200c\u200d\ufe0e\ufe0f"))
_LATIN = re.compile("[\x00-\u024f]")
_NOT_LATIN = re.compile(f"[^\x00-\u024f\u200b\u2010-\u2026\u20ac{SUBSTITUTE}]")
_UNSHOWN = re.compile(r"the text `\"(.*?)\"` could not be displayed")
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-f]+)\}|(.))")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}


@dataclass(frozen=True, slots=True)
class Typeset:
    """A document in type."""

    pdf: bytes
    pages: int
    unshown: int
    """How many different characters no font has; SUBSTITUTE stands for them."""


def typeset(template: str, data: Mapping[str, Any]) -> Typeset:
    """Fills a template of `templates/`; the same data gives the same bytes.

    `data` is JSON and is shown as it is: nothing in it is markup. Takes a thread of every CPU, and
    about 40 ms more at the first call of a process, which must not fork after it. Raises
    PermanentError TYPESETTING where the template does not take the data, LONG_WORDS where there are
    more than MOST_LONG letters in words that may have to be broken.
    """
    text = json.dumps(data, ensure_ascii=False)
    if sum(map(len, text.split(MARK)[1::2])) > MOST_LONG:
        raise PermanentError("LONG_WORDS", f"words without an end have over {MOST_LONG:,} letters")
    known = _known_to_miss()
    for _ in range(_MOST_TRIES):
        candidate, missing = known.substituted(text)
        try:
            return _typed(template, candidate, missing)
        except _Unshown as lack:
            if not known.add(lack.characters):
                break
    candidate, missing = _substituted(_NOT_LATIN, text)
    try:
        return _typed(template, candidate, missing)
    except _Unshown as lack:
        raise PermanentError("TYPESETTING", f"{template}: {lack}") from None


def _typed(template: str, text: str, missing: set[str]) -> Typeset:
    pdf = _compiled(template, text)
    return Typeset(pdf, _pages(pdf), len(missing))


def _compiled(template: str, text: str) -> bytes:
    import typst

    try:
        found = _compiler().compile(
            input=str(_FOLDER / "templates" / f"{template}.typ"),
            format="pdf",
            sys_inputs={"data": text},
            pdf_standards="a-2b",
        )
    except typst.TypstError as error:
        if error.message.startswith("PDF/A"):
            unshown = map(_unescaped, _UNSHOWN.findall(error.diagnostic))
            raise _Unshown(error.message, set("".join(unshown))) from None
        raise PermanentError("TYPESETTING", f"{template}: {error.message}"[:500]) from None
    assert isinstance(found, bytes)
    return found


@cache
def _compiler() -> typst.Compiler:
    """One for each process; it has threads, so it is never made before a fork."""
    import typst

    fonts = typst.Fonts(include_system_fonts=False, font_paths=[str(_FOLDER / "fonts")])
    return typst.Compiler(root=str(_FOLDER / "templates"), font_paths=fonts)


def _pages(pdf: bytes) -> int:
    # Loaded where it is needed: workers that make no PDF start without it.
    import pypdfium2

    document = pypdfium2.PdfDocument(pdf)
    try:
        return len(document)
    finally:
        document.close()


class _Unshown(Exception):
    """There is what no PDF/A may have: mostly characters that are in no font, alone or together
    with those beside them."""

    def __init__(self, message: str, characters: set[str]) -> None:
        self.characters = characters
        super().__init__(message[:500])


class _KnownToMiss:
    """What no font has, as far as this process has seen: it is not tried again."""

    def __init__(self) -> None:
        self._characters: set[str] = set()
        self._pattern = _pattern("")

    def add(self, characters: set[str]) -> bool:
        """Remembers more; answers whether it did.

        A letter that every font has is named for the mark on it only.
        """
        new = {each for each in characters if not _LATIN.match(each)} - self._characters
        if len(self._characters) > _MOST_UNKNOWN:
            self._characters.clear()
        self._characters |= new
        self._pattern = _pattern("".join(map(re.escape, sorted(self._characters))))
        return bool(new)

    def substituted(self, text: str) -> tuple[str, set[str]]:
        """The text without them, and which ones it had."""
        return (text, set()) if text.isascii() else _substituted(self._pattern, text)


def _pattern(characters: str) -> re.Pattern[str]:
    one = f"[{_PRIVATE}{characters}]"
    # What is joined to one picture is one character for its reader.
    return re.compile(f"{one}(?:{_JOINERS}+{one})*{_JOINERS}*")


def _substituted(pattern: re.Pattern[str], text: str) -> tuple[str, set[str]]:
    found: set[str] = set()

    def substitute(match: re.Match[str]) -> str:
        seen = match[0].translate(_WITHOUT_JOINERS)
        found.update(seen[:1])
        return SUBSTITUTE if seen else ""

    return pattern.sub(substitute, text), found


@cache
def _known_to_miss() -> _KnownToMiss:
    return _KnownToMiss()


def _unescaped(fragment: str) -> str:
    """Text as typst quotes it."""

    def replaced(match: re.Match[str]) -> str:
        code, letter = match.groups()
        return chr(int(code, 16)) if code else _ESCAPES.get(letter, letter)

    return _ESCAPE.sub(replaced, fragment)
