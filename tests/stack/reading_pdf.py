"""What a PDF says, by a reader that did not write it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pypdf
import pypdfium2


@dataclass(frozen=True)
class ReadPdf:
    """A PDF as its readers see it."""

    content: bytes

    @cached_property
    def pages(self) -> list[str]:
        """The text of each page."""
        return [page.extract_text().replace("\xa0", " ") for page in self._reader.pages]

    @property
    def text(self) -> str:
        """Of all pages, in one line."""
        return " ".join(" ".join(self.pages).split())

    @property
    def xmp(self) -> str:
        """The metadata, as XML."""
        return str(self._root["/Metadata"].get_object().get_data().decode())

    @property
    def about(self) -> dict[str, object]:
        """/Title, /Author…"""
        return dict(self._reader.metadata or {})

    @property
    def language(self) -> str:
        """Of the whole text."""
        return str(self._root["/Lang"])

    def fonts(self) -> Iterator[tuple[str, bool]]:
        """The name of each font of each page, and whether it is embedded."""
        for page in self._reader.pages:
            resources: Any = page["/Resources"]
            for font in resources.get("/Font", {}).values():
                for each in _with_descriptors(font.get_object()):
                    descriptor = each["/FontDescriptor"].get_object()
                    embedded = {"/FontFile", "/FontFile2", "/FontFile3"} & descriptor.keys()
                    yield str(each["/BaseFont"]), bool(embedded)

    def overhang(self) -> float:
        """Points by which a letter stands outside of its page, at most."""
        document = pypdfium2.PdfDocument(self.content)
        try:
            return max(map(_overhang, document))
        finally:
            document.close()

    def overprinted(self) -> int:
        """How many letters stand on another."""
        document = pypdfium2.PdfDocument(self.content)
        try:
            return sum(map(_overprinted, document))
        finally:
            document.close()

    def places(self, letter: str) -> list[float]:
        """How far from the left each such letter of the first page begins."""
        return [left for left, _ in self._boxes(letter)]

    def ends(self, letter: str) -> list[float]:
        """How far from the left each such letter of the first page ends."""
        return [right for _, right in self._boxes(letter)]

    def _boxes(self, letter: str) -> list[tuple[float, float]]:
        document = pypdfium2.PdfDocument(self.content)
        try:
            text = document[0].get_textpage()
            boxes = [
                text.get_charbox(index)
                for index in range(text.count_chars())
                if text.get_text_range(index, 1) == letter
            ]
            return [(left, right) for left, _, right, _ in boxes]
        finally:
            document.close()

    @property
    def _root(self) -> Any:
        return self._reader.root_object

    @cached_property
    def _reader(self) -> pypdf.PdfReader:
        return pypdf.PdfReader(io.BytesIO(self.content), strict=True)


def _with_descriptors(font: Any) -> list[Any]:
    if "/DescendantFonts" in font:
        return [each.get_object() for each in font["/DescendantFonts"]]
    return [font]


def _overhang(page: pypdfium2.PdfPage) -> float:
    width, height = page.get_size()
    text = page.get_textpage()
    outside = [0.0]
    for index in range(text.count_chars()):
        left, bottom, right, top = text.get_charbox(index)
        outside += [-left, -bottom, right - width, top - height]
    return max(outside)


def _overprinted(page: pypdfium2.PdfPage) -> int:
    text = page.get_textpage()
    boxes = [text.get_charbox(index) for index in range(text.count_chars())]
    boxes = sorted(box for box in boxes if box[2] - box[0] > 1 and box[3] - box[1] > 1)
    found = 0
    for number, (left, bottom, right, top) in enumerate(boxes):
        x, y = (left + right) / 2, (bottom + top) / 2
        # None is wider than 30 points: those beside it are the only ones to look at.
        near = [each for each in boxes[max(0, number - 200) : number + 200] if each[0] > left - 30]
        found += any(
            each[0] < x < each[2] and each[1] < y < each[3]
            for each in near
            if each != (left, bottom, right, top)
        )
    return found
