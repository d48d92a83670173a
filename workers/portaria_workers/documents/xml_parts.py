"""XML from strangers, read as a stream by expat: what could take memory without end is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol
from xml.parsers import expat

from portaria.jobs.errors import PermanentError

DEEPEST = 64
MOST_NAMES = 2_000
"""Of elements and attributes."""
LONGEST_TOKEN = 1024 * 1024
"""Bytes of a tag with its attributes."""
_BLOCK = 64 * 1024

Attributes = dict[str, str]


class Listener(Protocol):
    """What hears of elements, by their names without a prefix."""

    def start(self, name: str, attributes: Attributes) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """It ends."""

    def text(self, text: str) -> None:
        """Text within it, in pieces."""


def parse(part: BinaryIO, listener: Listener) -> None:
    """Reads a part to its end. Raises PermanentError CORRUPT."""
    for _ in parsing(part, listener):
        pass


def parsing(part: BinaryIO, listener: Listener) -> Iterator[None]:
    """Reads a part block by block, so that what the listener gathered can be taken in between.

    Raises PermanentError CORRUPT, also for XML that declares entities, is too deep, or has too many
    names.
    """
    parser = _parser(listener)
    fed = 0
    try:
        while block := part.read(_BLOCK):
            parser.Parse(block, False)
            fed += len(block)
            if fed - parser.CurrentByteIndex > LONGEST_TOKEN or len(parser.intern) > MOST_NAMES:
                raise _corrupt("has tags of a size that no workbook has")
            yield
        parser.Parse(b"", True)
    except (expat.ExpatError, ValueError, LookupError):
        # The latter two are of encodings that there are not.
        raise _corrupt("is damaged") from None
    finally:
        # The handlers refer to the parser's owner.
        parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None
    yield


def natural(text: str) -> int:
    """The number that an attribute or a text is; -1 where it is none, or has over nine digits."""
    return int(text) if len(text) <= 9 and text.isascii() and text.isdigit() else -1


def _parser(listener: Listener) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = 0
    hear_start, hear_end = listener.start, listener.end

    def start(name: str, attributes: Attributes) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise _corrupt("is nested too deep")
        hear_start(name if ":" not in name else _local(name), attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        hear_end(name if ":" not in name else _local(name))

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = listener.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _refuse_doctype(*_: object) -> None:
    raise _corrupt("declares a document type")


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _corrupt(what: str) -> PermanentError:
    return PermanentError("CORRUPT", f"the workbook's XML {what}")


class Gathering:
    """A listener that calls one function for each element that begins."""

    def __init__(self, start: Callable[[str, Attributes], None]) -> None:
        self.start = start

    def end(self, name: str) -> None:
        """See Listener."""

    def text(self, text: str) -> None:
        """See Listener."""
