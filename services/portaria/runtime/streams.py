"""stdout and stderr of a worker: what handlers print and we log reaches them, or is dropped.

A closed pipe fails no job and ends no worker; a reader that stands still holds nobody up for long.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PATIENCE = 1.0
"""Seconds that a write waits for a reader that stands still; once, then it is known."""


def protect() -> None:
    """Replaces sys.stdout and sys.stderr."""
    fill()
    sys.stdout = _protected(1)
    sys.stderr = _protected(2)


def fill() -> None:
    """Opens what of 0, 1 and 2 is closed: or a connection would be next to get that number, and be
    printed into.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        continue
    os.close(number)


def _protected(number: int) -> TextIO:
    # A line at a time, since a child's end flushes nothing; and any text can be printed, also
    # where the locale is C or the text has lone surrogates.
    buffer = io.BufferedWriter(Outlet(number))
    return io.TextIOWrapper(buffer, "utf-8", "backslashreplace", line_buffering=True)


class Lines:
    """Text onto a descriptor, each piece at once. Not sys.stderr, which a handler may close."""

    def __init__(self, number: int) -> None:
        self._outlet = Outlet(number)

    def write(self, text: str) -> None:
        """Writes it, or drops it."""
        self._outlet.write(text.encode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        """Nothing is kept back."""

    def isatty(self) -> bool:
        """Whether people look at it."""
        return self._outlet.isatty()


class Outlet(io.RawIOBase):
    """A descriptor that takes everything, though it may not write it. Never closes it."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._poll = select.poll()
        self._poll.register(number, select.POLLOUT)
        self._patience = PATIENCE

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The descriptor, for the programs that a handler starts."""
        return self._number

    def isatty(self) -> bool:
        """Whether people look at it."""
        return os.isatty(self._number)

    def write(self, data: ReadableBuffer, /) -> int:
        """Writes what is taken within PATIENCE. Answers that all was."""
        whole = memoryview(data).cast("B")
        rest = whole
        while rest and self._is_ready():
            try:
                # No more than a pipe that is ready certainly takes.
                rest = rest[os.write(self._number, rest[: select.PIPE_BUF]) :]
            except BlockingIOError:
                continue
            except OSError:
                break
        return len(whole)

    def _is_ready(self) -> bool:
        ready = bool(self._poll.poll(self._patience * 1000))
        self._patience = PATIENCE if ready else 0.0
        return ready
