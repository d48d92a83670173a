"""A process that makes PDFs: by our handlers, or by typst alone from the same template and data."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from bench.memory import pss

DAY = date(2026, 11, 22)
_LOCALE = "pt-BR"

Make = Callable[[int], object]
"""Makes the document of a number; no two numbers have the same content."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What some documents took, in seconds."""

    wall: float
    cpu: float
    """Of all threads."""


@contextmanager
def running(kind: str, folder: Path) -> Iterator[Side]:
    """A fresh process, which has imported nothing yet."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(kind, folder, theirs), daemon=True)
    process.start()
    try:
        yield Side(ours, process.pid or 0)
    finally:
        ours.close()
        process.join(30)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the processes that are compared."""

    connection: Connection
    pid: int

    def make(self, first: int, count: int) -> Spent:
        """Makes documents, one after the other."""
        self.connection.send((first, count))
        spent = self.connection.recv()
        assert isinstance(spent, Spent), spent
        return spent

    def megabytes(self) -> float:
        """Memory that the process has now."""
        return pss(self.pid) / 1e6


def _serve(kind: str, folder: Path, connection: Connection) -> None:
    os.environ["PORTARIA_DATA_DIR"] = str(folder)
    make = _KINDS[kind](folder)
    while True:
        try:
            first, count = connection.recv()
        except EOFError:
            return
        # What a caller sends is there already.
        steps = [make(number) for number in range(first, first + count)]
        wall, cpu = time.perf_counter(), time.process_time()
        for step in steps:
            step()
        connection.send(Spent(time.perf_counter() - wall, time.process_time() - cpu))


Prepared = Callable[[int], Callable[[], object]]


def _contract(number: int) -> object:
    from stack import papers

    return papers.contract(clauses=152, preamble=f"Contrato de ensaio n.º {number}.")


def _invoice(number: int) -> object:
    from stack import papers

    return papers.invoice(5, notes=f"Ensaio n.º {number}.")


def _typeset(folder: Path) -> Prepared:
    """Ours, up to the bytes."""
    from portaria_workers.documents.filling import fill
    from portaria_workers.documents.locales import locale
    from portaria_workers.documents.typesetting import typeset

    def make(content: object) -> None:
        filled = fill(content, locale(_LOCALE), made=DAY)  # type: ignore[arg-type]
        assert typeset(filled.template, filled.data).pages == 20

    return lambda number: _bound(make, _contract(number))


def _bare_typeset(folder: Path) -> Prepared:
    """typst alone, up to the bytes."""
    compiled = _compiler()
    return lambda number: _bound(compiled, *_source(_contract(number)))


def _handled(folder: Path) -> Prepared:
    """GenerateDocument: rendered, stored, registered; only the job around it is left out."""
    from portaria.database import open_database
    from portaria.database.upgrading import upgrade
    from portaria.jobs.eager import run_eagerly
    from portaria_workers.documents.handlers import generate_document
    from portaria_workers.documents.v1.documents_pb2 import GenerateDocument

    upgrade(open_database(), ())

    def prepared(number: int) -> Callable[[], object]:
        order = GenerateDocument(invoice=_invoice(number))  # type: ignore[arg-type]
        return lambda: run_eagerly(generate_document, order)

    return prepared


def _bare_written(folder: Path) -> Prepared:
    """typst alone, into files."""
    compiled = _compiler()

    def make(number: int, template: str, data: str) -> None:
        (folder / f"{number}.pdf").write_bytes(compiled(template, data))

    return lambda number: _bound(make, number, *_source(_invoice(number)))


def _bare_synced(folder: Path) -> Prepared:
    """typst alone, into files that a power cut does not take."""
    compiled, there = _compiler(), os.open(folder, os.O_DIRECTORY)

    def make(number: int, template: str, data: str) -> None:
        with open(folder / f"{number}.pdf", "wb") as file:
            file.write(compiled(template, data))
            file.flush()
            os.fsync(file.fileno())
        os.fsync(there)

    return lambda number: _bound(make, number, *_source(_invoice(number)))


def _source(content: object) -> tuple[str, str]:
    from portaria_workers.documents.filling import fill
    from portaria_workers.documents.locales import locale

    filled = fill(content, locale(_LOCALE), made=DAY)  # type: ignore[arg-type]
    return filled.template, json.dumps(filled.data, ensure_ascii=False)


def _compiler() -> Callable[[str, str], bytes]:
    """As fast as typst goes: one compiler for all documents."""
    import typst

    from portaria_workers import documents

    folder = Path(documents.__file__).parent
    fonts = typst.Fonts(include_system_fonts=False, font_paths=[str(folder / "fonts")])
    compiler = typst.Compiler(root=str(folder / "templates"), font_paths=fonts)

    def compiled(template: str, data: str) -> bytes:
        found = compiler.compile(
            input=str(folder / "templates" / f"{template}.typ"),
            format="pdf",
            sys_inputs={"data": data},
            pdf_standards="a-2b",
        )
        assert isinstance(found, bytes)
        return found

    return compiled


def _bound(function: Callable[..., object], *arguments: object) -> Callable[[], object]:
    return lambda: function(*arguments)


_KINDS: dict[str, Callable[[Path], Prepared]] = {
    "typeset": _typeset,
    "bare typeset": _bare_typeset,
    "handled": _handled,
    "bare written": _bare_written,
    "bare synced": _bare_synced,
}
